"""Tenants' data keys: loaded at start, made before a tenant's first event is sealed."""

import asyncio
from typing import Any

from sqlalchemy import Connection as Rows
from sqlalchemy import select

from gateway.clock import Clock, stamp
from gateway.ledger.bodies import Bodies
from gateway.ledger.database import Database
from gateway.ledger.schema import data_keys

OPERATORS = ""  # whose events belong to no tenant


class DataKeys:
    """Brings data keys and `Bodies` together. `lock` is held from making a key until it is durable or given up."""

    def __init__(self, database: Database, bodies: Bodies, clock: Clock) -> None:
        self._database = database
        self._bodies = bodies
        self._clock = clock
        self.lock = asyncio.Lock()

    async def load(self) -> None:
        """Take all stored keys into use. Raises `Unreadable` under another master key."""
        for tenant, number, wrapped in await self._database.read(_stored):
            self._bodies.load(tenant, number, wrapped)

    async def ensure(self, tenant: str) -> None:
        """Make sure that the tenant has a key, durably."""
        async with self.lock:
            if not self._bodies.knows(tenant):
                row = self.make(tenant)
                await self._database.write(lambda rows: keep(rows, row))

    def make(self, tenant: str) -> dict[str, Any]:
        """Make a tenant's first key, take it into use and return its row. Hold `lock`, and know that there is none."""
        wrapped = self._bodies.new_key(tenant)
        return {"tenant": tenant, "number": 1, "wrapped": wrapped, "created_at": stamp(self._clock.now())}


def keep(rows: Rows, row: dict[str, Any]) -> None:
    """Store a key's row."""
    rows.execute(data_keys.insert().values(**row))


def _stored(rows: Rows) -> list[tuple[str, int, bytes]]:
    query = select(data_keys.c.tenant, data_keys.c.number, data_keys.c.wrapped).order_by(data_keys.c.number)
    return [(row[0], row[1], row[2]) for row in rows.execute(query)]
