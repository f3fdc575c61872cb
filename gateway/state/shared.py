"""What replicas share, put together over one Redis."""

from collections.abc import Awaitable, Callable

from gateway.clock import Clock
from gateway.ids import new_id
from gateway.settings import Settings
from gateway.state.address import RedisAddress
from gateway.state.messages import CHANGED, Messages
from gateway.state.presence import Presence
from gateway.state.redis import RedisLimiter, SharedQuota
from gateway.state.redis_client import RedisClient, Told
from gateway.state.waiters import SharedWaiters
from gateway.telemetry import Metrics


class SharedState:
    """The Redis side of one replica. `open` before `work` runs; `give_back` while it still does; `close` at the end."""

    def __init__(self, address: RedisAddress, settings: Settings, clock: Clock, metrics: Metrics) -> None:
        me, prefix = new_id("rep"), settings.redis_prefix
        told = Told(lambda what: metrics.redis_trips.labels(what).inc(), metrics.redis_turned)
        self.client = RedisClient(address, timeout=settings.redis_timeout_ms / 1000, told=told)
        self.presence = Presence(self.client, f"{prefix}:replicas", me, settings.replicas)
        self.messages = Messages(self.client, f"{prefix}:messages", me)
        self.quota = SharedQuota(lambda: clock.now().timestamp())
        self.limiter = self.quota.limiter = RedisLimiter(
            self.client,
            self.quota,
            prefix=prefix,
            me=me,
            now=clock.monotonic,
            replicas=self.presence.replicas,
            fell=metrics.local.inc,
            leased=metrics.leased.inc,
        )
        self.waiters = SharedWaiters(self.messages, self.answers, clock.monotonic)

    def answers(self) -> bool:
        """Whether Redis answers."""
        return self.client.up

    def on_change(self, poke: Callable[[], None]) -> None:
        """Let a function hear that the control plane was changed elsewhere, or may have been."""
        self.messages.on(CHANGED, lambda subject: poke())
        self.messages.on_return(poke)

    async def open(self) -> None:
        """Ask Redis for the first time. It may be away."""
        await self.client.open()
        await self.presence.tell()

    def work(self) -> list[Awaitable[None]]:
        """Return what runs beside the calls until it is cancelled."""
        return [
            self.client.keep(),
            self.presence.keep(),
            self.messages.send(),
            self.messages.listen(),
            self.limiter.sweep(),
        ]

    async def give_back(self) -> None:
        """Give back all that is leased."""
        await self.limiter.close()

    async def close(self) -> None:
        """Let the connections go."""
        await self.client.close()
