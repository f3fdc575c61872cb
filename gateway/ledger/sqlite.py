"""The embedded ledger: one SQLite file, and all waiting records in one transaction.

Rows are written by the event loop itself, into SQLite's page cache: that takes microseconds, and handing each
statement to another thread would cost more in waiting for the interpreter's lock. Only the commit, which waits for the
disk, runs in a thread; what comes meanwhile is the next transaction. `synchronous=FULL` in WAL mode: a record that was
reported written survives a power cut. One process may hold the file, by a lock that ends with the process; recovery
relies on that.
"""

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import StaticPool

from connectors.sdk.errors import StateUnavailable
from gateway.ids import new_id
from gateway.ledger import statements
from gateway.ledger.backlog import Backlog
from gateway.ledger.chain import Head, link
from gateway.ledger.holding import Lost, hold
from gateway.ledger.record import ClaimTaken, EventRow, Outcome, Record, Settlement, Stale, Written
from gateway.ledger.writer import Adopted

ResultT = TypeVar("ResultT")
_BATCH = 512
_ADOPT = text(
    "UPDATE calls SET owner=:me WHERE id IN (SELECT id FROM calls"
    " WHERE status IN ('queued','running','outcome_unknown') AND owner IS NOT :me ORDER BY id LIMIT 200)"
    " RETURNING id, tenant, environment, status"
)


class LedgerInUse(Exception):
    """Another process holds the ledger."""


class _Waiting:
    __slots__ = ("future", "record")

    def __init__(self, record: Record, future: "asyncio.Future[Outcome]") -> None:
        self.record = record
        self.future = future


