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

    async def call(self, principal: Principal, id: str, seconds: float) -> StoredCall:
        """Return the agent's call, ended if that happens in time. Raises `CallNotFound`."""
        with self._waiters.watching(id) as ended:
            stored = await self._looks.mine(principal.agent, id)
            if stored.terminal or seconds <= 0:
                return stored
            try:
                async with asyncio.timeout(seconds):
                    await ended.wait()
            except TimeoutError:
                pass
        return await self._looks.mine(principal.agent, id)

    async def wait(self, principal: Principal, answer: Answer, seconds: float) -> Answer:
        """Return the first answer of a call that was put off, if it ends in time; else the answer as it is."""
        if answer.call is None:
            return answer
        stored = await self.call(principal, answer.call, seconds)
        return self._looks.answer(principal, stored) if stored.terminal else answer
