"""Which ledger an installation has: embedded in its home, or PostgreSQL shared by replicas.

PostgreSQL's driver is imported only where there is one.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection as Rows
from sqlalchemy import inspect, text

from connectors.sdk.errors import StateUnavailable
from gateway.ledger.database import Database
from gateway.ledger.holding import lost_records
from gateway.ledger.migrate import upgrade, upgrade_shared
from gateway.ledger.sqlite import SqliteDatabase, connect, engine_over
from gateway.ledger.terms import Terms

ResultT = TypeVar("ResultT")


class Ledger:
    """Where a ledger lies. `terms` are those of PostgreSQL, None for the file.

    `home` has the writers' locks and the last checkpoint; `waiting_bytes` are the records that may wait for the file.
    """

    def __init__(self, file: Path, home: Path, terms: Terms | None, waiting_bytes: int = 64 * 1024 * 1024) -> None:
        self._file = file
        self._home = home
        self._terms = terms
        self._waiting_bytes = waiting_bytes

    @property
    def shared(self) -> bool:
        """Whether replicas share it."""
        return self._terms is not None

    def database(self) -> Database:
        """Return the ledger as the gateway uses it, not yet opened."""
        lost = partial(lost_records, file=self._home / "checkpoint.json")
        if self._terms is None:
            return SqliteDatabase(self._file, lost=lost, waiting_bytes=self._waiting_bytes)
        from gateway.ledger.postgres import PostgresDatabase

        return PostgresDatabase(self._terms, self._home / "writers", lost=lost)

    async def upgrade(self) -> None:
        """Bring it to this gateway's version. Raises `LedgerTooNew`, `StateUnavailable`."""
        if self._terms is None:
            upgrade(self._file)
        else:
            with _reaching():
                await upgrade_shared(self._terms)

    async def run(self, job: Callable[[Rows], ResultT]) -> ResultT:
        """Run a job in one transaction, outside of any gateway: for setting up."""
        if self._terms is not None:
            return await _run_shared(self._terms, job)
        raw = connect(self._file)
        try:
            # SQLAlchemy rolls back when it first looks at a connection, so the transaction begins after that.
            with engine_over(raw).connect() as rows:
                raw.execute("BEGIN IMMEDIATE")
                result = job(rows)
                raw.execute("COMMIT")
                return result
        finally:
            raw.close()

    async def look(self, job: Callable[[Rows], ResultT]) -> ResultT:
        """Run a read on one snapshot, outside of any gateway."""
        if self._terms is None:
            return await self.run(job)

        def snapshot(rows: Rows) -> ResultT:
            rows.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            return job(rows)

        with _reaching():
            return await _run_shared(self._terms, snapshot)

    async def meta(self) -> Mapping[str, str]:
        """Return what the ledger says of itself; nothing where it is not set up. Raises `StateUnavailable`."""
        if self._terms is None and not self._file.exists():
            return {}
        with _reaching():
            return await self.run(_meta)


async def _run_shared(terms: Terms, job: Callable[[Rows], ResultT]) -> ResultT:
    from gateway.ledger.postgres_wire import engine_of

    engine = engine_of(terms, size=1, application="gatehouse-setup")
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(job)
    finally:
        await engine.dispose()


@contextmanager
def _reaching() -> Generator[None]:
    """Say of a PostgreSQL that is away that it is, without quoting its address."""
    try:
        yield
    except Exception as error:
        from gateway.ledger.postgres_wire import is_disconnected

        if is_disconnected(error):
            raise StateUnavailable(f"The ledger cannot be reached: {type(error).__name__}.") from error
        raise


def _meta(rows: Rows) -> dict[str, str]:
    if not inspect(rows).has_table("meta"):
        return {}
    return {row[0]: row[1] for row in rows.execute(text("SELECT name, value FROM meta"))}
