"""Checks of an action whose vendor fails: nothing twice, nothing claimed that is not so, errors that say what to do."""

from collections.abc import Sequence

from connectors.sdk.contract.check import Answered, Subject
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
    answered = await _run(subject)
    if answered.status != 200 and answered.code != "upstream_quota":
        return [f"a refusal for limits answers {answered.code}: tell it in the connector's `throttled`"]
    return _at_most_once(subject, answered)


async def survives_a_lost_request(subject: Subject) -> Sequence[str]:
    """Reset before it was applied: a read is repeated; a write is settled as declared or is unknown."""
    subject.fault("reset_before")
    answered = await _run(subject)
    if not subject.action.writes and answered.status != 200:
        return [f"a read that was reset answers {answered.code}"]
    return _settled(subject, answered)


async def survives_a_lost_answer(subject: Subject) -> Sequence[str]:
    """Applied and not answered: applied once, and settled wherever the declared strategy can tell."""
    subject.fault("reset_after")
    answered = await _run(subject)
    wrong = list(_settled(subject, answered))
    unknowable = isinstance(subject.action.idempotency, Unknowable)
    if answered.status != 200 and not unknowable:
        kind = type(subject.action.idempotency).__name__
        wrong.append(f"its effect is there, and {kind} did not find it: the call ends as {answered.code}")
    return wrong


async def survives_half_an_answer(subject: Subject) -> Sequence[str]:
    """Applied, and the answer broke off: never sent again blindly."""
    subject.fault("half_body")
    return _settled(subject, await _run(subject))


async def survives_a_server_error(subject: Subject) -> Sequence[str]:
    """A 500 of the vendor: a read is repeated, a write is settled or unknown."""
    subject.fault("500")
    return _settled(subject, await _run(subject))


async def survives_a_web_page(subject: Subject) -> Sequence[str]:
    """A web page in place of JSON is no success."""
    subject.fault("html")
    answered = await _run(subject)
    if answered.status == 200 and subject.action.writes and not subject.simulator.applied:
        return ["a web page was taken for success: read the answer with `api.read`"]
    return _settled(subject, answered)


async def survives_an_endless_answer(subject: Subject) -> Sequence[str]:
    """An answer without end stops at its bound."""
    subject.fault("huge")
    return _settled(subject, await _run(subject))


async def survives_a_redirect(subject: Subject) -> Sequence[str]:
    """A redirect to another host is not followed."""
    subject.fault("redirect")
    answered = await _run(subject)
    if answered.status == 200 and subject.action.writes and not subject.simulator.applied:
        return ["a redirect was taken for success"]
    return _settled(subject, answered)


async def repeats_are_replayed(subject: Subject) -> Sequence[str]:
    """The same key gives the same answer, and nothing more is sent."""
    first = await subject.bench.run(subject.action.name, subject.value, key="contract-repeat")
    sent = len(subject.simulator.received)
    second = await subject.bench.run(subject.action.name, subject.value, key="contract-repeat")
    if len(subject.simulator.received) != sent:
        return ["a repeat under the same key was sent again"]
    return [] if second.body == {**first.body, "replayed": True} else ["a repeat is answered otherwise than the first"]


async def _run(subject: Subject) -> Answered:
    return await subject.bench.run(subject.action.name, subject.value)


def _settled(subject: Subject, answered: Answered) -> Sequence[str]:
    wrong = list(_at_most_once(subject, answered))
    if answered.status != 200 and answered.code not in _TYPED:
        wrong.append(f"the caller gets {answered.status} {answered.code}")
    return wrong


def _at_most_once(subject: Subject, answered: Answered) -> Sequence[str]:
    applied = len(subject.simulator.applied)
    if applied > 1:
        return [f"it was applied {applied} times"]
    if answered.status == 200 and subject.action.writes and applied != 1:
        return ["it was answered as done and not applied"]
    return []
