"""The audit trail: every event of an environment, and whether the chain is whole."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import Connection as Rows
from sqlalchemy import select, text

from gateway.admin.records import Records
from gateway.admin.roles import Admin
from gateway.admin.rows import Page, Place, Shown, Slice, newest
from gateway.ledger.database import Database
from gateway.ledger.schema import events

Verify = Callable[[], Awaitable[Mapping[str, Any]]]
_WITHOUT_RUN = ("admin", "connection_health")


class Audit:
    """Reads the trail. `verify` walks the whole chain of the ledger and reports."""

    def __init__(self, database: Database, records: Records, verify: Verify) -> None:
        self._database = database
        self._records = records
        self._verify = verify

    async def page(
        self, admin: Admin, place: Place, part: Slice, *, type: str | None = None, since: str | None = None
    ) -> Page:
        """Return events with their data, newest first; those of the whole tenant for who holds all of it."""
        c = events.c
        environments = [place.environment] if admin.environment is not None else [place.environment, ""]
        query = select(events).where(c.tenant == place.tenant, c.environment.in_(environments))
        if type is not None:
            query = query.where(c.type == type)
        if type in _WITHOUT_RUN:
            query = query.where(text("events.run = ''"))  # in these words the index of such events serves
        if since is not None:
            query = query.where(c.at >= since)
        if part.after is not None:
            query = query.where(c.seq < int(part.after))

        def job(rows: Rows) -> Page:
            found, after = newest(rows, query, c.seq, Slice(part.limit))
            return Page([self._records.event(row) for row in found], after)

        return await self._database.read(job)

    async def verify(self) -> Shown:
        """Return the report of a walk over the chain, its checkpoints and signatures."""
        return dict(await self._verify())
