"""One replica's limiter over Redis, with all that it needs."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from gateway.limits import Bill, Charge, Policy, Reach
from gateway.state.address import RedisAddress, parse_redis_url
from gateway.state.redis import RedisLimiter, SharedQuota
from gateway.state.redis_client import RedisClient, Told

NUMBERS = itertools.count()
AGENT = Policy("agent", 6000, 60)


class Replica:
    """A replica. `local` and `leased` count the bills that were settled so, `trips` the requests to Redis."""

    def __init__(self, address: RedisAddress | str, *, timeout: float = 0.25, replicas: int = 2) -> None:
        self.trips = self.local = self.leased = 0
        self.turns: list[bool] = []
        address = parse_redis_url(address) if isinstance(address, str) else address
        self.client = RedisClient(address, timeout=timeout, told=Told(self._asked, self.turns.append))
        self.quota = SharedQuota(time.time)
        self.limiter = self.quota.limiter = RedisLimiter(
            self.client,
            self.quota,
            prefix="test",
            me=f"rep_{next(NUMBERS)}",
            now=time.monotonic,
            replicas=lambda: replicas,
            fell=self._fell,
            leased=self._lease,
        )
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.client.open()
        self.tasks = [asyncio.create_task(work) for work in (self.client.keep(), self.limiter.sweep())]

    async def stop(self) -> None:
        await self.limiter.close()
        await self.crash()

    async def crash(self) -> None:
        """End without giving anything back."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.client.close()

    def _asked(self, what: str) -> None:
        self.trips += 1

    def _fell(self) -> None:
        self.local += 1

    def _lease(self) -> None:
        self.leased += 1


@asynccontextmanager
async def running(*addresses: RedisAddress | str, **given: object) -> AsyncIterator[list[Replica]]:
    """Start a replica for each address."""
    replicas = [Replica(address, **given) for address in addresses]  # type: ignore[arg-type]
    for replica in replicas:
        await replica.start()
    try:
        yield replicas
    finally:
        for replica in replicas:
            await replica.stop()


def bill(
    policy: Policy = AGENT, key: str = "agt_1", *, cost: int = 1, tenant: str = "acme", reach: Reach | None = None
) -> Bill:
    return Bill(tenant, [Charge(policy, key, cost)], reach)


async def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


__all__ = ["AGENT", "Replica", "bill", "replace", "running", "until"]
