"""Checks of a vendor that says no: each status by the table, a credential that ended, a limit that is used up."""

from collections.abc import Sequence
from typing import Literal

from connectors.sdk.auth import BasicToken, OAuthUser, StaticToken
from connectors.sdk.contract.check import EVER, Answered, Subject
from connectors.sdk.contract.counted import at_most_once

_LONGEST_WAIT = 10.0  # what the gateway waits in a call; a vendor that asks for more is told to the caller
_BELOW, _ABOVE = 1.5, 2.0
_SERVER = (500, 502, 503, 504)


async def maps_each_error(subject: Subject) -> Sequence[str]:
    """Every status of the table, in the vendor's own words, arrives as the error that the table names."""
    wrong: list[str] = []
    for status, code in sorted(_expected(subject).items()):
        again = await subject.again()
        again.fault("status", status=status, times=EVER)
        answered = await again.run()
        if answered.code != code:
            wrong.append(
                f"a {status} answers {answered.status} {answered.code or 'as a success'} instead of {code}: let the "
                "errors of `api` through, or say otherwise in the connector's `errors`"
            )
        elif status < 500 and status != 429 and not answered.body.get("upstream", {}).get("message"):
            wrong.append(f"a {status} comes without the vendor's words: read its error body in `problem`")
        if again.simulator.applied:
            wrong.append(f"a {status} had an effect")
    return wrong


def _expected(subject: Subject) -> dict[int, str]:
    table = subject.bench.connector.error_table
    unserved = {status: table[status].code if status in table else "upstream_unavailable" for status in _SERVER}
    named = {status: kind.code for status, kind in table.items() if status != 401}
    if subject.action.writes:
        # Whether a vendor that failed has done it is not known, whatever the table calls it.
        unserved = dict.fromkeys([*unserved, *(status for status in named if status >= 500)], "outcome_unknown")
    return {**named, **unserved}


async def renews_its_credential(subject: Subject) -> Sequence[str]:
    """A 401 renews what can be renewed, and the call goes on; what cannot makes the connection unhealthy."""
    wrong: list[str] = []
    connector = subject.bench.connector
    if any(isinstance(method, OAuthUser) for method in connector.auth.values()):
        wrong += await _refused_once(subject, "consented", renewable=True)
    pasted = connector.auth[subject.simulator.method]
    renewable = not isinstance(pasted, StaticToken | BasicToken)
    return [*wrong, *await _refused_once(subject, "pasted", renewable=renewable)]


async def _refused_once(subject: Subject, who: Literal["pasted", "consented"], *, renewable: bool) -> Sequence[str]:
    again = await subject.again()
    if not await again.bench.connect(who):
        return ["its simulator gives no OAuth pair: return one from `consent`"]
    again.fault("status", status=401)
    before = len(again.simulator.received)
    answered = await again.run(who=who)
    if not renewable:
        return await _ended(again, answered)
    if answered.status != 200:
        return [f"with an OAuth pair a 401 answers {answered.status} {answered.code}: {answered.body.get('detail')}"]
    shown = {one.headers.get("authorization") for one in list(again.simulator.received)[before:]}
    if len(shown) < 2:
        return ["after a 401 it was sent with the same token: let the gateway sign, which renews the pair"]
    return at_most_once(again, answered)


async def _ended(subject: Subject, answered: Answered) -> Sequence[str]:
    if answered.code != "connection_unhealthy":
        return [
            f"with a pasted token a 401 answers {answered.status} {answered.code or 'as a success'}: let "
            "`ConnectionUnhealthy` through"
        ]
    sent = len(subject.simulator.received)
    later = await subject.run(who="pasted")
    if later.code != "connection_unhealthy" or len(subject.simulator.received) != sent:
        return ["after a 401 the pasted token was shown again: let `ConnectionUnhealthy` through"]
    return ["a 401 had an effect"] if subject.simulator.applied else []


async def waits_as_asked(subject: Subject) -> Sequence[str]:
    """The wait that the vendor asks for, in each of its shapes, is the wait that is taken or told."""
    wrong: list[str] = []
    for shape, throttle in enumerate(subject.simulator.throttles()):
        again = await subject.again()
        before = again.bench.waited
        again.fault("throttle", shape=shape)
        answered = await again.run()
        told = answered.body.get("retry_after_ms")
        waited = again.bench.waited - before if answered.status == 200 else (told or 0) / 1000
        where = f"the {throttle.answer.status} in shape {shape}"
        if answered.status != 200 and (throttle.seconds <= _LONGEST_WAIT or answered.code != "upstream_quota"):
            wrong.append(f"{where} answers {answered.code}: tell it in the connector's `throttled`")
        elif not throttle.seconds - _BELOW <= waited <= throttle.seconds + _ABOVE:
            wrong.append(
                f"{where} asks for {throttle.seconds:.0f} s, and {waited:.1f} s were waited: read the vendor's header "
                "in the connector's `throttled`"
            )
        wrong += at_most_once(again, answered)
    return wrong
