"""Vendors' budgets of one tenant, seen from one replica: what may be sent unasked, what was heard and not told yet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.sdk import Quota
from connectors.sdk.errors import UpstreamQuota
from gateway.limits import Reach
from gateway.state.leases import BudgetLease, Rate
from gateway.upstream.budget import VendorQuota, used_up

_LEARNED_SECONDS = 0.5


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

    def wanted(self) -> set[str] | None:
        """Return the budgets of which there is something to tell; None where there is nothing at all."""
        owing = {name for name, budget in self.budgets.items() if budget.owed and not budget.asking}
        return owing | self.heard.keys() if owing or self.heard or self.untold else None

    def tell(self, name: str, now: float) -> list[Any]:
        """Return what to say and ask of one budget, as the script takes it."""
        budget = self.budgets.setdefault(name, BudgetLease(Rate(now)))
        back, more = budget.ask(now)
        heard = self.heard.pop(name, None)
        said = [heard.quota.limit, heard.quota.remaining, heard.quota.resets_at] if heard else []
        return [name, back, more, heard.answers if heard else 0, *said]


@dataclass(slots=True)
class Told:
    """What one request says and asks of vendors, and where in it each budget is."""

    connections: list[str] = field(default_factory=list[str])
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    vendors: list[_Vendor] = field(default_factory=list[_Vendor])
    names: list[list[str]] = field(default_factory=list[list[str]])

    def place(self, reach: Reach | None) -> list[Any]:
        """Return how a call names what it reaches: connection and budget by number from 1, and whether it writes."""
        if reach is None:
            return [0, 0, False]
        at = self.connections.index(reach.connection)
        return [at + 1, self.names[at].index(reach.budget) + 1, reach.writes]


class Vendors:
    """Knows the connections of one tenant. `quota` is told what others learned; times are monotonic seconds."""

    def __init__(self, quota: VendorQuota) -> None:
        self._quota = quota
        self._vendors: dict[str, _Vendor] = {}

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return bool(self._vendors)

    def look(self, reach: Reach, now: float) -> BudgetLease | UpstreamQuota | None:
        """Return the lease that a request may be sent from, why it may not, or None where Redis must be asked."""
        vendor = self._vendors.get(reach.connection)
        if vendor is None:
            return None
        if now < vendor.paused_until:
            return used_up(vendor.paused_until - now, vendor.reason)
        budget = vendor.budgets.get(reach.budget)
        return budget if budget is not None and budget.has(now) else None

    def used(self, reach: Reach) -> None:
        """Count a request that Redis let through."""
        self._vendors[reach.connection].budgets[reach.budget].rate.used += 1

    def give_back(self, reach: Reach) -> None:
        """Take a request back that was not sent."""
        vendor = self._vendors.get(reach.connection)
        if vendor is not None and reach.budget in vendor.budgets:
            vendor.budgets[reach.budget].return_()

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

    def due(self, now: float) -> bool:
        """Whether Redis should hear of something. Forgets what says nothing any more."""
        due = [vendor.due(now) for vendor in self._vendors.values()]
        self._vendors = {id: vendor for id, vendor in self._vendors.items() if not vendor.idle(now)}
        return any(due)

    def end(self) -> None:
        """Owe all that is leased: this replica stops."""
        for vendor in self._vendors.values():
            for budget in vendor.budgets.values():
                budget.expires_at = -math.inf

    def tell(self, reached: Sequence[Reach], now: float) -> Told:
        """Return what to say and ask: for those that are reached, and of all that was heard or is owed."""
        wanted: dict[str, set[str]] = {}
        for reach in reached:
            wanted.setdefault(reach.connection, set()).add(reach.budget)
        for connection, vendor in self._vendors.items():
            names = vendor.wanted()
            if names is not None:
                wanted.setdefault(connection, set()).update(names)
        told = Told()
        for connection, names in wanted.items():
            vendor = self._vendor(connection)
            body: dict[str, Any] = {"b": [vendor.tell(name, now) for name in names]}
            if vendor.untold:
                body["p"], vendor.untold = [max(vendor.paused_until - now, 0), vendor.reason], False
            told.connections.append(connection)
            told.bodies.append(body)
            told.vendors.append(vendor)
            told.names.append([one[0] for one in body["b"]])
        return told

    def answered(self, told: Told, answer: Sequence[Any], sent_at: float, now: float) -> None:
        """Take what the script said of each."""
        for connection, vendor, names, said in zip(told.connections, told.vendors, told.names, answer, strict=True):
            seconds, reason = said["p"]
            if seconds > 0:
                vendor.paused_until, vendor.reason = now + seconds, reason
                self._quota.pause(connection, seconds, reason)
            for name, (given, known, limit, left, resets) in zip(names, said["b"], strict=True):
                vendor.budgets[name].answered(int(given), sent_at, known=bool(known))
                if known:
                    self._quota.take_over(connection, name, int(limit), int(left), resets)

    def lost(self, told: Told, now: float) -> None:
        """Take note that no answer came: a pause is told again, which does no harm."""
        for vendor, names in zip(told.vendors, told.names, strict=True):
            vendor.untold = vendor.untold or now < vendor.paused_until
            for name in names:
                vendor.budgets[name].asking = False

    def _vendor(self, connection: str) -> _Vendor:
        vendor = self._vendors.get(connection)
        if vendor is None:
            vendor = self._vendors[connection] = _Vendor()
        return vendor
