"""One tenant's business with Redis, seen from one replica: what it holds, what it asks next, what it was answered.

Knows no network: `request` gives the body for `settle.lua`, `answered` or `lost` takes what came of it.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson

from connectors.sdk import Quota
from connectors.sdk.errors import UpstreamQuota
from gateway.limits import Bill, Charge, Policy, Refusal, Standing
from gateway.state.leases import BudgetLease, Lease, Rate
from gateway.state.memory import standing_of
from gateway.upstream.budget import VendorQuota, used_up

_AT_ONCE = 256
_LEARNED_SECONDS = 0.5


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
class _Heard:
    """What a vendor's answers said of a budget, and how many did, since Redis was told."""

    quota: Quota
    answers: int = 0


@dataclass(slots=True)
class _Vendor:
    """One connection: its budgets' leases, and until when the vendor asked us to wait (monotonic seconds)."""

    budgets: dict[str, BudgetLease] = field(default_factory=dict[str, BudgetLease])
    heard: dict[str, _Heard] = field(default_factory=dict[str, _Heard])
    heard_at: float = 0.0
    paused_until: float = 0.0
    reason: str = ""
    untold: bool = False

    def due(self, now: float) -> bool:
        """Whether Redis should hear soon: of a refusal at once, of what is left within half a second."""
        owed = [budget.expire(now) for budget in self.budgets.values()]
        return self.untold or any(owed) or bool(self.heard and now - self.heard_at >= _LEARNED_SECONDS)

    def idle(self, now: float) -> bool:
        """Whether there is nothing to know any more."""
        held = any(budget.asking or budget.owed or now < budget.expires_at for budget in self.budgets.values())
        return not (held or self.heard or self.untold or now < self.paused_until)


@dataclass(slots=True)
class Request:
    """One run of the script: its keys and body, and whom its answer is for."""

    keys: list[str]
    body: bytes
    leases: list[Lease]
    vendors: list[tuple[str, _Vendor, list[str]]]
    asks: list[Ask]
    sent_at: float


