"""Leases: units of a limit that one replica took from Redis in advance and may give to calls for a second.

How far this can go over a limit: not at all. Redis counts what is out at replicas as neither left nor refilled, until
a replica says what it did not use, or until it is too late to use it. So what is left and what is out together never
are more than the quota, and all replicas together use in any d seconds at most

    used(d) <= quota * (1 + d / window)

which is what one limiter that everybody asked would let through. That holds while one Redis answers and its clock does
not jump by more than a second. A replica that dies, or an answer that is lost, loses what was out: at most `SHARE` of
the quota and the cost of the calls that were waiting, for each limit; nobody gains it.
"""

import math
from dataclasses import dataclass

from gateway.limits import Charge, Policy, Refusal

LEASE_SECONDS = 1.0
SHARE = 0.05
_MEASURED_SECONDS = 0.05
_FORGOTTEN_SECONDS = 2.0
_REFUSED_SECONDS = 0.25


@dataclass(slots=True)
class Rate:
    """Units per second that this replica uses, as of late."""

    since: float
    used: int = 0
    per_second: float = 0.0

    def wanted(self, now: float, most: int) -> int:
        """Return how many units to lease: what is used in a lease's time, at most `most`."""
        elapsed = now - self.since
        if elapsed >= _MEASURED_SECONDS:
            fresh = self.used / elapsed
            old = self.per_second if elapsed < _FORGOTTEN_SECONDS else fresh
            self.per_second = (old + fresh) / 2 if old else fresh
            self.since, self.used = now, 0
        return min(int(self.per_second * LEASE_SECONDS), most)


@dataclass(slots=True)
class Lease:
    """What this replica holds and knows of one limit. Times are monotonic seconds.

    `left` may be used until `expires_at`, and is owed then; `owed` came to nothing since `begun_at`; `entry` is what
    Redis calls the lease; `ahead` is how many seconds from `said_at` the limit needs to be whole again. `asking` says
    that an answer of Redis will change all this soon.
    """

    key: str
    policy: Policy
    rate: Rate
    left: int = 0
    expires_at: float = 0.0
    owed: int = 0
    begun_at: float = 0.0
    entry: float = 0.0
    ahead: float = 0.0
    said_at: float = 0.0
    asking: bool = False
    refused_until: float = 0.0
    refused_cost: int = 0
    refused_wait: float = 0.0

    def has(self, charge: Charge, now: float) -> bool:
        """Whether a charge can be taken from what is left."""
        return self.left >= charge.cost and now < self.expires_at and self._same(charge.policy)

    def use(self, cost: int) -> None:
        """Take units."""
        self.left -= cost
        self.rate.used += cost

    def return_(self, cost: int, taken_at: float) -> None:
        """Take units back that came to nothing. Those of an earlier lease are lost: they may be refilled already."""
        self.rate.used = max(self.rate.used - cost, 0)
        self.refused_until = 0.0
        if taken_at >= self.begun_at and not self.asking:
            self.owed += cost

    def refusal(self, charge: Charge, now: float) -> Refusal | None:
        """Return a refusal that is fresh enough to need no asking again."""
        if now >= self.refused_until or charge.cost < self.refused_cost or not self._same(charge.policy):
            return None
        return Refusal(charge.policy, max(self.refused_wait - (now - self.said_at), 0.001))

    def refuse(self, cost: int, seconds: float, now: float) -> None:
        """Remember a refusal for a moment, so that who repeats a call too early does not make us ask each time."""
        self.refused_until = now + min(seconds, _REFUSED_SECONDS)
        self.refused_cost, self.refused_wait = cost, seconds

    def ask(self, policy: Policy, now: float) -> tuple[int, int]:
        """Hand in what is left, and return it with how many units to lease anew."""
        if not self._same(policy):
            # Its units were measured otherwise: they are lost, which is at most a lease.
            self.policy, self.left, self.owed = policy, 0, 0
        back, self.left, self.owed, self.asking = self.left + self.owed, 0, 0, True
        return back, self.rate.wanted(now, int(policy.quota * SHARE))

    def answered(self, given: int, ahead: float, entry: float, sent_at: float, now: float) -> None:
        """Take what Redis gave. The lease counts from before it was asked for, so it never lasts too long."""
        self.left, self.expires_at, self.begun_at, self.entry = given, sent_at + LEASE_SECONDS, now, entry
        self.ahead, self.said_at, self.asking = ahead, now, False

    def lost(self) -> None:
        """Take note that no answer came: what was handed in may be given back already, so it is gone."""
        self.asking = False

    def owes(self, now: float) -> bool:
        """Whether something is to be given back: what came to nothing, or what a lease that is over left."""
        return not self.asking and (self.owed > 0 or (self.left > 0 and now >= self.expires_at))

    def idle(self, now: float) -> bool:
        """Whether there is nothing to know any more: the limit is whole, and nothing is held of it."""
        return not (self.left or self.owed or self.asking) and now >= max(self.said_at + self.ahead, self.expires_at)

    def used_ahead(self, now: float) -> float:
        """Return how many seconds the limit needs to be whole again, without what is only leased."""
        ahead = max(self.ahead - (now - self.said_at), 0.0)
        return max(ahead - (self.left + self.owed) * self.policy.window / self.policy.quota, 0.0)

    def _same(self, policy: Policy) -> bool:
        return self.policy is policy or self.policy == policy


@dataclass(slots=True)
class BudgetLease:
    """What this replica may send to a vendor without asking Redis: units of one budget, or any number for a second
    where nothing is known of the budget.
    """

    rate: Rate
    left: float = 0.0
    expires_at: float = 0.0
    owed: int = 0
    asking: bool = False

    def has(self, now: float) -> bool:
        """Whether a request may go."""
        return self.left >= 1 and now < self.expires_at

    def use(self) -> None:
        """Take one unit."""
        self.left -= 1
        self.rate.used += 1

    def return_(self) -> None:
        """Take a unit back that was not sent."""
        self.owed += 1

    def ask(self, now: float) -> tuple[int, int]:
        """Hand in what is left, and return it with how many units to lease anew."""
        held = int(self.left) if math.isfinite(self.left) else 0
        back, self.left, self.owed, self.asking = held + self.owed, 0.0, 0, True
        return back, self.rate.wanted(now, 10_000)

    def answered(self, given: int, sent_at: float, *, known: bool) -> None:
        """Take what Redis gave."""
        self.left = given if known else math.inf
        self.expires_at, self.asking = sent_at + LEASE_SECONDS, False

    def expire(self, now: float) -> bool:
        """Owe what a lease that is over left. Returns whether anything is owed."""
        if self.left and now >= self.expires_at and not self.asking:
            self.owed += int(self.left) if math.isfinite(self.left) else 0
            self.left = 0.0
        return self.owed > 0 and not self.asking
