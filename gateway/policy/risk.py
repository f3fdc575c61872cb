"""A score from 0 to 100 with its reasons, from the facts that an action declares. Nothing is learned or guessed.

effect class           read 0, create 20, update 25, send 40, delete 45, provision 60, pay 65
cannot be taken back   +20
several records        +5 over one, +10 over 10, +20 over 100
sensitive fields       +10 where the input sets one
amount                 +5 any, +10 from 1,000, +20 from 10,000
outside the company    +15 where a recipient's domain is not one of the tenant's
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.sdk import Action, Effect, Irreversible

_EFFECTS: Mapping[Effect, tuple[int, str]] = {
    Effect.READ: (0, "reads"),
    Effect.CREATE: (20, "creates a record"),
    Effect.UPDATE: (25, "changes a record"),
    Effect.SEND: (40, "sends something out of the company"),
    Effect.DELETE: (45, "deletes a record"),
    Effect.PROVISION: (60, "changes who has access"),
    Effect.PAY: (65, "moves money"),
}


@dataclass(frozen=True, slots=True)
class Risk:
    """The score and the facts behind it."""

    score: int
    facts: tuple[str, ...]

    def shown(self) -> dict[str, object]:
        """Return the public form."""
        return {"score": self.score, "facts": list(self.facts)}


def assess(action: Action, value: Mapping[str, Any], domains: Sequence[str]) -> Risk:
    """Score a typed input. `domains` are the tenant's own."""
    score, fact = _EFFECTS[action.effect]
    facts = [fact]
    if not action.writes:
        return Risk(score, tuple(facts))
    for points, reason in (
        _irreversible(action),
        _records(records_touched(action, value)),
        _sensitive(action, value),
        _amount(action, value),
        _recipients(action, value, domains),
    ):
        if points:
            score += points
            facts.append(reason)
    return Risk(min(score, 100), tuple(facts))


def records_touched(action: Action, value: Mapping[str, Any]) -> int:
    """Return how many records the input names: the length of the declared list, else one."""
    named = value.get(action.records) if action.records else None
    return max(1, len(named)) if isinstance(named, list) else 1


def recipients_of(action: Action, value: Mapping[str, Any]) -> list[str]:
    """Return the addresses in the declared recipient fields."""
    found: list[str] = []
    for name in action.recipients:
        given = value.get(name)
        found += given if isinstance(given, list) else [given] if given else []
    return [str(address) for address in found]


def _irreversible(action: Action) -> tuple[int, str]:
    return (20, "cannot be taken back") if isinstance(action.reversibility, Irreversible) else (0, "")


def _records(count: int) -> tuple[int, str]:
    points = 20 if count > 100 else 10 if count > 10 else 5 if count > 1 else 0
    return points, f"touches {count} records"


def _sensitive(action: Action, value: Mapping[str, Any]) -> tuple[int, str]:
    named = sorted(action.sensitive & value.keys())
    return (10, f"sets sensitive fields: {', '.join(named)}") if named else (0, "")


def _amount(action: Action, value: Mapping[str, Any]) -> tuple[int, str]:
    given = value.get(action.amount) if action.amount else None
    if given is None:
        return 0, ""
    try:
        amount = abs(Decimal(str(given)))
    except InvalidOperation:
        return 20, "names an amount that is no number"
    points = 20 if amount >= 10_000 else 10 if amount >= 1_000 else 5
    return points, f"moves an amount of {amount}"


def _recipients(action: Action, value: Mapping[str, Any], domains: Sequence[str]) -> tuple[int, str]:
    own = {domain.lower() for domain in domains}
    outside = {
        address.rpartition("@")[2].rstrip(">").lower()
        for address in recipients_of(action, value)
        if address.rpartition("@")[2].rstrip(">").lower() not in own
    }
    return (15, f"goes outside the company: {', '.join(sorted(outside)[:3])}") if outside else (0, "")
