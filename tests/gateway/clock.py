"""Time that a test moves. It goes on by itself too, so that real sockets and timeouts behave."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class MovableClock:
    """The machine's clocks plus what a test added. Waits of the gateway take no time and move it instead.

    While it is held they do not end; `held` counts those.
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        self.slept: list[float] = []
        self.held = 0
        self._goes_on = asyncio.Event()
        self._goes_on.set()

    def hold(self) -> None:
        """Let no wait end until `release`."""
        self.held = 0
        self._goes_on.clear()

    def release(self) -> None:
        """Let waits end."""
        self._goes_on.set()

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def forward(self, **by: float) -> None:
        self._ahead += timedelta(**by).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.held += not self._goes_on.is_set()
        await self._goes_on.wait()
        self.slept.append(seconds)
        self._ahead += max(seconds, 0)
        await asyncio.sleep(0)
