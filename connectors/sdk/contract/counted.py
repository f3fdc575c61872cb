"""Counts what a vendor has applied, against what one clean run applies."""

from collections import Counter
from collections.abc import Sequence

from connectors.sdk.contract.check import Answered, Subject
from connectors.sdk.simulator import Applied


def at_most_once(subject: Subject, answered: Answered) -> Sequence[str]:
    """Say what was applied more often than by a clean run, and what was answered as done and is not."""
    applied, clean = subject.simulator.applied, max(len(subject.effects), 1)
    if len(applied) > clean or _twice(applied, subject.effects):
        times = f"{len(applied)} times" if clean == 1 else f"{len(applied)} effects, where {clean} make the whole"
        return [f"it was applied {times}: declare an idempotency that tells what was applied from what was not"]
    if answered.status == 200 and subject.action.writes and len(applied) < clean:
        return [
            "it was answered as done and not applied"
            if clean == 1
            else f"it was answered as done with {len(applied)} of {clean} effects: let `find` look at all of them"
        ]
    return []


def _twice(applied: Sequence[Applied], clean: Sequence[Applied]) -> bool:
    """Whether one place was changed more often than by a clean run."""
    if not clean:
        return False
    most = Counter((one.method, one.path) for one in clean)
    found = Counter((one.method, one.path) for one in applied)
    return any(count > most[place] for place, count in found.items() if place in most)
