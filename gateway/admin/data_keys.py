"""Tenants' data keys: loaded at start, made before a tenant's first event is sealed."""

import asyncio
from typing import Any

from sqlalchemy import Connection as Rows
from sqlalchemy import select

from connectors.sdk.errors import Conflict
from gateway.admin.generation import counted
from gateway.admin.rows import insert
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
        self._loaded: dict[tuple[str, int], bytes] = {}
        self.lock = asyncio.Lock()

    async def load(self) -> None:
        """Take all stored keys into use, also those that another replica made, and in place of one that was given up.

        Raises `Unreadable` under another master key.
        """
        for tenant, number, wrapped in await self._database.read(_stored):
            if self._loaded.get((tenant, number)) != wrapped:
                self._bodies.load(tenant, number, wrapped)
                self._loaded[tenant, number] = wrapped

    async def ensure(self, tenant: str) -> None:
        """Make sure that the tenant has a key, durably."""
        async with self.lock:
            if not self._bodies.knows(tenant):
                row = self.make(tenant)
                try:
                    await self._database.write(counted(lambda rows: keep(rows, row)))
                except Conflict:  # another replica was first
                    await self.load()

    def make(self, tenant: str) -> dict[str, Any]:
        """Make a tenant's first key, take it into use and return its row. Hold `lock`, and know that there is none."""
        wrapped = self._bodies.new_key(tenant)
        return {"tenant": tenant, "number": 1, "wrapped": wrapped, "created_at": stamp(self._clock.now())}


def keep(rows: Rows, row: dict[str, Any]) -> None:
    """Store a key's row. Raises `Conflict` where the tenant has one."""
    insert(rows, data_keys, row, f"The tenant {row['tenant']} has a data key already.")


def _stored(rows: Rows) -> list[tuple[str, int, bytes]]:
    query = select(data_keys.c.tenant, data_keys.c.number, data_keys.c.wrapped).order_by(data_keys.c.number)
    return [(row[0], row[1], row[2]) for row in rows.execute(query)]
