"""How a gateway leaves: what is under way ends, what waits is told, and nobody hears what is not so.

not ready; `Connection: close` on each answer; long-polls answer how things stand
  -> no new connections -> idle ones are closed -> calls under way end, at most as long as the drain
  -> who still waits for a running call is answered 202 `running`: whoever comes next settles it
"""

import asyncio
from collections.abc import Callable

_LOOK_SECONDS = 0.01


class Hurry:
    """Waits that end at once when somebody says that it has to be quick."""

    def __init__(self) -> None:
        self._said = asyncio.Event()

    def say(self) -> None:
        """End all waits, those to come too."""
        self._said.set()

    async def wait(self, seconds: float) -> None:
        """Wait as long as that."""
        if seconds > 0 and not self._said.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._said.wait()
            except TimeoutError:
                pass

    async def until(self, done: Callable[[], bool], seconds: float) -> float:
        """Wait until something is so, at most as long as that. Returns the seconds that are left."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        while not done() and not self._said.is_set() and loop.time() < ends_at:  # noqa: ASYNC110 - causes without an event
            await asyncio.sleep(_LOOK_SECONDS)
        return max(ends_at - loop.time(), 0.0)
