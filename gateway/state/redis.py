"""Limits that replicas share through Redis: most calls take leased units and ask it nothing.

Calls that find no unit wait for one round trip for all of their tenant's; a round trip is one script, all or nothing
for each call. Without Redis each replica goes on with its share of every limit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from connectors.sdk import Quota
from connectors.sdk.errors import StateUnavailable, UpstreamQuota
from gateway.limits import Bill, Charge, Policy, Refusal, Standing
from gateway.state.desk import Ask, Desk, Say
from gateway.state.memory import MemoryLimiter
from gateway.state.redis_client import RedisClient, Script
from gateway.upstream.budget import VendorQuota

_SWEEP_SECONDS = 0.25

Sleep = Callable[[float], Awaitable[None]]


class RedisLimiter:
    """Settles bills from leases, from Redis, or from a local share.

    `prefix` begins all keys; `me` names this replica; `quota` is what it knows of vendors; `replicas` says among how
    many a limit is divided while Redis is away; `fell` and `leased` hear of each bill that was settled from the share,
    or from a lease. `now` is monotonic seconds.
    """

    def __init__(
        self,
        client: RedisClient,
        quota: VendorQuota,
        *,
        prefix: str,
        me: str,
        now: Callable[[], float],
        replicas: Callable[[], int],
        fell: Callable[[], None],
        leased: Callable[[], None],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client
        self._quota = quota
        self._prefix = prefix
        self._me = me
        self._now = now
        self._replicas = replicas
        self._fell = fell
        self._leased = leased
        self._sleep = sleep
        self._script = Script("settle")
        self._desks: dict[str, Desk] = {}
        self._local: MemoryLimiter | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, bill: Bill) -> Refusal | None:
        """Take all that a bill says, or none of it. Raises `UpstreamQuota`, `StateUnavailable`."""
        if self._client.up:
            self._local = None
            desk = self._desk(bill.tenant)
            spent = desk.spend(bill, self._now())
            if spent is None:
                self._leased()
                return None
            if spent is Say.ASK:
                spent = await self._ask(desk, bill)
            if isinstance(spent, UpstreamQuota):
                raise spent
            if not isinstance(spent, Say):
                return spent
        return self._settle_locally(bill)

    def give_back(self, bill: Bill) -> None:
        """Undo `take`: to the lease, or with the next round trip."""
        if not bill.locally:
            self._desk(bill.tenant).give_back(bill)
        elif self._local is not None:
            self._local.give_back(Bill(bill.tenant, self._shares(bill)))

    def standing(self, tenant: str, policy: Policy, key: str) -> Standing:
        """Return what is left as far as it is known here."""
        desk = self._desks.get(tenant)
        if not self._client.up and self._local is not None:
            known = self._local.standing(tenant, self._share(policy), key)
            return Standing(policy, known.remaining, known.resets)
        return desk.standing(policy, key, self._now()) if desk is not None else Standing(policy, policy.quota, 0)

    def learn(self, tenant: str, connection: str, quotas: Iterable[Quota]) -> None:
        """Take what a vendor's answer said of its budgets."""
        desk = self._desk(tenant)
        for quota in quotas:
            desk.vendors.learn(connection, quota, self._now())

    def pause(self, tenant: str, connection: str, seconds: float, reason: str) -> None:
        """Let all replicas wait for a vendor that refused: told at once."""
        desk = self._desk(tenant)
        desk.vendors.pause(connection, seconds, reason, self._now())
        self._wake(desk)

    async def sweep(self) -> None:
        """Give back what leases that are over left, and tell what was learned, until cancelled."""
        while True:
            await self._sleep(_SWEEP_SECONDS)
            now = self._now()
            for tenant, desk in list(self._desks.items()):
                if desk.due(now) and self._client.up:
                    self._wake(desk)
                elif desk.empty():
                    del self._desks[tenant]

    async def close(self) -> None:
        """Give back all that is leased, as far as Redis answers."""
        for desk in self._desks.values():
            desk.end()
            if desk.due(self._now()):
                self._wake(desk)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _ask(self, desk: Desk, bill: Bill) -> "Refusal | UpstreamQuota | Say | None":
        ask = Ask(bill, asyncio.get_running_loop().create_future())
        desk.waiting.append(ask)
        self._wake(desk)
        return await ask.future

    def _wake(self, desk: Desk) -> None:
        """Make sure that somebody asks Redis for this desk. Not the caller itself: it may be cancelled."""
        if desk.busy:
            return
        desk.busy = True
        task = asyncio.get_running_loop().create_task(self._settle(desk))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, desk: Desk) -> None:
        """Ask Redis one thing after the other while anybody waits."""
        request = None
        try:
            request = desk.request(self._now())
            while request is not None:
                answer = await self._client.run(self._script, request.keys, request.body)
                if answer is None:
                    break
                desk.answered(request, answer, self._now())
                desk.serve(self._now())
                request = desk.request(self._now()) if desk.waiting else None
        finally:
            desk.busy = False
            if request is not None:  # whatever ended this, nobody may wait for ever
                desk.lost(request)
            waiting, desk.waiting = desk.waiting, []
            desk.turn_away(waiting)

    def _settle_locally(self, bill: Bill) -> Refusal | None:
        """Settle from this replica's share. Raises `StateUnavailable` where the bill rather stops."""
        if bill.stops:
            raise StateUnavailable(
                "Replicas cannot share limits now, and the tenant chose that writes stop then; nothing was sent.",
                retry_after_ms=1000,
                hint="Send the same call with the same key in a moment.",
            )
        if bill.reach is not None:
            self._quota.check(bill.reach.connection, writes=bill.reach.writes, name=bill.reach.budget)
        local = self._local
        if local is None:
            local = self._local = MemoryLimiter(self._now)
        desk = self._desks.get(bill.tenant)
        shares = self._shares(bill)
        if desk is not None:
            for charge, share in zip(bill.charges, shares, strict=True):
                local.learn(share.policy, share.key, desk.ahead(charge.policy, charge.key, self._now()))
        self._fell()
        refusal = local.settle(shares)
        if refusal is None:
            bill.locally = True
            return None
        policy = next(charge.policy for charge in bill.charges if charge.policy.name == refusal.policy.name)
        return Refusal(policy, refusal.seconds)

    def _shares(self, bill: Bill) -> list[Charge]:
        """Return a bill's charges to this replica's share. What costs more than the share takes all of it."""
        found: list[Charge] = []
        for charge in bill.charges:
            share = self._share(charge.policy)
            fits = charge.cost > charge.policy.quota or charge.cost <= share.quota
            found.append(Charge(share, charge.key, charge.cost if fits else share.quota))
        return found

    def _share(self, policy: Policy) -> Policy:
        return replace(policy, quota=max(policy.quota // max(self._replicas(), 1), 1))

    def _desk(self, tenant: str) -> Desk:
        desk = self._desks.get(tenant)
        if desk is None:
            desk = self._desks[tenant] = Desk(self._prefix, tenant, self._me, self._quota)
        return desk


class SharedQuota(VendorQuota):
    """What all replicas know of vendors' budgets: this one's knowledge, told to the others through the limiter."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now)
        self.limiter: RedisLimiter | None = None

    def learn(self, tenant: str, connection: str, quotas: Iterable[Quota]) -> None:
        """Take what an answer said."""
        quotas = list(quotas)
        super().learn(tenant, connection, quotas)
        if self.limiter is not None:
            self.limiter.learn(tenant, connection, quotas)

    def refused(self, tenant: str, connection: str, seconds: float, reason: str) -> bool:
        """Take note of a refusal."""
        paused = super().refused(tenant, connection, seconds, reason)
        if paused and self.limiter is not None:
            self.limiter.pause(tenant, connection, seconds, reason)
        return paused
