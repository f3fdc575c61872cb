"""Tenants' data keys: unwrapped once, made before a tenant's first event is sealed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from sqlalchemy import Connection as Rows

from connectors.sdk.errors import Conflict, StateUnavailable
from gateway.admin.generation import counted
from gateway.admin.rows import insert
from gateway.clock import Clock, stamp
from gateway.ledger.bodies import Bodies
from gateway.ledger.database import Database
from gateway.ledger.keyring import open_keys, stored_keys
from gateway.ledger.schema import data_keys
from gateway.ledger.wrapping import KeyWrapper

OPERATORS = ""  # whose events belong to no tenant
_AGAIN_SECONDS = 2.0
_log: Any = structlog.get_logger("gatehouse.keys")


class DataKeys:
    """Brings data keys and `Bodies` together. `lock` is held from making a key until it is durable or given up."""

    def __init__(self, database: Database, bodies: Bodies, wrapper: KeyWrapper, clock: Clock) -> None:
        self._database = database
        self._bodies = bodies
        self._wrapper = wrapper
        self._clock = clock
        self._loaded: dict[tuple[str, int], bytes] = {}
        self._missing = asyncio.Event()
        self.lock = asyncio.Lock()

    @property
    def complete(self) -> bool:
        """Whether every stored key is in use: otherwise Vault is away, and some tenants' calls are refused."""
        return not self._missing.is_set()

    async def load(self) -> None:
        """Take all stored keys into use, also those that another replica made, and in place of one that was given up.

        While Vault is away `run` tries again what it wrapped. Raises `Unreadable` under another master key.
        """
        stored = await self._database.read(stored_keys)
        fresh = [key for key in stored if self._loaded.get(key[:2]) != key[2]]
        opened = await open_keys(self._bodies, self._wrapper, fresh) if fresh else []
        self._loaded |= {(tenant, number): wrapped for tenant, number, wrapped in opened}
        if len(opened) < len(fresh):
            _log.warning("data_keys_wait_for_vault", keys=len(fresh) - len(opened))
            self._missing.set()
        else:
            self._missing.clear()

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Load what is missing as soon as Vault is back, until cancelled."""
        while True:
            await self._missing.wait()
            await sleep(_AGAIN_SECONDS)
            try:
                await self.load()
            except StateUnavailable:
                continue

    async def ensure(self, tenant: str) -> None:
        """Make sure that the tenant has a key, durably. Raises `SecretStoreUnavailable`."""
        async with self.lock:
            if not self._bodies.knows(tenant):
                row = await self.make(tenant)
                try:
                    await self._database.write(counted(lambda rows: keep(rows, row)))
                except Conflict:  # another replica was first
                    await self.load()

    async def make(self, tenant: str) -> dict[str, Any]:
        """Make a tenant's first key, take it into use and return its row. Hold `lock`, and know that there is none.

        Raises `SecretStoreUnavailable`.
        """
        made = await self._wrapper.new(tenant, 1)
        self._bodies.take(tenant, 1, made.plain)
        return {"tenant": tenant, "number": 1, "wrapped": made.wrapped, "created_at": stamp(self._clock.now())}


def keep(rows: Rows, row: dict[str, Any]) -> None:
    """Store a key's row. Raises `Conflict` where the tenant has one."""
    insert(rows, data_keys, row, f"The tenant {row['tenant']} has a data key already.")
