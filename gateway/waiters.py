"""Wakes long-polls when a call ends."""

import asyncio
from collections import defaultdict


class Waiters:
    """Who waits for which call. A door asks again after waking: a wake-up is a hint, the ledger is the truth."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def finished(self, call: str) -> None:
        """Wake all that wait for a call."""
        for event in self._waiting.pop(call, ()):
            event.set()

    async def wait(self, call: str, seconds: float) -> None:
        """Return when the call ended or the time is up. Register before the last look at the ledger."""
        event = asyncio.Event()
        self._waiting[call].add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            waiting = self._waiting.get(call)
            if waiting is not None:
                waiting.discard(event)
                if not waiting:
                    del self._waiting[call]
