"""Stage: limits, by GCRA, several settled at once: either all give their share or none does.

A limit of `quota` per `window` lets a burst of `quota` through and refills evenly. Headers as in
draft-ietf-httpapi-ratelimit-headers-11.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.sdk.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Policy:
    """One limit: `quota` units in `window` seconds."""

    name: str
    quota: int
    window: int


@dataclass(frozen=True, slots=True)
class Charge:
    """What one call takes from one limit. `key` names whose limit it is."""

    policy: Policy
    key: str
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """The limit that refused, and how long until it would not (seconds)."""

    policy: Policy
    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a limit. `resets` are seconds until it is whole again."""

    policy: Policy
    remaining: int
    resets: int


@dataclass(frozen=True, slots=True)
class Reach:
    """What a call needs of its vendor: one request out of a connection's budget."""

    connection: str
    budget: str
    writes: bool


@dataclass(slots=True)
class Bill:
    """All that one call takes at once. `stops` says that it rather does not run than on a local share of the limits.

    `locally` and `taken_at` are the limiter's own notes of whose units it gave, and when.
    """

    tenant: str
    charges: Sequence[Charge]
    reach: Reach | None = None
    stops: bool = False
    locally: bool = False
    taken_at: float = 0.0


class Limiter(Protocol):
    """Settles bills. Replicas share one through Redis; a single process has its own."""

    async def take(self, bill: Bill) -> Refusal | None:
        """Take all that a bill says, or none of it and say which limit refuses for longest.

        Raises `UpstreamQuota` where the vendor's budget is used up, `StateUnavailable` where the bill `stops`.
        """
        ...

    def give_back(self, bill: Bill) -> None:
        """Undo `take`, where nothing came of the call."""
        ...

    def standing(self, tenant: str, policy: Policy, key: str) -> Standing:
        """Return what is left as far as it is known here, without taking or asking."""
        ...


def refuse(refusal: Refusal) -> RateLimited:
    """Return the problem of a refused charge."""
    policy = refusal.policy
    if math.isinf(refusal.seconds):
        problem = RateLimited(
            f"One call asks for more than the limit {policy.name} of {policy.quota} per {policy.window} s ever gives.",
            hint="Ask for fewer records at once.",
        )
        problem.retryable = False
        return problem
    return RateLimited(
        f"The limit {policy.name} of {policy.quota} per {policy.window} s is used up.",
        retry_after_ms=max(int(refusal.seconds * 1000) + 1, 1),
        hint="Wait, then send the same call with the same key.",
    )


def headers(standings: Sequence[Standing]) -> dict[str, str]:
    """Return `RateLimit-Policy` and `RateLimit` as structured fields."""
    return {
        "RateLimit-Policy": ", ".join(f'"{s.policy.name}";q={s.policy.quota};w={s.policy.window}' for s in standings),
        "RateLimit": ", ".join(f'"{s.policy.name}";r={s.remaining};t={s.resets}' for s in standings),
    }
