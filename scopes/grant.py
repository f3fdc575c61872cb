"""Grants: agent x connection x scopes, with constraints. All live grants that cover a call apply together."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, TypeVar

from scopes.constraint import Constraints, resource_matches

Idempotency = Literal["required", "derive"]
NumberT = TypeVar("NumberT", int, Decimal)


class Autonomy(StrEnum):
    """How much an agent may do alone. Listed strictest first."""

    SHADOW = "shadow"  # nothing is sent
    APPROVE = "approve"  # a person decides each effect
    AUTO = "auto"

    @property
    def strictness(self) -> int:
        """A rank: the higher, the less the agent may do alone."""
        return _STRICTNESS[self]


_STRICTNESS = {Autonomy.AUTO: 0, Autonomy.APPROVE: 1, Autonomy.SHADOW: 2}


@dataclass(frozen=True, slots=True)
class Grant:
    """What an agent may do on one connection.

    `scopes` are concrete, expanded from `patterns` when the grant was made. `rollout` is a percentage of runs.
    `idempotency_days` is how long a key is remembered after its call ended.
    """

    id: str
    version: int
    agent: str
    connection: str
    scopes: frozenset[str]
    patterns: tuple[str, ...] = ()
    constraints: Constraints = field(default_factory=Constraints)
    autonomy: Autonomy = Autonomy.APPROVE
    rollout: int | None = None
    idempotency: Idempotency = "required"
    idempotency_days: int = 1
    expires_at: datetime | None = None

    def live(self, now: datetime) -> bool:
        """Whether the grant has not expired. At its very expiry it has."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class Combined:
    """What all covering grants say together: of each, the strictest.

    `grants` are pairs of id and version, sorted. Every one of `recipient_domains` must allow every recipient.
    A key is derived only where every grant allows that, and is remembered as long as the longest grant says:
    forgetting a key early could let a repeated write through, remembering it longer cannot.
    """

    grants: tuple[tuple[str, int], ...]
    autonomy: Autonomy
    denied_fields: tuple[str, ...]
    redacted_fields: tuple[str, ...]
    recipient_domains: tuple[tuple[str, ...], ...]
    max_amount: Decimal | None
    max_records_per_hour: int | None
    idempotency: Idempotency
    idempotency_days: int


def covering(grants: Iterable[Grant], *, connection: str, scopes: Iterable[str], now: datetime) -> list[Grant]:
    """Return the live grants of a connection that each hold all the scopes. An action without scopes has none.

    Takes one agent's grants; does not look at resources, which `for_resource` does.
    """
    needed = frozenset(scopes)
    if not needed:
        return []
    return [g for g in grants if g.connection == connection and needed <= g.scopes and g.live(now)]


def for_resource(grants: Iterable[Grant], identity: str | None, canonical: Callable[[str], str] = str) -> list[Grant]:
    """Return the grants whose resources include the identity, and those that name none.

    `identity` is canonical already; `canonical` is applied to the patterns. None stands for an action that concerns
    no resource a constraint could name: no grant with resources covers it.
    """
    return [grant for grant in grants if _includes(grant.constraints.resources, identity, canonical)]


def rollout_autonomy(grant: Grant, run_id: str) -> Autonomy:
    """Return the grant's autonomy for a run: under a rollout of N, N of 100 runs get `auto`, the others `approve`.

    All grants send the same runs to `auto`, so that a run is not half alone. `shadow` stays `shadow`.
    """
    if grant.rollout is None or grant.autonomy is Autonomy.SHADOW:
        return grant.autonomy
    share = int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8], "big") % 100
    return Autonomy.AUTO if share < grant.rollout else Autonomy.APPROVE


def combine(grants: Sequence[Grant], run_id: str) -> Combined:
    """Return what covering grants say together. Raises `ValueError` for no grants: nothing allows the call."""
    if not grants:
        raise ValueError("no grant covers the call, so there is nothing to combine")
    constraints = [grant.constraints for grant in grants]
    return Combined(
        grants=tuple(sorted((grant.id, grant.version) for grant in grants)),
        autonomy=max((rollout_autonomy(grant, run_id) for grant in grants), key=lambda level: level.strictness),
        denied_fields=_union(c.denied_fields for c in constraints),
        redacted_fields=_union(c.redacted_fields for c in constraints),
        recipient_domains=tuple(c.recipient_domains for c in constraints if c.recipient_domains is not None),
        max_amount=_least(c.max_amount for c in constraints),
        max_records_per_hour=_least(c.max_records_per_hour for c in constraints),
        idempotency="derive" if all(grant.idempotency == "derive" for grant in grants) else "required",
        idempotency_days=max(grant.idempotency_days for grant in grants),
    )


def patterns(grants: Iterable[Grant]) -> tuple[str, ...] | None:
    """Return the resource patterns of all grants, or None where one of them is not restricted to any."""
    found: dict[str, None] = {}
    for grant in grants:
        if grant.constraints.resources is None:
            return None
        found |= dict.fromkeys(grant.constraints.resources)
    return tuple(found)


def _includes(resources: tuple[str, ...] | None, identity: str | None, canonical: Callable[[str], str]) -> bool:
    if resources is None:
        return True
    if identity is None:
        return False
    return any(text == "*" or resource_matches(canonical(text), identity) for text in resources)


def _union(fields: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for names in fields for name in names}))


def _least(values: Iterable[NumberT | None]) -> NumberT | None:
    return min((value for value in values if value is not None), default=None)
