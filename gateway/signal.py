"""A signal inside one process: it wakes everybody who waits for the next time that something happens."""

import asyncio


class Signal:
    """Rings for all who wait."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    @property
    def next(self) -> asyncio.Event:
        """The event of the next time. Take it first, then look at how things are, then wait for it."""
        return self._next

    def ring(self) -> None:
        """Wake all that wait."""
        self._next.set()
        self._next = asyncio.Event()
