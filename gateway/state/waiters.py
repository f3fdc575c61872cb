"""Wakes long-polls on other replicas: who waits says for which call, and whoever ends that call says so."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager

from gateway.state.messages import FINISHED, WANTED, Messages
from gateway.waiters import Waiters

_MOST = 20_000
_WANTED_SECONDS = 120.0
_LOOK_SECONDS = 5.0
_ALONE_SECONDS = 1.0


class SharedWaiters(Waiters):
    """Waiters here and elsewhere. Most calls end while nobody waits for them elsewhere; these cost no message.

    `well` says whether messages come; a hint may be lost all the same, so who waits looks at the ledger now and then.
    """

    def __init__(self, messages: Messages, well: Callable[[], bool], monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._messages = messages
        self._well = well
        self._monotonic = monotonic
        self._wanted: OrderedDict[str, float] = OrderedDict()
        messages.on(WANTED, self._want)
        messages.on(FINISHED, super().finished)

    @property
    def patience(self) -> float | None:
        """How long to wait for a wake-up before looking."""
        return _LOOK_SECONDS if self._well() else _ALONE_SECONDS

    def finished(self, call: str) -> None:
        """Wake all that wait for a call, here and elsewhere."""
        super().finished(call)
        until = self._wanted.pop(call, None)
        if until is not None and self._monotonic() < until:
            self._messages.post(FINISHED, call)

    @contextmanager
    def watching(self, call: str) -> Generator[asyncio.Event]:
        """Give an event that is set when the call ends. Watch first, then look at the ledger."""
        with super().watching(call) as event:
            self._messages.post(WANTED, call)
            yield event

    def _want(self, call: str) -> None:
        self._wanted[call] = self._monotonic() + _WANTED_SECONDS
        self._wanted.move_to_end(call)
        while len(self._wanted) > _MOST:
            self._wanted.popitem(last=False)
