"""One tenant's business with Redis, seen from one replica: what it holds, what it asks next, what it was answered.

Knows no network: `request` gives the body for `settle.lua`, `answered` or `lost` takes what came of it.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from connectors.sdk.errors import UpstreamQuota
from gateway.limits import Bill, Charge, Policy, Refusal, Standing
from gateway.state.leases import Lease, Rate
from gateway.state.memory import standing_of
from gateway.state.vendors import Told, Vendors
from gateway.upstream.budget import VendorQuota, used_up

_AT_ONCE = 256


class Say(Enum):
    """What a desk says where it has no answer of its own."""

    ASK = "ask Redis"
    GONE = "Redis is away"


Spent = Refusal | UpstreamQuota | Say | None


@dataclass(slots=True)
class Ask:
    """A call that waits for Redis."""

    bill: Bill
    future: "asyncio.Future[Spent]"


@dataclass(slots=True)
class Request:
    """One run of the script: its keys and body, and whom its answer is for."""

    keys: list[str]
    body: bytes
    leases: list[Lease]
    told: Told
    asks: list[Ask]
    sent_at: float


class Desk:
    """Holds leases of one tenant. `prefix` begins its keys; `me` names this replica; `quota` is told what others
    learned of vendors; times are monotonic seconds.
    """

    def __init__(self, prefix: str, tenant: str, me: str, quota: VendorQuota) -> None:
        self._keys = f"{prefix}:{{{tenant}}}"
        self._me = me
        self._leases: dict[tuple[str, str], Lease] = {}
        self.vendors = Vendors(quota)
        self.waiting: list[Ask] = []
        self.busy = False

    def spend(self, bill: Bill, now: float) -> Spent:
        """Take a bill from what is leased, or say why not, or that Redis must be asked."""
        leases, lacking, held = self._leases, False, []
        for charge in bill.charges:
            lease = leases.get((charge.policy.name, charge.key))
            if lease is not None and lease.has(charge, now):
                held.append((lease, charge.cost))
                continue
            refusal = self._refusal(lease, charge, now)
            if refusal is not None:
                return refusal
            lacking = True
        budget = self.vendors.look(bill.reach, now) if bill.reach is not None else None
        if isinstance(budget, UpstreamQuota):
            return budget
        lacking = lacking or (budget is None and bill.reach is not None)
        if lacking:
            return Say.ASK
        bill.taken_at = now
        for lease, cost in held:
            lease.use(cost)
        if budget is not None:
            budget.use()
        return None

    def give_back(self, bill: Bill) -> None:
        """Take back what came to nothing."""
        for charge in bill.charges:
            lease = self._leases.get((charge.policy.name, charge.key))
            if lease is not None and lease.policy == charge.policy:
                lease.return_(charge.cost, bill.taken_at)
        if bill.reach is not None:
            self.vendors.give_back(bill.reach)

    def standing(self, policy: Policy, key: str, now: float) -> Standing:
        """Return what is left of a limit, as far as it is known here."""
        return standing_of(policy, self.ahead(policy, key, now))

    def ahead(self, policy: Policy, key: str, now: float) -> float:
        """Return how many seconds a limit needs to be whole again, as far as it is known here."""
        lease = self._leases.get((policy.name, key))
        return lease.used_ahead(now) if lease is not None else 0.0

    def due(self, now: float) -> bool:
        """Whether Redis should hear of something though no call waits. Forgets what says nothing any more."""
        owed = [lease.owes(now) for lease in self._leases.values()]
        self._leases = {place: lease for place, lease in self._leases.items() if not lease.idle(now)}
        return self.vendors.due(now) or any(owed)

    def end(self) -> None:
        """Owe all that is leased: this replica stops."""
        for lease in self._leases.values():
            lease.expires_at = -math.inf
        self.vendors.end()

    def empty(self) -> bool:
        """Whether there is nothing to keep."""
        return not (self._leases or self.vendors or self.waiting or self.busy)

    def serve(self, now: float) -> None:
        """Give the calls that wait what has become free meanwhile."""
        waiting, self.waiting = self.waiting, []
        for ask in waiting:
            if ask.future.done():
                continue
            spent = self.spend(ask.bill, now)
            if spent is Say.ASK:
                self.waiting.append(ask)
            else:
                ask.future.set_result(spent)

    def request(self, now: float) -> Request | None:
        """Return what to ask Redis next: for the calls that wait, with what is owed and learned. None for nothing."""
        asks, self.waiting = self.waiting[:_AT_ONCE], self.waiting[_AT_ONCE:]
        places: dict[tuple[str, str], int] = {}
        leases: list[Lease] = []
        for ask in asks:
            for charge in ask.bill.charges:
                place = (charge.policy.name, charge.key)
                if place not in places:
                    leases.append(self._lease(charge))
                    places[place] = len(leases)
        owing = [one for place, one in self._leases.items() if one.owes(now) and place not in places]
        limits = [_limit(lease, now) for lease in leases]
        limits += [_limit(lease, now, lease_more=False) for lease in owing]
        told = self.vendors.tell([ask.bill.reach for ask in asks if ask.bill.reach is not None], now)
        if not (asks or owing or told.connections):
            return None
        calls = [
            [[[places[one.policy.name, one.key], one.cost] for one in ask.bill.charges], *told.place(ask.bill.reach)]
            for ask in asks
        ]
        body = {"m": self._me, "l": limits, "v": told.bodies, "a": calls}
        leases += owing
        keys = [lease.key for lease in leases] + [
            f"{self._keys}:vendor:{connection}" for connection in told.connections
        ]
        return Request(keys, orjson.dumps(body), leases, told, asks, now)

    def answered(self, request: Request, raw: bytes, now: float) -> None:
        """Take the script's answer, and tell the calls that waited for it."""
        answer = orjson.loads(raw)
        for lease, (given, ahead, entry) in zip(request.leases, answer["l"], strict=True):
            lease.answered(int(given), ahead, entry, request.sent_at, now)
        self.vendors.answered(request.told, answer["v"], request.sent_at, now)
        for ask, told in zip(request.asks, answer["a"], strict=True):
            self._tell(ask, request, told, now)

    def lost(self, request: Request) -> None:
        """Take note that no answer came. What was asked for may have been given: nobody uses it."""
        for lease in request.leases:
            lease.lost()
        self.vendors.lost(request.told, request.sent_at)
        self.turn_away(request.asks)

    def turn_away(self, asks: Sequence[Ask]) -> None:
        """Tell calls that Redis is away."""
        for ask in asks:
            if not ask.future.done():
                ask.future.set_result(Say.GONE)

    def _tell(self, ask: Ask, request: Request, told: list[Any], now: float) -> None:
        kind, *more = told
        if kind == 0:
            for charge in ask.bill.charges:
                self._leases[charge.policy.name, charge.key].rate.used += charge.cost
            if ask.bill.reach is not None:
                self.vendors.used(ask.bill.reach)
            ask.bill.taken_at = now
            if ask.future.done():  # whoever asked is gone
                self.give_back(ask.bill)
            else:
                ask.future.set_result(None)
            return
        spent: Spent
        if kind == 1:
            lease, seconds = request.leases[int(more[0]) - 1], more[1]
            cost = max((charge.cost for charge in ask.bill.charges if charge.policy == lease.policy), default=1)
            lease.refuse(cost, seconds, now)
            spent = Refusal(lease.policy, seconds)
        else:
            spent = used_up(more[1], more[2])
        if not ask.future.done():
            ask.future.set_result(spent)

    def _refusal(self, lease: Lease | None, charge: Charge, now: float) -> Refusal | None:
        if charge.cost > charge.policy.quota:
            return Refusal(charge.policy, math.inf)
        return lease.refusal(charge, now) if lease is not None else None

    def _lease(self, charge: Charge) -> Lease:
        place = (charge.policy.name, charge.key)
        lease = self._leases.get(place)
        if lease is None:
            key = f"{self._keys}:limit:{charge.policy.name}:{charge.key}"
            lease = self._leases[place] = Lease(key, charge.policy, Rate(0.0))
        if lease.policy != charge.policy:
            lease.ask(charge.policy, 0.0)
        return lease


def _limit(lease: Lease, now: float, *, lease_more: bool = True) -> list[float]:
    policy = lease.policy
    unused, more = lease.ask(policy, now)
    return [policy.window, policy.quota, lease.entry, unused, more if lease_more else 0]
