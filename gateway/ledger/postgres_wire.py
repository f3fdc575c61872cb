"""Connections to PostgreSQL: how they are made, how they fail, and the pools that are read through.

What is read for a tenant goes over connections in the role `gatehouse_reader`, whose row-level security shows the rows
of the tenant that the session names and no others.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from math import ceil
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from connectors.sdk.errors import StateUnavailable
from gateway.ledger.terms import Terms

ResultT = TypeVar("ResultT")
_ROLE = "gatehouse_reader"
_IDLE_SECONDS = 60.0
_PLACEHOLDER = re.compile(r"\?")

# The connection is gone (25P03: we stood still), or leads to a server that does not take writes (57P: it shuts down
# or starts up).
DISCONNECTED = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server ended a session in the middle of a message: the driver lost its place
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.exceptions.CannotConnectNowError,
    asyncpg.exceptions.TooManyConnectionsError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
    OSError,
    TimeoutError,
)
# The same transaction can be tried again.
TRY_AGAIN = (
    asyncpg.exceptions.SerializationError,
    asyncpg.exceptions.DeadlockDetectedError,
    asyncpg.exceptions.LockNotAvailableError,
    asyncpg.exceptions.InvalidCachedStatementError,
    asyncpg.exceptions.OutdatedSchemaCacheError,
)


# What these connections do goes by keys. A plan that was made while the tables were empty reads them whole, and is kept
# until somebody analyses them: seen as 2.4 times fewer writes a second.
_KEYED = frozenset({"gatehouse-writer", "gatehouse-lookup"})
_BY_KEY = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}


async def connect(terms: Terms, application: str, idle_seconds: float = _IDLE_SECONDS) -> Any:
    """Return a new connection. What takes too long is ended by the server: a statement, or a transaction left alone."""
    statement = str(int(terms.statement_seconds * 1000))
    return await asyncpg.connect(
        re.sub(r"^postgresql\+\w+://", "postgresql://", terms.url),
        password=terms.password,
        timeout=ceil(terms.connect_seconds),
        command_timeout=terms.statement_seconds + 5,
        server_settings={
            "application_name": application,
            "statement_timeout": statement,
            "lock_timeout": statement,
            "idle_in_transaction_session_timeout": str(int(idle_seconds * 1000)),
            "jit": "off",
            **(_BY_KEY if application in _KEYED else {}),
        },
    )


def engine_of(terms: Terms, *, size: int, application: str, idle_seconds: float = _IDLE_SECONDS) -> AsyncEngine:
    """Return an engine for SQLAlchemy's jobs over such connections."""
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(terms, application, idle_seconds),
        pool_size=size,
        max_overflow=0,
        pool_timeout=terms.statement_seconds,
        pool_pre_ping=False,
    )


async def raw_of(connection: AsyncConnection) -> Any:
    """Return the asyncpg connection under a SQLAlchemy one."""
    raw = await connection.get_raw_connection()
    return raw.driver_connection


def is_disconnected(error: BaseException) -> bool:
    """Whether an error says that the connection is gone, or could not be made."""
    if isinstance(error, DISCONNECTED):
        return True
    return isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(_cause(error), DISCONNECTED))


def _cause(error: DBAPIError) -> BaseException | None:
    return error.orig.__cause__ if error.orig is not None else None


class Readers:
    """Reads: jobs on a snapshot of their own, and look-ups by key over connections that stay in their tenant."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._engine = engine_of(terms, size=terms.readers, application="gatehouse-reader").execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._slots = asyncio.Semaphore(terms.readers)
        self._idle: dict[str | None, deque[Any]] = {}
        self._closed = False

    async def run(self, job: Callable[[Connection], ResultT], tenant: str | None) -> ResultT:
        """Run a job. Raises `StateUnavailable`; what the job raises passes."""

        def scoped(rows: Connection) -> ResultT:
            if tenant is not None:
                rows.exec_driver_sql(f"SET LOCAL ROLE {_ROLE}")
                rows.exec_driver_sql("SELECT set_config('gatehouse.tenant', $1, true)", (tenant,))
            return job(rows)

        try:
            async with self._engine.connect() as connection, connection.begin():
                return await connection.run_sync(scoped)
        except (*DISCONNECTED, asyncpg.PostgresError, DBAPIError) as error:
            raise _unreadable(error) from error

    async def fetch(self, statement: str, parameters: tuple[Any, ...], tenant: str | None) -> tuple[Any, ...] | None:
        """Return the first row. A connection that broke since it was last used is replaced once."""
        if any(isinstance(value, str) and "\x00" in value for value in parameters):
            return None  # PostgreSQL keeps no such text, so no row can have it
        numbered = _numbered(statement)
        for again in (True, False):
            try:
                async with self._lent(tenant) as wire:
                    row = await wire.fetchrow(numbered, *parameters)
                    return None if row is None else tuple(row)
            except DISCONNECTED as error:
                if not again:
                    raise _unreadable(error) from error
                self._drop_idle()
            except asyncpg.PostgresError as error:
                raise _unreadable(error) from error
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        self._drop_idle()
        await self._engine.dispose()

    @asynccontextmanager
    async def _lent(self, tenant: str | None) -> AsyncGenerator[Any]:
        """Give a connection that names the tenant: one that did so before where there is one."""
        async with self._slots:
            wire = await self._taken(tenant)
            try:
                yield wire
            except BaseException:
                wire.terminate()
                raise
            if self._closed:
                wire.terminate()
            else:
                self._idle.setdefault(tenant, deque()).append(wire)

    async def _taken(self, tenant: str | None) -> Any:
        mine = self._idle.get(tenant)
        if mine:
            return mine.pop()
        other = next((key for key, idle in self._idle.items() if idle), _NONE)
        open_ones = sum(len(idle) for idle in self._idle.values())
        if other is _NONE or open_ones < self._terms.readers // 2:
            wire = await connect(self._terms, "gatehouse-lookup")
        else:
            wire = self._idle[other].popleft()  # type: ignore[index]
            if not self._idle[other]:  # type: ignore[index]
                del self._idle[other]  # type: ignore[arg-type]
        await _name(wire, tenant)
        return wire

    def _drop_idle(self) -> None:
        for idle in self._idle.values():
            for wire in idle:
                wire.terminate()
        self._idle.clear()


_NONE = object()


async def _name(wire: Any, tenant: str | None) -> None:
    """Put a session into a tenant, or into none with all that the gateway itself may see."""
    if tenant is None:
        await wire.execute("RESET ROLE")
    else:
        await wire.execute(f"SET ROLE {_ROLE}")
        await wire.execute("SELECT set_config('gatehouse.tenant', $1, false)", tenant)


@lru_cache(maxsize=256)
def _numbered(statement: str) -> str:
    """Write `?` placeholders as PostgreSQL numbers them."""
    parts = _PLACEHOLDER.split(statement)
    return parts[0] + "".join(f"${number}{part}" for number, part in enumerate(parts[1:], 1))


def _unreadable(error: BaseException) -> StateUnavailable:
    return StateUnavailable(f"The ledger cannot be read: {type(error).__name__}.", retry_after_ms=1000)
