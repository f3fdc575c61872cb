"""Hints between replicas, over one channel of Redis. None is needed: who loses one finds out by looking."""

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.state.redis_client import RedisClient

_MOST_WAITING = 10_000
_AT_ONCE = 100

CHANGED = "changed"
WANTED = "wanted"
FINISHED = "finished"


class Messages:
    """Posts and hears hints. `me` names this replica: it does not hear itself.

    A hint is a kind and a subject without blanks; several travel together, a line each, after a line with the sender.
    """

    def __init__(self, client: RedisClient, channel: str, me: str) -> None:
        self._client = client
        self._channel = channel
        self._me = me
        self._heard: dict[str, Callable[[str], None]] = {}
        self._back: list[Callable[[], None]] = []
        self._waiting: deque[str] = deque(maxlen=_MOST_WAITING)
        self._posted = asyncio.Event()

    def on(self, kind: str, heard: Callable[[str], None]) -> None:
        """Let a function hear the subjects of one kind of hint."""
        self._heard[kind] = heard

    def on_return(self, heard: Callable[[], None]) -> None:
        """Let a function hear that hints come again, and that some may have been lost."""
        self._back.append(heard)

    def post(self, kind: str, subject: str = "-") -> None:
        """Tell the others soon. Never waits; nothing is kept for a Redis that is away."""
        if self._client.up:
            self._waiting.append(f"{kind} {subject}")
            self._posted.set()

    async def send(self) -> None:
        """Send what is posted, until cancelled."""
        while True:
            await self._posted.wait()
            self._posted.clear()
            while self._waiting:
                lines = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
                await self._client.publish(self._channel, "\n".join([self._me, *lines]))

    async def listen(self) -> None:
        """Hear the others, until cancelled."""
        await self._client.listen(self._channel, self._take)

    def _take(self, message: bytes | None) -> None:
        if message is None:
            for heard in self._back:
                heard()
            return
        sender, *lines = message.decode("utf-8", "replace").split("\n")
        if sender == self._me:
            return
        for line in lines:
            kind, _, subject = line.partition(" ")
            if kind in self._heard:
                self._heard[kind](subject)
