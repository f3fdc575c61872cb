"""What the gateway asks of a database. SQLite is the embedded one; PostgreSQL takes the same calls."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from gateway.ledger.chain import Head
from gateway.ledger.record import EventRow, Outcome, Record

ResultT = TypeVar("ResultT")


class Database(Protocol):
    """Durable writes in groups, and reads beside them. All raise `StateUnavailable` where the disk refuses."""

    async def commit(self, record: Record) -> Outcome:
        """Write a record and return when it is on disk."""
        ...

    async def write(self, job: Callable[[Connection], ResultT], *events: EventRow) -> ResultT:
        """Run a control-plane job and append events, in one transaction. What the job raises undoes it."""
        ...

    async def read(self, job: Callable[[Connection], ResultT]) -> ResultT:
        """Run a read on its own snapshot, outside the event loop."""
        ...

    async def fetch(self, statement: str, parameters: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Return the first row of a plain SQL look-up (`?` placeholders). For the hot path."""
        ...

    def head(self) -> Head:
        """Return the last durable link of the chain."""
        ...
