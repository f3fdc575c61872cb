"""Limits in the memory of one process."""

import math
from collections.abc import Callable, Sequence

from gateway.limits import Bill, Charge, Policy, Refusal, Standing
from gateway.upstream.budget import VendorQuota


class MemoryLimiter:
    """GCRA in memory. One number a limit: the theoretical arrival time of the next unit. `now` is seconds."""

    def __init__(self, now: Callable[[], float], quota: VendorQuota | None = None, *, most: int = 200_000) -> None:
        self._now = now
        self._quota = quota
        self._most = most
        self._arrivals: dict[tuple[str, str], float] = {}

    async def take(self, bill: Bill) -> Refusal | None:
        """Take all that a bill says, or none of it. Raises `UpstreamQuota`. Never waits."""
        reach = bill.reach
        if reach is not None and self._quota is not None:
            self._quota.check(reach.connection, writes=reach.writes, name=reach.budget)
        return self.settle(bill.charges)

    def give_back(self, bill: Bill) -> None:
        """Undo `take`."""
        for charge in bill.charges:
            place = (charge.policy.name, charge.key)
            if place in self._arrivals:
                self._arrivals[place] -= charge.cost * charge.policy.window / charge.policy.quota

    def settle(self, charges: Sequence[Charge]) -> Refusal | None:
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

    def standing(self, tenant: str, policy: Policy, key: str) -> Standing:
        """Return what is left."""
        del tenant
        now = self._now()
        return standing_of(policy, max(self._arrivals.get((policy.name, key), now) - now, 0.0))

    def learn(self, policy: Policy, key: str, ahead: float) -> None:
        """Take over how far a limit was used elsewhere, in seconds of refill, where nothing is known of it yet."""
        self._arrivals.setdefault((policy.name, key), self._now() + ahead)

    def _forget(self, now: float) -> None:
        """Drop the limits that are whole again: they say nothing."""
        self._arrivals = {place: arrival for place, arrival in self._arrivals.items() if arrival > now}


def standing_of(policy: Policy, ahead: float) -> Standing:
    """Return what is left of a limit that will be whole in `ahead` seconds."""
    left = int((policy.window - ahead) * policy.quota / policy.window + 1e-9)
    return Standing(policy, max(left, 0), math.ceil(ahead - 1e-6))
