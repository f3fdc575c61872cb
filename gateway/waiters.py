"""Wakes long-polls when a call ends."""

import asyncio
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager


class Waiters:
    """Who waits for which call. A wake-up is a hint: who is woken asks the ledger, which is the truth."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @property
    def patience(self) -> float | None:
        """How long to wait for a wake-up before looking, None for ever: here nothing ends a call unheard."""
        return None

    def finished(self, call: str) -> None:
        """Wake all that wait for a call."""
        for event in self._waiting.get(call, ()):
            event.set()

    def wake_all(self) -> None:
        """Wake all that wait here, for whatever call."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    @contextmanager
    def watching(self, call: str) -> Generator[asyncio.Event]:
        """Give an event that is set when the call ends. Watch first, then look at the ledger."""
        event = asyncio.Event()
        self._waiting[call].add(event)
        try:
            yield event
        finally:
            self._waiting[call].discard(event)
            if not self._waiting[call]:
                del self._waiting[call]
