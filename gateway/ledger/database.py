"""What the gateway asks of a database. SQLite is the embedded one; PostgreSQL takes the same calls."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from gateway.ledger.chain import Head
from gateway.ledger.record import EventRow, Outcome, Record
from gateway.ledger.writer import Adopted

ResultT = TypeVar("ResultT")


class Database(Protocol):
    """Durable writes in groups, and reads beside them. All raise `StateUnavailable` where the disk refuses."""

    @property
    def shared(self) -> bool:
        """Whether other processes may write at the same time."""
        ...

    @property
    def ready(self) -> bool:
        """Whether the last write went through."""
        ...

    @property
    def writer(self) -> str:
        """The id of this process as the owner of calls. It changes when others took it for ended."""
        ...

    async def open(self) -> None:
        """Begin. Raises `LedgerInUse`, `StateUnavailable`."""
        ...

    async def close(self) -> None:
        """Write what waits and end."""
        ...

    async def adopt(self) -> list[Adopted]:
        """Take over calls whose owners have ended, at most 200 at once."""
        ...

    async def commit(self, record: Record) -> Outcome:
        """Write a record and return when it is on disk."""
        ...

    async def write(self, job: Callable[[Connection], ResultT], *events: EventRow) -> ResultT:
        """Run a control-plane job and append events, in one transaction. What the job raises undoes it."""
        ...

    async def read(self, job: Callable[[Connection], ResultT], *, tenant: str | None = None) -> ResultT:
        """Run a read on its own snapshot, outside the event loop; for a `tenant`, where no other's rows can be seen."""
        ...

    async def fetch(
        self, statement: str, parameters: tuple[Any, ...], *, tenant: str | None = None
    ) -> tuple[Any, ...] | None:
        """Return the first row of a plain SQL look-up (`?` placeholders). For the hot path; `tenant` as for `read`."""
        ...

    def head(self) -> Head:
        """Return the last durable link of the chain."""
        ...
