"""Checks of an action whose vendor fails: nothing twice, nothing claimed that is not so, errors that say what to do."""

from collections.abc import Sequence

from connectors.sdk.contract.check import Answered, Subject
from connectors.sdk.contract.counted import at_most_once
from connectors.sdk.facts import Unknowable

_TYPED = frozenset(
    {
        "outcome_unknown",
        "upstream_invalid_response",
        "upstream_quota",
        "upstream_unavailable",
        "upstream_timeout",
        "upstream_conflict",
        "upstream_rejected",
    }
)


async def survives_throttling(subject: Subject) -> Sequence[str]:
    """Refused for the vendor's limits: tried again after the vendor's own wait, or said so; applied at most once."""
    subject.fault("429")
    answered = await subject.run()
    if answered.status != 200 and answered.code != "upstream_quota":
        return [f"a refusal for limits answers {answered.code}: tell it in the connector's `throttled`"]
    return at_most_once(subject, answered)


async def survives_a_lost_request(subject: Subject) -> Sequence[str]:
    """Reset before it was applied: a read is repeated; a write is settled as declared or is unknown."""
    subject.fault("reset_before")
    answered = await subject.run()
    if not subject.action.writes and answered.status != 200:
        return [f"a read that was reset answers {answered.code}: let the errors of `api` through"]
    return settled(subject, answered)


async def survives_a_lost_answer(subject: Subject) -> Sequence[str]:
    """Applied and not answered: applied once, and settled wherever the declared strategy can tell.

    Of several effects the last is broken: after any other, what is still to come cannot be found at the vendor.
    """
    subject.fault("reset_after", step=-1)
    answered = await subject.run()
    wrong = list(settled(subject, answered))
    unknowable = isinstance(subject.action.idempotency, Unknowable)
    if answered.status != 200 and not unknowable:
        kind = type(subject.action.idempotency).__name__
        wrong.append(f"its effect is there, and {kind} did not find it: the call ends as {answered.code}")
    return wrong


async def survives_half_an_answer(subject: Subject) -> Sequence[str]:
    """Applied, and the answer broke off: never sent again blindly."""
    subject.fault("half_body")
    return settled(subject, await subject.run())


async def survives_a_server_error(subject: Subject) -> Sequence[str]:
    """A 500 of the vendor: a read is repeated, a write is settled or unknown."""
    subject.fault("500")
    return settled(subject, await subject.run())


async def survives_a_web_page(subject: Subject) -> Sequence[str]:
    """A web page in place of JSON is no success."""
    subject.fault("html")
    answered = await subject.run()
    if answered.status == 200 and subject.action.writes and not subject.simulator.applied:
        return ["a web page was taken for success: read the answer with `api.read`"]
    return settled(subject, answered)


async def survives_an_endless_answer(subject: Subject) -> Sequence[str]:
    """An answer without end stops at its bound."""
    subject.fault("huge")
    return settled(subject, await subject.run())


async def survives_a_redirect(subject: Subject) -> Sequence[str]:
    """A redirect to another host is not followed."""
    subject.fault("redirect")
    answered = await subject.run()
    if answered.status == 200 and subject.action.writes and not subject.simulator.applied:
        return ["a redirect was taken for success: leave redirects to the gateway, and read the answer with `api.read`"]
    return settled(subject, answered)


async def repeats_are_replayed(subject: Subject) -> Sequence[str]:
    """The same key gives the same answer, and nothing more is sent."""
    first = await subject.bench.run(subject.action.name, subject.value, key="contract-repeat")
    sent = len(subject.simulator.received)
    second = await subject.bench.run(subject.action.name, subject.value, key="contract-repeat")
    if len(subject.simulator.received) != sent:
        return ["a repeat under the same key was sent again"]
    return [] if second.body == {**first.body, "replayed": True} else ["a repeat is answered otherwise than the first"]


async def survives_each_step(subject: Subject) -> Sequence[str]:
    """An action of several effects that breaks off at any of them: none twice, and done only when all are."""
    wrong: list[str] = []
    for step in range(len(subject.effects) if len(subject.effects) > 1 else 0):
        for kind, moment in (("reset_before", "before"), ("reset_after", "after")):
            again = await subject.again()
            again.fault(kind, step=step)
            effect = subject.effects[step]
            where = f"reset {moment} step {step + 1}, {effect.method} {effect.path}"
            wrong += [f"{where}: {fault}" for fault in settled(again, await again.run())]
    return wrong


def settled(subject: Subject, answered: Answered) -> Sequence[str]:
    """Say what is wrong with the end of a call whose vendor failed."""
    wrong = list(at_most_once(subject, answered))
    if answered.status != 200 and answered.code not in _TYPED:
        wrong.append(
            f"the caller gets {answered.status} {answered.code}: let the errors of `api` through, and type answers "
            "with `api.read` or `api.done`"
        )
    return wrong
