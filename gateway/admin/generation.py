"""The control plane's generation: a number in the database that every change of it counts up, so that every replica
knows within a second what was given and taken back, also when no message about it arrives.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection as Rows

from connectors.sdk.errors import ActionError
from gateway.freshness import Freshness
from gateway.ledger.database import Database
from gateway.ledger.holding import count_up
from gateway.ledger.record import EventRow

ResultT = TypeVar("ResultT")
Sleep = Callable[[float], Awaitable[None]]

_log: Any = structlog.get_logger("gatehouse.generation")
_LOOK = "SELECT value FROM meta WHERE name=?"
_NAME = "generation"
# A bound of one second leaves no room for a look every second: the second one would always come too late.
_EVERY_SECONDS = 0.5
_ALONE_SECONDS = 0.25


class Generation:
    """Writes the control plane, and notices what others wrote.

    `refresh` are run after each change, whoever made it; `announce` tells the other replicas of one made here.
    """

    def __init__(
        self,
        database: Database,
        freshness: Freshness,
        refresh: Sequence[Callable[[], Awaitable[None]]],
        monotonic: Callable[[], float],
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._freshness = freshness
        self._refresh = refresh
        self._monotonic = monotonic
        self._announce = announce
        self._known = -1
        self._looking = asyncio.Lock()
        self._poked = asyncio.Event()

    async def write(self, job: Callable[[Rows], ResultT], *events: EventRow) -> ResultT:
        """Run a job and count the generation up in one transaction; known here when this returns, elsewhere soon."""
        result = await self._database.write(counted(job), *events)
        self._announce()
        await self.look()
        return result

    async def look(self) -> None:
        """Read everything anew where the generation is not the one that is known. Raises `StateUnavailable`."""
        # Who waits for the lock began before the look it then does, so it sees what it waits for.
        async with self._looking:
            at = self._monotonic()
            row = await self._database.fetch(_LOOK, (_NAME,))
            found = int(row[0]) if row is not None else 0
            if found != self._known:
                for refresh in self._refresh:
                    await refresh()
                self._known = found
            self._freshness.saw(at)

    def poke(self) -> None:
        """Look soon: somebody says that there was a change."""
        self._poked.set()

    async def follow(self, well: Callable[[], bool], sleep: Sleep = asyncio.sleep) -> None:
        """Look twice a second, four times while messages do not come (not `well`), and when poked; until cancelled."""
        while True:
            try:
                await self.look()
            except ActionError as error:
                _log.warning("generation_unread", code=error.code)
            pause = asyncio.ensure_future(sleep(_EVERY_SECONDS if well() else _ALONE_SECONDS))
            poked = asyncio.ensure_future(self._poked.wait())
            try:
                await asyncio.wait({pause, poked}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                pause.cancel()
                poked.cancel()
            self._poked.clear()


def counted(job: Callable[[Rows], ResultT]) -> Callable[[Rows], ResultT]:
    """Return a job that counts the generation up when it is done: changes of the control plane go through this."""

    def run(rows: Rows) -> ResultT:
        result = job(rows)
        # Last, because others who change something wait for this row until the commit.
        count_up(rows, _NAME)
        return result

    return run
