"""Stage: limits, by GCRA, several settled at once: either all give their share or none does.

A limit of `quota` per `window` lets a burst of `quota` through and refills evenly. Headers as in
draft-ietf-httpapi-ratelimit-headers-11.
"""

import math
from collections.abc import Callable, Sequence
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


class Limiter(Protocol):
    """Settles charges. Replicas share one through Redis; a single process has its own."""

    def take(self, charges: Sequence[Charge]) -> Refusal | None:
        """Take all charges, or none and say which limit refuses for longest."""
        ...

    def give_back(self, charges: Sequence[Charge]) -> None:
        """Undo `take`, where nothing came of the call."""
        ...

    def standing(self, policy: Policy, key: str) -> Standing:
        """Return what is left, without taking."""
        ...


class MemoryLimiter:
    """GCRA in memory. One number a limit: the theoretical arrival time of the next unit."""

    def __init__(self, now: Callable[[], float], *, most: int = 200_000) -> None:
        self._now = now
        self._most = most
        self._arrivals: dict[tuple[str, str], float] = {}

    def take(self, charges: Sequence[Charge]) -> Refusal | None:
        """Take all charges, or none and say which limit refuses for longest."""
        now = self._now()
        fresh: list[tuple[tuple[str, str], float]] = []
        refusal: Refusal | None = None
        for charge in charges:
            policy = charge.policy
            place = (policy.name, charge.key)
            arrival = max(self._arrivals.get(place, now), now) + charge.cost * policy.window / policy.quota
            early = arrival - now - policy.window
            if early > 1e-9:
                wait = early if charge.cost <= policy.quota else math.inf
                refusal = Refusal(policy, wait) if refusal is None or wait > refusal.seconds else refusal
            fresh.append((place, arrival))
        if refusal is not None:
            return refusal
        for place, arrival in fresh:
            self._arrivals[place] = arrival
        if len(self._arrivals) > self._most:
            self._forget(now)
        return None

    def give_back(self, charges: Sequence[Charge]) -> None:
        """Undo `take`."""
        for charge in charges:
            place = (charge.policy.name, charge.key)
            if place in self._arrivals:
                self._arrivals[place] -= charge.cost * charge.policy.window / charge.policy.quota

    def standing(self, policy: Policy, key: str) -> Standing:
        """Return what is left."""
        now = self._now()
        ahead = max(self._arrivals.get((policy.name, key), now) - now, 0.0)
        left = int((policy.window - ahead) * policy.quota / policy.window + 1e-9)
        return Standing(policy, max(left, 0), math.ceil(ahead - 1e-6))

    def _forget(self, now: float) -> None:
        """Drop the limits that are whole again: they say nothing."""
        self._arrivals = {place: arrival for place, arrival in self._arrivals.items() if arrival > now}


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