class Desk:
    """Holds leases of one tenant. `prefix` begins its keys; `me` names this replica; `quota` is told what others
    learned of vendors; times are monotonic seconds.
    """

    def __init__(self, prefix: str, tenant: str, me: str, quota: VendorQuota) -> None:
        self._keys = f"{prefix}:{{{tenant}}}"
        self._me = me
        self._quota = quota
        self._leases: dict[tuple[str, str], Lease] = {}
        self._vendors: dict[str, _Vendor] = {}
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
        reach = bill.reach
        budget: BudgetLease | None = None
        if reach is not None:
            vendor = self._vendors.get(reach.connection)
            if vendor is not None and now < vendor.paused_until:
                return used_up(vendor.paused_until - now, vendor.reason)
            budget = vendor.budgets.get(reach.budget) if vendor is not None else None
            lacking = lacking or budget is None or not budget.has(now)
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
            vendor = self._vendors.get(bill.reach.connection)
            if vendor is not None and bill.reach.budget in vendor.budgets:
                vendor.budgets[bill.reach.budget].return_()

    def learn(self, connection: str, quota: Quota, now: float) -> None:
        """Take what a vendor's answer said. Where little is left, the next call asks what others know."""
        if not math.isfinite(quota.resets_at):
            return
        vendor = self._vendor(connection)
        if not vendor.heard:
            vendor.heard_at = now
        heard = vendor.heard.get(quota.name)
        if heard is None or quota.resets_at > heard.quota.resets_at or quota.remaining <= heard.quota.remaining:
            vendor.heard[quota.name] = _Heard(quota, heard.answers + 1 if heard else 1)
        else:
            heard.answers += 1
        budget = vendor.budgets.get(quota.name)
        if budget is not None and quota.remaining <= budget.left:
            budget.expires_at = min(budget.expires_at, now)

    def pause(self, connection: str, seconds: float, reason: str, now: float) -> None:
        """Take note that the vendor refused and asked for a wait."""
        vendor = self._vendor(connection)
        vendor.paused_until, vendor.reason, vendor.untold = now + seconds, reason, True

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
        vendors = [vendor.due(now) for vendor in self._vendors.values()]
        self._leases = {place: lease for place, lease in self._leases.items() if not lease.idle(now)}
        self._vendors = {id: vendor for id, vendor in self._vendors.items() if not vendor.idle(now)}
        return any(owed) or any(vendors)

    def end(self) -> None:
        """Owe all that is leased: this replica stops."""
        for lease in self._leases.values():
            lease.expires_at = -math.inf
        for vendor in self._vendors.values():
            for budget in vendor.budgets.values():
                budget.expires_at = -math.inf

    def empty(self) -> bool:
        """Whether there is nothing to keep."""
        return not (self._leases or self._vendors or self.waiting or self.busy)

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
        vendors, connections, budgets = self._reached(asks, now)
        if not (asks or owing or vendors):
            return None
        body = {
            "m": self._me,
            "l": limits,
            "v": [told for _, told in vendors.values()],
            "a": [_call(ask.bill, places, connections, budgets) for ask in asks],
        }
        leases += owing
        keys = [lease.key for lease in leases] + [f"{self._keys}:vendor:{connection}" for connection in vendors]
        reached = [(id, one, [b[0] for b in told["b"]]) for id, (one, told) in vendors.items()]
        return Request(keys, orjson.dumps(body), leases, reached, asks, now)

    def answered(self, request: Request, raw: bytes, now: float) -> None:
        """Take the script's answer, and tell the calls that waited for it."""
        answer = orjson.loads(raw)
        for lease, (given, ahead, entry) in zip(request.leases, answer["l"], strict=True):
            lease.answered(int(given), ahead, entry, request.sent_at, now)
        for (connection, vendor, names), said in zip(request.vendors, answer["v"], strict=True):
            seconds, reason = said["p"]
            if seconds > 0:
                vendor.paused_until, vendor.reason = now + seconds, reason
                self._quota.pause(connection, seconds, reason)
            for name, (given, known, limit, left, resets) in zip(names, said["b"], strict=True):
                vendor.budgets[name].answered(int(given), request.sent_at, known=bool(known))
                if known:
                    self._quota.take_over(connection, name, int(limit), int(left), resets)
        for ask, told in zip(request.asks, answer["a"], strict=True):
            self._tell(ask, request, told, now)

    def lost(self, request: Request) -> None:
        """Take note that no answer came. What was asked for may have been given: nobody uses it."""
        for lease in request.leases:
            lease.lost()
        for _, vendor, names in request.vendors:
            for name in names:
                vendor.budgets[name].asking = False
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
            reach = ask.bill.reach
            if reach is not None:
                self._vendors[reach.connection].budgets[reach.budget].rate.used += 1
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

    def _vendor(self, connection: str) -> _Vendor:
        vendor = self._vendors.get(connection)
        if vendor is None:
            vendor = self._vendors[connection] = _Vendor()
        return vendor

    def _reached(
        self, asks: Sequence[Ask], now: float
    ) -> tuple[dict[str, tuple[_Vendor, dict[str, Any]]], dict[str, int], dict[tuple[str, str], int]]:
        """Return what to say and ask of vendors' budgets, with the places of connections and budgets in it."""
        wanted: dict[str, set[str]] = {}
        for ask in asks:
            if ask.bill.reach is not None:
                wanted.setdefault(ask.bill.reach.connection, set()).add(ask.bill.reach.budget)
        for connection, vendor in self._vendors.items():
            owing = {name for name, budget in vendor.budgets.items() if budget.owed and not budget.asking}
            if owing or vendor.heard or vendor.untold:
                wanted.setdefault(connection, set()).update(owing | vendor.heard.keys())
        vendors: dict[str, tuple[_Vendor, dict[str, Any]]] = {}
        budgets: dict[tuple[str, str], int] = {}
        for connection, names in wanted.items():
            vendor = self._vendor(connection)
            told: list[list[Any]] = []
            for name in names:
                budget = vendor.budgets.setdefault(name, BudgetLease(Rate(now)))
                back, more = budget.ask(now)
                heard = vendor.heard.pop(name, None)
                said = [heard.quota.limit, heard.quota.remaining, heard.quota.resets_at] if heard else []
                told.append([name, back, more, heard.answers if heard else 0, *said])
                budgets[connection, name] = len(told)
            body: dict[str, Any] = {"b": told}
            if vendor.untold:
                body["p"], vendor.untold = [max(vendor.paused_until - now, 0), vendor.reason], False
            vendors[connection] = (vendor, body)
        return vendors, {connection: at for at, connection in enumerate(vendors, 1)}, budgets


def _limit(lease: Lease, now: float, *, lease_more: bool = True) -> list[float]:
    policy = lease.policy
    unused, more = lease.ask(policy, now)
    return [policy.window, policy.quota, lease.entry, unused, more if lease_more else 0]


def _call(
    bill: Bill,
    places: dict[tuple[str, str], int],
    connections: dict[str, int],
    budgets: dict[tuple[str, str], int],
) -> list[Any]:
    charges = [[places[charge.policy.name, charge.key], charge.cost] for charge in bill.charges]
    if bill.reach is None:
        return [charges, 0, 0, False]
    reach = bill.reach
    return [charges, connections[reach.connection], budgets[reach.connection, reach.budget], reach.writes]