class SqliteDatabase:
    """The `Database` of one process. Open it with `open`, end it with `close`. `ready` says that the disk took the
    last write.
    """

    shared = False

    def __init__(
        self,
        path: Path,
        *,
        readers: int = 2,
        waiting_bytes: int = 64 * 1024 * 1024,
        lost: Lost = lambda rows: None,
    ) -> None:
        """Take the file. `lost` says what it lacks that it should have: then writes are held from the start."""
        self._path = path
        self._lost = lost
        self._backlog = Backlog(waiting_bytes)
        self._waiting: list[_Waiting] = []
        self._busy = False
        self._closed = False
        self._idle = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer: _Writer | None = None
        self._look: sqlite3.Connection | None = None
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="ledger-commit")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="ledger-read")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock_file: int | None = None
        self.ready = True
        self.writer = new_id("wrt")

    async def open(self) -> None:
        """Take the file's lock and read the chain's head. Raises `LedgerInUse`."""
        self._lock_file = take_lock(self._path)
        self._loop = asyncio.get_running_loop()
        raw = connect(self._path)
        self._opened.append(raw)
        rows = engine_over(raw).connect()
        self._hold_if_lost(raw, rows)
        self._writer = _Writer(raw, rows, last_link(raw))
        self._look = connect(self._path)
        self._look.execute("PRAGMA query_only=ON")
        self._opened.append(self._look)
        self._idle.set()

    async def close(self) -> None:
        """Write what waits, then close the file and give the lock back."""
        await self._idle.wait()
        self._closed = True
        await asyncio.to_thread(self._committer.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._opened:
            connection.close()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _hold_if_lost(self, raw: sqlite3.Connection, rows: Connection) -> None:
        why = self._lost(rows)
        if why is not None:
            raw.execute("BEGIN IMMEDIATE")
            hold(rows, why)
            raw.execute("COMMIT")

    def head(self) -> Head:
        """Return the last durable link of the chain."""
        assert self._writer is not None
        return self._writer.durable

    async def commit(self, record: Record) -> Outcome:
        """Write a record and return when it is on disk. Raises `Overloaded` for a new call where too much waits."""
        if self._closed or self._loop is None:
            raise StateUnavailable("The ledger is closed.")
        weight = self._backlog.enter(record)
        try:
            future: asyncio.Future[Outcome] = self._loop.create_future()
            self._waiting.append(_Waiting(record, future))
            if not self._busy:
                # Not at once: what else is ready to run in this turn of the loop may bring records for the same commit.
                self._busy = True
                self._idle.clear()
                self._loop.call_soon(self._write_batch)
            return await future
        finally:
            self._backlog.leave(weight)

    async def write(self, job: Callable[[Connection], ResultT], *events: EventRow) -> ResultT:
        """Run a control-plane job and append events, in one transaction. Jobs are short: the loop waits for them."""
        outcome = await self.commit(Record(job=job, events=list(events)))
        return cast("ResultT", cast("Written", outcome).value)

    async def read(self, job: Callable[[Connection], ResultT], *, tenant: str | None = None) -> ResultT:
        """Run a read on its own snapshot, outside the event loop. SQLite has no roles: `tenant` is not used."""
        del tenant
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, job)

    async def fetch(
        self, statement: str, parameters: tuple[Any, ...], *, tenant: str | None = None
    ) -> tuple[Any, ...] | None:
        """Return the first row of a look-up by key: a few pages of the cache, which no writer can lock."""
        del tenant
        if self._look is None:
            raise StateUnavailable("The ledger is closed.")
        try:
            row: tuple[Any, ...] | None = self._look.execute(statement, parameters).fetchone()
        except sqlite3.Error as error:
            raise StateUnavailable(f"The ledger cannot be read: {error}.") from error
        return row

    async def adopt(self) -> list[Adopted]:
        """Take over what earlier processes left: this one holds the file, so they have ended."""

        def job(rows: Connection) -> list[Adopted]:
            found = rows.execute(_ADOPT, {"me": self.writer}).all()
            return sorted(
                (Adopted(row[0], row[1], row[2], row[3], proved=True) for row in found), key=lambda one: one.call
            )

        return await self.write(job)

    def _read(self, job: Callable[[Connection], ResultT]) -> ResultT:
        try:
            with self._reader().connect() as connection, connection.begin():
                return job(connection)
        except sqlite3.OperationalError as error:
            raise StateUnavailable(f"The ledger cannot be read: {error}.") from error

    def _reader(self) -> Engine:
        engine: Engine | None = getattr(self._local, "engine", None)
        if engine is None:
            raw = connect(self._path)
            raw.execute("PRAGMA query_only=ON")
            self._opened.append(raw)
            engine = self._local.engine = engine_over(raw)
        return engine

    def _write_batch(self) -> None:
        """Write all that waits, and let a thread wait for the disk."""
        assert self._loop is not None
        assert self._writer is not None
        batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
        results = self._writer.write_all([waiting.record for waiting in batch])
        if isinstance(results, StateUnavailable):
            self._ended(batch, [results] * len(batch))
            return
        commit = self._loop.run_in_executor(self._committer, self._writer.commit)
        commit.add_done_callback(lambda done: self._committed(batch, results, done))

    def _committed(
        self,
        batch: list[_Waiting],
        results: Sequence[Outcome | BaseException],
        done: "asyncio.Future[StateUnavailable | None]",
    ) -> None:
        refused = done.result()
        self._ended(batch, results if refused is None else [refused] * len(batch))

    def _ended(self, batch: list[_Waiting], results: Sequence[Outcome | BaseException]) -> None:
        self.ready = not all(isinstance(result, StateUnavailable) for result in results)
        _resolve(batch, results)
        assert self._loop is not None
        if self._waiting:
            self._loop.call_soon(self._write_batch)
        else:
            self._busy = False
            self._idle.set()


