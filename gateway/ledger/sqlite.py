"""The embedded ledger: one SQLite file, one writer thread that commits all waiting records together.

`synchronous=FULL` in WAL mode: a record that was reported written survives a power cut. One process may hold the
file, by a lock that ends with the process; recovery relies on that.
"""

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

from connectors.sdk.errors import StateUnavailable
from gateway.ledger import statements
from gateway.ledger.chain import Head, link
from gateway.ledger.record import ClaimTaken, EventRow, Outcome, Record, Settlement, Stale, Written

ResultT = TypeVar("ResultT")
_BATCH = 512


class LedgerInUse(Exception):
    """Another process holds the ledger."""


class _Waiting:
    __slots__ = ("future", "record")

    def __init__(self, record: Record, future: "asyncio.Future[Outcome]") -> None:
        self.record = record
        self.future = future


class SqliteDatabase:
    """The `Database` of one process. Open it with `open`, end it with `close`."""

    def __init__(self, path: Path, *, readers: int = 2) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._head = Head()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="ledger-read")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock_file: int | None = None
        self._broken: str | None = None

    async def open(self) -> None:
        """Take the file's lock, read the chain's head and start the writer. Raises `LedgerInUse`."""
        self._lock_file = take_lock(self._path)
        self._loop = asyncio.get_running_loop()
        started: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="ledger-write", daemon=True)
        self._thread.start()
        await started

    async def close(self) -> None:
        """Write what waits, then end the threads and give the lock back."""
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._opened:
            connection.close()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def head(self) -> Head:
        """Return the last durable link of the chain."""
        return self._head

    async def commit(self, record: Record) -> Outcome:
        """Write a record and return when it is on disk."""
        assert self._loop is not None
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._queue.put(_Waiting(record, future))
        return await future

    async def write(self, job: Callable[[Connection], ResultT], *events: EventRow) -> ResultT:
        """Run a control-plane job and append events, in one transaction."""
        outcome = await self.commit(Record(job=job, events=list(events)))
        return cast("ResultT", cast("Written", outcome).value)

    async def read(self, job: Callable[[Connection], ResultT]) -> ResultT:
        """Run a read on its own snapshot, outside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, job)

    async def fetch(self, statement: str, parameters: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Return the first row of a look-up by key."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._fetch, statement, parameters)

    def _read(self, job: Callable[[Connection], ResultT]) -> ResultT:
        try:
            with self._reader().connect() as connection, connection.begin():
                return job(connection)
        except sqlite3.OperationalError as error:
            raise StateUnavailable(f"The ledger cannot be read: {error}.") from error

    def _fetch(self, statement: str, parameters: tuple[Any, ...]) -> tuple[Any, ...] | None:
        self._reader()
        raw: sqlite3.Connection = self._local.raw
        try:
            row: tuple[Any, ...] | None = raw.execute(statement, parameters).fetchone()
        except sqlite3.OperationalError as error:
            raise StateUnavailable(f"The ledger cannot be read: {error}.") from error
        return row

    def _reader(self) -> Engine:
        engine: Engine | None = getattr(self._local, "engine", None)
        if engine is None:
            raw = connect(self._path)
            raw.execute("PRAGMA query_only=ON")
            self._opened.append(raw)
            self._local.raw = raw
            engine = self._local.engine = engine_over(raw)
        return engine

    def _run(self, started: "asyncio.Future[None]") -> None:
        assert self._loop is not None
        try:
            raw = connect(self._path)
            self._head = last_link(raw)
        except sqlite3.Error as error:
            self._loop.call_soon_threadsafe(started.set_exception, error)
            return
        self._loop.call_soon_threadsafe(started.set_result, None)
        connection = engine_over(raw).connect()
        writer = _Writer(raw, connection)
        while True:
            batch, ended = self._next_batch()
            if batch:
                results = writer.write_all(batch, self._head)
                self._head = writer.head
                self._loop.call_soon_threadsafe(_resolve, batch, results)
            if ended:
                break
        raw.close()

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        """Wait for one record, then take all others that wait. The second value says that the end was asked for."""
        first = self._queue.get()
        if first is None:
            return [], True
        batch = [first]
        while len(batch) < _BATCH:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return batch, True
            batch.append(item)
        return batch, False


class _Writer:
    """Writes batches on the writer thread."""

    def __init__(self, raw: sqlite3.Connection, connection: Connection) -> None:
        self._raw = raw
        self._connection = connection
        self.head = Head()

    def write_all(self, batch: list[_Waiting], head: Head) -> list[Outcome | BaseException]:
        """Write a batch in one transaction. Where the disk refuses, nothing of it is written."""
        self.head = head
        raw = self._raw
        try:
            raw.execute("BEGIN IMMEDIATE")
            results = [self._write(waiting.record) for waiting in batch]
            raw.execute("COMMIT")
        except sqlite3.Error as error:
            self.head = head
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            refused = StateUnavailable(f"The ledger cannot be written: {error}.", retry_after_ms=1000)
            return [refused for _ in batch]
        return results

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
        for event in record.events:
            self._append(event)
        return Written()

    def _settle(self, settlement: Settlement) -> Stale | None:
        raw = self._raw
        found = raw.execute(statements.STATUS_OF, (settlement.call,)).fetchone()
        if found is None or found[0] not in settlement.expected:
            return Stale(found[0] if found else None)
        raw.execute(
            statements.SETTLE,
            (settlement.status, settlement.code, settlement.finished_at, settlement.answer, settlement.call),
        )
        _, tenant, environment, agent, key = found
        if key is not None and settlement.release:
            raw.execute(statements.RELEASE, (tenant, environment, agent, key, settlement.call))
        elif key is not None:
            raw.execute(
                statements.CLAIM_UNTIL, (settlement.claim_until, tenant, environment, agent, key, settlement.call)
            )
        if settlement.intents is not None:
            raw.execute(statements.INTENTS, (settlement.intents, settlement.call))
        return None

    def _append(self, event: EventRow) -> None:
        self.head = link(self.head, event)
        self._raw.execute(
            statements.EVENT,
            (
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
            ),
        )


def _resolve(batch: list[_Waiting], results: list[Outcome | BaseException]) -> None:
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
