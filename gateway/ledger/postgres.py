"""The ledger of many processes: PostgreSQL, and all waiting records of a process in one transaction.

Each process is a writer with a chain of its own. Its row in `writers` says how far the chain has come, and is changed
in the same transaction as the records. So a commit whose answer was lost is decided by looking: the row has the new
head or the old one. A head that is neither means that the database has lost what it had confirmed, as after a failover
to a standby that lagged; then writes are held until an operator accepts that.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import asyncpg
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from connectors.sdk.errors import StateUnavailable
from gateway.ids import new_id
from gateway.ledger import writer
from gateway.ledger.backlog import Backlog
from gateway.ledger.chain import GENESIS, Head, link
from gateway.ledger.holding import Lost, hold
from gateway.ledger.postgres_batch import Wire, part, write_rows
from gateway.ledger.postgres_wire import (
    DISCONNECTED,
    TRY_AGAIN,
    Readers,
    engine_of,
    is_disconnected,
    raw_of,
)
from gateway.ledger.record import EventRow, Outcome, Record, Written
from gateway.ledger.terms import Terms
from gateway.ledger.writer import Adopted, LockFiles

ResultT = TypeVar("ResultT")
_BATCH = 512
_TRIES = 5
_QUIET_SECONDS = 2.0  # a process that did not read the control plane for one sends nothing anyway
_LONGEST_PAUSE = 1.0
_RENEWALS = 5  # in the time of a lease
_ADOPT_AT_ONCE = 200
_log = structlog.get_logger("gatehouse.ledger")

_EVENTS = (
    "INSERT INTO events (number, id, tenant, environment, run, call, type, at, body, hash, writer)"
    " SELECT *, $11 FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],"
    " $8::text[], $9::bytea[], $10::bytea[])"
)
_HEAD = "UPDATE writers SET number=$2, hash=$3, lease_until={until} WHERE id=$1 AND ended_at IS NULL"
_REGISTER = (
    "INSERT INTO writers (id, host, number, hash, started_at, lease_until) VALUES ($1, $2, 0, $3, {now}, {until})"
)
_OUR_HEAD = "SELECT number, hash FROM writers WHERE id=$1 FOR UPDATE"
_END = f"UPDATE writers SET ended_at={writer.NOW}, proved=1 WHERE id=$1"
_FENCE = f"UPDATE writers SET ended_at={writer.NOW} WHERE id=$1 AND ended_at IS NULL"


class _Fenced(Exception):
    """Others took this writer for ended: what it had to write was refused."""


@dataclass(slots=True, eq=False)
class _Waiting:
    record: Record
    future: "asyncio.Future[Outcome]"


@dataclass(slots=True, eq=False)
class _Pending:
    """What a transaction gives, once it is known to have been committed."""

    results: list[tuple[_Waiting, Outcome | BaseException]]
    put_off: list[_Waiting]


class PostgresDatabase:
    """The `Database` of one of many processes. `writer` names it, as the owner of what it runs.

    `folder` holds the lock files of this host's writers. `ready` says that the last transaction went through.
    """

    shared = True

    def __init__(self, terms: Terms, folder: Path, *, lost: Lost = lambda rows: None) -> None:
        """Take where it is. `lost` says what the database lacks that it should have, asked at every connection."""
        self._terms = terms
        self._folder = folder
        self._lost = lost
        until = writer.until(terms.lease_seconds)
        self._set_head, self._add_writer = _HEAD.format(until=until), _REGISTER.format(now=writer.NOW, until=until)
        self._backlog = Backlog(terms.waiting_bytes)
        self._waiting: list[_Waiting] = []
        self._working: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._closed = False
        # A process that is stopped within a transaction holds its locks. Others wait for them, and must not lose their
        # lease over it.
        idle = terms.lease_seconds / 2
        self._engine = engine_of(terms, size=2, application="gatehouse-writer", idle_seconds=idle)
        self._readers = Readers(terms)
        self._connection: AsyncConnection | None = None
        self._wire: Wire = None
        self._locks: LockFiles | None = None
        self._held: list[int] = []
        self._pending: _Pending | None = None
        self._head = self._durable = Head()
        self.writer = ""
        self.ready = False
        self.commits = 0
        self._quiet_until = 0.0

    async def open(self) -> None:
        """Connect, and register as a new writer. Raises `StateUnavailable`."""
        self._locks = await asyncio.to_thread(LockFiles, self._folder)
        try:
            await self._connect()
            await self._hold_if_lost()
            await self._register()
        except DISCONNECTED as error:
            raise StateUnavailable(f"The ledger cannot be reached: {_said(error)}.") from error
        self.ready = True
        self._renewing = asyncio.create_task(self._renew())

    async def close(self) -> None:
        """Write what waits, say that this writer has ended, and disconnect."""
        self._closed = True
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if self._working is not None:
            await asyncio.gather(self._working, return_exceptions=True)
        if self.ready and self._wire is not None:
            try:
                await self._wire.execute(_END, self.writer)
            except DISCONNECTED:
                pass  # the lease lapses by itself
        await self._disconnect()
        await self._readers.close()
        await self._engine.dispose()
        self._unlock()

    def head(self) -> Head:
        """Return the last durable link of this writer's chain."""
        return self._durable

    async def commit(self, record: Record) -> Outcome:
        """Write a record and return when it is on disk.

        While the database is away it is refused at once, and a new call where too much waits already (`Overloaded`).
        A record that was on its way when the connection broke waits until it is known whether it was written.
        """
        if self._closed or not self.ready:
            raise StateUnavailable("The ledger cannot be reached.", retry_after_ms=1000)
        weight = self._backlog.enter(record)
        try:
            waiting = _Waiting(record, asyncio.get_running_loop().create_future())
            self._waiting.append(waiting)
            if self._working is None:
                self._working = asyncio.create_task(self._work())
            return await waiting.future
        finally:
            self._backlog.leave(weight)

    async def write(self, job: Callable[[Connection], ResultT], *events: EventRow) -> ResultT:
        """Run a control-plane job and append events, in one transaction. What the job raises undoes it."""
        outcome = await self.commit(Record(job=job, events=list(events)))
        return cast("ResultT", cast("Written", outcome).value)

    async def read(self, job: Callable[[Connection], ResultT], *, tenant: str | None = None) -> ResultT:
        """Run a read on its own snapshot; for a `tenant`, under row-level security."""
        return await self._readers.run(job, tenant)

    async def fetch(
        self, statement: str, parameters: tuple[Any, ...], *, tenant: str | None = None
    ) -> tuple[Any, ...] | None:
        """Return the first row of a look-up by key; for a `tenant`, under row-level security."""
        return await self._readers.fetch(statement, parameters, tenant)

    async def adopt(self) -> list[Adopted]:
        """Take over calls of writers that have ended, at most 200. Writers whose lease lapsed are fenced first."""
        assert self._locks is not None
        locks, me = self._locks, self.writer
        known = await self.read(lambda rows: writer.others(rows, me))
        proved = [id for id, host, _, _ in known if host == locks.host and locks.ended(id)]
        lapsed = [id for id, _, ended, late in known if late and not ended and id not in proved]

        def job(rows: Connection) -> tuple[list[str], list[Adopted]]:
            return writer.declare_ended(rows, proved, lapsed), writer.adopt(rows, me, _ADOPT_AT_ONCE)

        written, found = await self.write(job)
        for id in written:
            locks.forget(id)
        return found

    async def _work(self) -> None:
        """Write what waits, batch after batch, until nothing does."""
        try:
            while self._waiting:
                await asyncio.sleep(0)  # what else is ready in this turn of the loop may share the transaction
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                try:
                    put_off = await self._write_batch(batch)
                except Exception as error:  # nobody may be left waiting for ever
                    _log.error("batch_given_up", reason=_said(error))
                    put_off = []
                    _refuse_all(batch, StateUnavailable("The ledger cannot be written.", retry_after_ms=1000))
                self._waiting[:0] = put_off
        finally:
            self._working = None
            for waiting in self._waiting if self._closed else ():
                _refuse(waiting, StateUnavailable("The ledger is closed."))

    async def _write_batch(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Write a batch, whatever the connection does meanwhile. Returns what must go into the next one."""
        for _ in range(_TRIES):
            batch = self._allowed(batch)
            try:
                return await self._transaction(batch)
            except _Fenced:
                try:
                    await self._begin_anew()
                except DISCONNECTED as error:
                    await self._after_disconnect([], error)  # the next batch finds out again that we are fenced
                _refuse_all(batch, _taken_for_ended())
                return []
            except DISCONNECTED as error:
                done = await self._after_disconnect(batch, error)
                if done is not None:
                    return done
            except TRY_AGAIN:
                await self._roll_back()
            except Exception as error:
                await self._roll_back()
                return await self._one_by_one(batch, error)
        _refuse_all(batch, StateUnavailable("The ledger is too busy.", retry_after_ms=1000))
        return []

    def _allowed(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Refuse effects right after writes were held: until the control plane was read anew they would pass."""
        if time.monotonic() >= self._quiet_until:
            return batch
        effects = [waiting for waiting in batch if waiting.record.intent is not None]
        _refuse_all(effects, StateUnavailable("The ledger has lost records; writes are held.", retry_after_ms=1000))
        return [waiting for waiting in batch if waiting.record.intent is None]

    async def _one_by_one(self, batch: list[_Waiting], error: Exception) -> list[_Waiting]:
        """A statement was refused: write each record alone, so that only the one at fault hears of it."""
        if len(batch) == 1:
            refused = error if isinstance(error, StateUnavailable) else StateUnavailable(
                f"The ledger cannot be written: {_said(error)}.", retry_after_ms=1000
            )  # fmt: skip
            _log.error("record_refused", reason=_said(error))
            _refuse(batch[0], refused)
            return []
        left: list[_Waiting] = []
        for waiting in batch:
            left += await self._write_batch([waiting])
        return left

    async def _transaction(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Write a batch in one transaction and answer it. Returns what was put off."""
        wire = self._wire
        plain = [waiting for waiting in batch if waiting.record.job is None]
        parted = part([waiting.record for waiting in plain])
        later = set(map(id, parted.put_off))
        together = [waiting for waiting in plain if id(waiting.record) not in later]
        put_off = [waiting for waiting in plain if id(waiting.record) in later]
        self._head, self._pending = self._durable, None
        await wire.execute("BEGIN")
        events: list[tuple[Any, ...]] = []
        results: list[tuple[_Waiting, Outcome | BaseException]] = []
        ended = await write_rows(wire, [waiting.record for waiting in together])
        for place, waiting in enumerate(together):
            outcome = ended.get(place, Written())
            if outcome is None:
                put_off.append(waiting)
                continue
            if isinstance(outcome, Written):
                events += [self._linked(event) for event in waiting.record.events]
            results.append((waiting, outcome))
        for waiting in batch:
            if waiting.record.job is not None:
                result = await self._with_job(waiting.record, events)
                if result is None:
                    put_off.append(waiting)
                else:
                    results.append((waiting, result))
        if events:
            await wire.execute(_EVENTS, *_columns(events), self.writer)
        if await wire.execute(self._set_head, self.writer, self._head.seq, self._head.hash) != "UPDATE 1":
            raise _Fenced
        self._pending = _Pending(results, put_off)
        await wire.execute("COMMIT")
        return self._committed(self._pending)

    def _committed(self, pending: _Pending) -> list[_Waiting]:
        self.commits += 1
        self._durable, self._pending = self._head, None
        for waiting, outcome in pending.results:
            if isinstance(outcome, BaseException):
                _refuse(waiting, outcome)
            elif not waiting.future.done():
                waiting.future.set_result(outcome)
        return pending.put_off

    async def _with_job(self, record: Record, events: list[tuple[Any, ...]]) -> Outcome | BaseException | None:
        """Run a job under a savepoint: what it raises undoes it alone. None: to be tried in the next transaction."""
        wire, head, place = self._wire, self._head, len(events)
        assert record.job is not None
        assert self._connection is not None
        await wire.execute("SAVEPOINT job")
        ended = await write_rows(wire, [record])
        outcome: Outcome | None = ended[0] if ended else Written()
        try:
            if isinstance(outcome, Written):
                outcome = Written(await self._connection.run_sync(record.job))
                events += [self._linked(event) for event in record.events]
        except Exception as error:
            if wire.is_closed() or (isinstance(error, DBAPIError) and is_disconnected(error)):
                raise ConnectionError("the database went away under a job") from error
            await wire.execute("ROLLBACK TO SAVEPOINT job")
            self._head = head
            del events[place:]
            return error
        await wire.execute("RELEASE SAVEPOINT job")
        return outcome

    def _linked(self, event: EventRow) -> tuple[Any, ...]:
        self._head = link(self._head, event)
        e = event
        return (self._head.seq, e.id, e.tenant, e.environment, e.run, e.call, e.type, e.at, e.body, self._head.hash)

    async def _roll_back(self) -> None:
        try:
            await self._wire.execute("ROLLBACK")
        except DISCONNECTED:
            pass  # found out again by what comes next

    async def _after_disconnect(self, batch: list[_Waiting], error: BaseException) -> list[_Waiting] | None:
        """Connect again and find out whether the batch was committed. None: it was not, and can be tried again."""
        self.ready = False
        _log.warning("ledger_disconnected", reason=_said(error))
        while True:
            number, hash = await self._come_back()
            written = self._pending is not None and (number, hash) == (self._head.seq, self._head.hash)
            if written or (number, hash) == (self._durable.seq, self._durable.hash):
                self.ready = True
                return self._committed(self._pending) if written and self._pending is not None else None
            try:
                _log.error("ledger_lost_records", writer=self.writer)
                await self._begin_anew()
            except DISCONNECTED:
                continue
            self.ready = True
            _refuse_all(batch, StateUnavailable("The ledger has lost records; writes are held."))
            return []

    async def _come_back(self) -> tuple[int, bytes]:
        """Return our head as the database has it, however long it takes to reach it."""
        pause = 0.05
        while True:
            try:
                await self._disconnect()
                await self._connect()
                row = await self._wire.fetchrow(_OUR_HEAD, self.writer)
                found = (row[0], bytes(row[1])) if row is not None else (-1, b"")
                await self._hold_if_lost(found)
            except (*DISCONNECTED, asyncpg.PostgresError) as error:  # whatever it says, it may say better later
                if self._closed:
                    raise error if isinstance(error, DISCONNECTED) else ConnectionError(_said(error)) from error
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return found

    async def _hold_if_lost(self, found: tuple[int, bytes] | None = None) -> None:
        """Hold writes in a new epoch where the database forgot what it had confirmed.

        That shows by our own head as it was `found`, or by the checkpoint that was kept. It is held before anybody can
        take up a call that the database shows as it stood before.
        """
        assert self._connection is not None
        known = [(self._durable.seq, self._durable.hash), (self._head.seq, self._head.hash)]
        try:
            why = await self._connection.run_sync(self._lost)
            if found is not None and found not in known:
                why = "the database has lost records that it had confirmed (a failover to a standby that lagged?)"
            if why is not None:
                await self._wire.execute("BEGIN")
                await self._connection.run_sync(hold, why)
                await self._wire.execute("COMMIT")
                self._quiet_until = time.monotonic() + _QUIET_SECONDS
        except DBAPIError as error:
            raise ConnectionError("the ledger could not be looked at") from error  # to be tried again

    async def _connect(self) -> None:
        try:
            connection = await self._engine.connect()
        except DBAPIError as error:
            raise ConnectionError("the database refused a connection") from error
        # Transactions are begun and ended here by hand, around the statements of many records.
        self._connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        self._wire = await raw_of(self._connection)

    async def _disconnect(self) -> None:
        connection, self._connection, self._wire = self._connection, None, None
        if connection is not None:
            try:
                await connection.invalidate()
                await connection.close()
            except (*DISCONNECTED, DBAPIError):
                pass

    async def _register(self) -> None:
        assert self._locks is not None
        fresh = new_id("wrt")
        lock = self._locks.take(fresh)
        try:
            await self._wire.execute(self._add_writer, fresh, self._locks.host, GENESIS)
        except BaseException:
            os.close(lock)
            raise
        self._held.append(lock)
        self.writer = fresh
        self._head = self._durable = Head()

    async def _begin_anew(self) -> None:
        """Go on as another writer: what the old one still owns is for whoever adopts it.

        Its lock stays taken with the process, so nobody takes what it was about to send for never sent.
        """
        await self._roll_back()
        await self._wire.execute(_FENCE, self.writer)
        before = self.writer
        await self._register()
        # What was to be begun in the old one's name would belong to a writer that has ended, and be taken over at once.
        stale = [waiting for waiting in self._waiting if _owner(waiting.record) == before]
        self._waiting = [waiting for waiting in self._waiting if _owner(waiting.record) != before]
        _refuse_all(stale, _taken_for_ended())

    async def _renew(self) -> None:
        """Keep the lease: an empty record now and then moves it on, and finds out that we were fenced."""
        while True:
            await asyncio.sleep(self._terms.lease_seconds / _RENEWALS)
            try:
                await self.commit(Record())
            except StateUnavailable:
                continue

    def _unlock(self) -> None:
        for lock in self._held:
            os.close(lock)
        self._held.clear()


def _owner(record: Record) -> str | None:
    """Return in which writer's name a record begins or goes on with a call."""
    if record.call is not None:
        return record.call.owner
    if record.intent is not None:
        return record.intent.owner
    return record.settlement.owner if record.settlement is not None else None


def _taken_for_ended() -> StateUnavailable:
    return StateUnavailable("This process was taken for ended.", retry_after_ms=100)


def _refuse_all(batch: Sequence[_Waiting], error: BaseException) -> None:
    for waiting in batch:
        _refuse(waiting, error)


def _refuse(waiting: _Waiting, error: BaseException) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _said(error: BaseException) -> str:
    """Return an error's kind and first line: PostgreSQL's messages can quote values."""
    if isinstance(error, asyncpg.PostgresError):
        return f"{type(error).__name__} ({getattr(error, 'sqlstate', None)})"
    return type(error).__name__