class _Writer:
    """Writes batches into one transaction at a time. `head` runs ahead of `durable` until the commit."""

    def __init__(self, raw: sqlite3.Connection, connection: Connection, head: Head) -> None:
        self._raw = raw
        self._connection = connection
        self.head = head
        self.durable = head

    def write_all(self, records: Sequence[Record]) -> "list[Outcome | BaseException] | StateUnavailable":
        """Write records, without committing. Where SQLite refuses, nothing of them is written."""
        try:
            self._raw.execute("BEGIN IMMEDIATE")
            return [self._write(record) for record in records]
        except Exception as error:  # whatever it is, everybody in the batch must hear of it
            return self._undone(error)

    def commit(self) -> StateUnavailable | None:
        """Wait until it is on disk. Returns why it is not."""
        try:
            self._raw.execute("COMMIT")
        except sqlite3.Error as error:
            return self._undone(error)
        self.durable = self.head
        return None

    def _undone(self, error: Exception) -> StateUnavailable:
        self.head = self.durable
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")
        return StateUnavailable(f"The ledger cannot be written: {type(error).__name__}: {error}.", retry_after_ms=1000)

    def _write(self, record: Record) -> Outcome | BaseException:
        if record.job is not None:
            return self._with_job(record)
        return self._rows(record)

    def _with_job(self, record: Record) -> Outcome | BaseException:
        """Run a job under a savepoint: what it raises undoes it alone."""
        raw, head = self._raw, self.head
        raw.execute("SAVEPOINT job")
        try:
            outcome = self._rows(record)
            assert record.job is not None
            if isinstance(outcome, Written):
                outcome = Written(record.job(self._connection))
        except sqlite3.OperationalError:
            raise
        except BaseException as error:
            raw.execute("ROLLBACK TO job")
            raw.execute("RELEASE job")
            self.head = head
            return error
        raw.execute("RELEASE job")
        return outcome

    def _rows(self, record: Record) -> Outcome:
        raw = self._raw
        claim = record.claim
        if claim is not None:
            values = (claim.tenant, claim.environment, claim.agent, claim.key, claim.call, claim.digest, claim.at)
            if raw.execute(statements.CLAIM, values).rowcount == 0:
                taken = raw.execute(statements.CLAIM_OF, values[:4]).fetchone()
                if taken[0] != claim.call:
                    return ClaimTaken(*taken)
        if record.settlement is not None:
            stale = self._settle(record.settlement)
            if stale is not None:
                return stale
        elif record.intent is not None and record.call is None:
            status, owner = raw.execute(statements.OWNER_OF, (record.intent.call,)).fetchone() or (None, None)
            if status != "running" or owner != record.intent.owner:
                return Stale(status)
        if record.run is not None:
            run = record.run
            raw.execute(
                statements.RUN,
                (run.id, run.tenant, run.environment, run.agent, run.actor, run.opened_at, run.details),
            )
        if record.call is not None:
            raw.execute(statements.CALL, statements.call_values(record.call))
        if record.intent is not None:
            intent = record.intent
            raw.execute(statements.INTENT, (intent.call, intent.step, intent.name, intent.opened_at, intent.owner))
        if record.events:
            raw.executemany(statements.EVENT, [self._linked(event) for event in record.events])
        return Written()

    def _settle(self, settlement: Settlement) -> Stale | None:
        raw = self._raw
        found = raw.execute(statements.STATUS_OF, (settlement.call,)).fetchone()
        if found is None or found[0] not in settlement.expected:
            return Stale(found[0] if found else None)
        raw.execute(
            statements.SETTLE,
            (
                settlement.status,
                settlement.code,
                settlement.finished_at,
                settlement.answer,
                settlement.owner,
                settlement.call,
            ),
        )
        _, tenant, environment, agent, key = found
        if key is not None and settlement.release:
            raw.execute(statements.RELEASE, (tenant, environment, agent, key, settlement.call))
        elif key is not None:
            raw.execute(
                statements.CLAIM_UNTIL, (settlement.claim_until, tenant, environment, agent, key, settlement.call)
            )
        if key is not None and settlement.intents is not None:
            # Only an action with effects has intents, and it has a key.
            raw.execute(statements.INTENTS, (settlement.intents, settlement.call))
        return None

    def _linked(self, event: EventRow) -> tuple[object, ...]:
        """Take an event into the chain, and return its row."""
        self.head = link(self.head, event)
        return (
            self.head.seq,
            event.id,
            event.tenant,
            event.environment,
            event.run,
            event.call,
            event.type,
            event.at,
            event.body,
            self.head.hash,
        )


def _resolve(batch: Sequence[_Waiting], results: Sequence[Outcome | BaseException]) -> None:
    for waiting, result in zip(batch, results, strict=True):
        if waiting.future.done():
            continue
        if isinstance(result, BaseException):
            waiting.future.set_exception(result)
        else:
            waiting.future.set_result(result)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file with the settings that the guarantees rest on."""
    raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute("PRAGMA busy_timeout=5000")
    raw.execute("PRAGMA foreign_keys=ON")
    return raw


def engine_over(raw: sqlite3.Connection) -> Engine:
    """Return an engine over one open connection whose transactions the caller holds."""
    return create_engine(
        "sqlite://",
        creator=lambda: raw,
        poolclass=StaticPool,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
    )


def last_link(raw: sqlite3.Connection) -> Head:
    """Return the last link of the chain as the file has it."""
    row = raw.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(row[0], row[0], row[1]) if row else Head()


def take_lock(path: Path) -> int:
    """Lock the ledger for this process. The lock ends with the process, however it ends. Raises `LedgerInUse`."""
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise LedgerInUse(f"{path} is held by another process: stop that gateway first") from error
    return descriptor
