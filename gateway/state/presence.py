"""How many replicas there are: among so many a limit is divided while Redis is away."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.state.redis_client import RedisClient, Script

_EVERY_SECONDS = 2.0
_FORGOTTEN_SECONDS = 15

Sleep = Callable[[float], Awaitable[None]]


class Presence:
    """Tells Redis that this replica is there. `configured` is the operator's number, which wins."""

    def __init__(
        self, client: RedisClient, key: str, me: str, configured: int | None, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._client = client
        self._key = key
        self._me = me
        self._configured = configured
        self._sleep = sleep
        self._script = Script("presence")
        self._seen = 1

    def replicas(self) -> int:
        """Return how many replicas there are: as configured, else as last seen."""
        return self._configured or self._seen

    async def tell(self) -> None:
        """Say once that this replica is there, and count."""
        seen = await self._client.run(self._script, [self._key], self._me, str(_FORGOTTEN_SECONDS))
        if seen is not None:
            self._seen = max(int(seen), 1)

    async def keep(self) -> None:
        """Say so every two seconds, until cancelled. It also notices that Redis went away while nobody calls."""
        while True:
            await self.tell()
            await self._sleep(_EVERY_SECONDS)
