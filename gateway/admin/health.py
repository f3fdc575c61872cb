"""A connection's health as calls find it: what the vendor refuses for good is known to all at once."""

from sqlalchemy import Connection as Rows
from sqlalchemy import select

from gateway.admin.generation import Generation
from gateway.clock import Clock, stamp
from gateway.ledger.database import Database
from gateway.ledger.events import Events
from gateway.ledger.schema import connections


class ConnectionHealth:
    """Marks connections that only a person can mend."""

    def __init__(self, database: Database, events: Events, generation: Generation, clock: Clock) -> None:
        self._database = database
        self._events = events
        self._generation = generation
        self._clock = clock

    async def mark_unhealthy(self, connection: str, reason: str, version: int | None = None) -> bool:
        """Mark a connection, with an event. Returns whether it was healthy or untested before.

        `version` is the connection's as the call found it: one that was reconnected since is left as it is.
        """
        c = connections.c
        query = select(c.tenant, c.environment, c.name, c.health, c.version).where(c.id == connection)
        query = query.where(c.deleted_at.is_(None))
        row = await self._database.read(lambda rows: rows.execute(query).mappings().first())
        if row is None or row["health"] == "unhealthy" or version not in (None, row["version"]):
            return False
        now = self._clock.now()
        data = {"subject": connection, "name": row["name"], "status": "unhealthy", "reason": reason}
        event = self._events.make("connection_health", now, data, tenant=row["tenant"], environment=row["environment"])
        where = (c.id == connection, c.deleted_at.is_(None), c.version == row["version"])
        values = {"health": "unhealthy", "health_reason": reason, "checked_at": stamp(now)}

        def job(rows: Rows) -> int:
            return rows.execute(connections.update().where(*where).values(**values)).rowcount

        return await self._generation.write(job, event) > 0
