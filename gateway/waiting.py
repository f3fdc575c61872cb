"""Waiting for a call to end: long-polls and `Prefer: wait`."""

import asyncio

from gateway.call import Answer, Principal
from gateway.looks import Looks
from gateway.stored import StoredCall
from gateway.waiters import Waiters


class Waiting:
    """Looks at a call until it has ended or the time is up."""

    def __init__(self, looks: Looks, waiters: Waiters) -> None:
        self._looks = looks
        self._waiters = waiters
        self._leaving = False

    def leave(self) -> None:
        """Let all that wait, now and later, be answered by how things stand."""
        self._leaving = True
        self._waiters.wake_all()

    async def call(self, principal: Principal, id: str, seconds: float) -> StoredCall:
        """Return the agent's call, ended if that happens in time. Raises `CallNotFound`."""
        with self._waiters.watching(id) as ended:
            stored = await self._looks.mine(principal.agent, id)
            if stored.terminal or seconds <= 0:
                return stored
            ends_at = asyncio.get_running_loop().time() + seconds
            while not (stored.terminal or self._leaving) and (left := ends_at - asyncio.get_running_loop().time()) > 0:
                await _set_within(ended, min(left, self._waiters.patience or left))
                stored = await self._looks.mine(principal.agent, id)
            return stored

    async def wait(self, principal: Principal, answer: Answer, seconds: float | None) -> Answer:
        """Return the first answer of a call that was put off, if it ends in time; else the answer as it is."""
        if answer.status != 202 or answer.call is None or not seconds:
            return answer
        stored = await self.call(principal, answer.call, seconds)
        return self._looks.answer(principal, stored) if stored.terminal else answer


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event as long as that, and let it be set again."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
    event.clear()
