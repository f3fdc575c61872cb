"""A second replica's view of one SQLite ledger: it reads what another process writes. A stand-in for PostgreSQL."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from connectors.sdk.errors import StateUnavailable
from gateway.ledger.chain import Head
from gateway.ledger.record import EventRow, Outcome, Record
from gateway.ledger.sqlite import connect, engine_over

ResultT = TypeVar("ResultT")


class Beside:
    """The reading half of a `Database`. `gone` makes it refuse, as a database that is away does."""

    def __init__(self, path: Path) -> None:
        self._raw: sqlite3.Connection = connect(path)
        self._raw.execute("PRAGMA query_only=ON")
        self.gone = False
        self.fetched = self.read_jobs = 0

    async def fetch(self, statement: str, parameters: tuple[Any, ...]) -> tuple[Any, ...] | None:
        self._check()
        self.fetched += 1
        row: tuple[Any, ...] | None = self._raw.execute(statement, parameters).fetchone()
        return row

    async def read(self, job: Callable[[Connection], ResultT]) -> ResultT:
        self._check()
        self.read_jobs += 1
        with engine_over(self._raw).connect() as connection, connection.begin():
            return job(connection)

    async def write(self, job: Callable[[Connection], ResultT], *events: EventRow) -> ResultT:
        raise NotImplementedError

    async def commit(self, record: Record) -> Outcome:
        raise NotImplementedError

    def head(self) -> Head:
        raise NotImplementedError

    def close(self) -> None:
        self._raw.close()

    def _check(self) -> None:
        if self.gone:
            raise StateUnavailable("The ledger cannot be read.")
