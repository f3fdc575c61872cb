"""Backup of a live installation, and its restore into a stopped one.

A backup holds the ledger and the sealed credentials, not the master key: keep that elsewhere. A restore opens a new
epoch. What happened after the backup is not in it, so its idempotency keys are forgotten: writes are held until an
operator accepts that, and no call that the backup shows as unfinished is ever run again.
"""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from connectors.sdk.errors import ActionError, ApprovalExpired, OutcomeUnknown
from gateway.admin.generation import counted
from gateway.answers import Answers
from gateway.clock import SystemClock, stamp
from gateway.cursor import Cursors
from gateway.ending import ending_of
from gateway.installation import Derived, Home, NotSetUp, load_master_key
from gateway.journal import Journal
from gateway.ledger.bodies import Bodies
from gateway.ledger.events import Events
from gateway.ledger.migrate import upgrade
from gateway.ledger.sqlite import SqliteDatabase, connect, take_lock
from gateway.settings import Settings
from gateway.unfinished import reopen_without_key, unfinished, untraced
from gateway.waiters import Waiters

Progress = Callable[[int, int], None]
_PAGES = 256


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    epoch: int
    unfinished: int
    backup_of: str


def backup(home: Home, into: Path, progress: Progress | None = None) -> dict[str, object]:
    """Copy a live installation into a new folder. Everything answered before the call is in it.

    Raises `FileExistsError`, `NotSetUp`.
    """
    if not home.ledger.exists():
        raise NotSetUp(f"{home.path} holds no installation")
    into.mkdir(mode=0o700, parents=True)
    at = stamp(SystemClock().now())
    there = [source for source in (home.ledger, home.credentials) if source.exists()]  # credentials may be in Vault
    copied = {source.name: _copy(source, into / source.name, progress) for source in there}
    manifest: dict[str, object] = {"at": at, "bytes": copied, "epoch": _epoch(into / home.ledger.name)}
    (into / "manifest.json").write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    return manifest


async def restore(settings: Settings, home: Home, source: Path) -> Restored:
    """Put a backup in place and open a new epoch. What was there is kept beside it.

    Raises `LedgerInUse` while a gateway runs, `NotSetUp` where the folder holds no backup, `KeyRefused` or
    `Unreadable` under another master key.
    """
    manifest_file = source / "manifest.json"
    if not manifest_file.exists():
        raise NotSetUp(f"{source} holds no backup")
    manifest = orjson.loads(manifest_file.read_bytes())
    master = load_master_key(settings, home)
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = take_lock(home.ledger)
    try:
        epoch = max(int(manifest["epoch"]), _epoch(home.ledger) if home.ledger.exists() else 0) + 1
        for name in (home.ledger, home.credentials):
            if (source / name.name).exists():
                _set_aside(name, epoch)
                _copy(source / name.name, name, None)
        if home.checkpoint.exists():
            home.checkpoint.replace(home.checkpoint.with_suffix(f".before-{epoch}.json"))
        upgrade(home.ledger)
        _open_epoch(home.ledger, epoch, f"restored from the backup of {manifest['at']}")
    finally:
        os.close(lock)
    count = await _end_unfinished(home, Derived.of(master), epoch, str(manifest["at"]))
    return Restored(epoch, count, str(manifest["at"]))


async def accept(settings: Settings, home: Home, by: str) -> bool:
    """Let writes go again after a restore. Returns whether they were held. Raises `LedgerInUse`."""
    derived = Derived.of(load_master_key(settings, home))
    database, bodies = SqliteDatabase(home.ledger), Bodies(derived.bodies)
    await database.open()
    try:
        await _load_keys(database, bodies)
        row = await database.fetch("SELECT value FROM meta WHERE name=?", ("writes_held",))
        if row is None:
            return False
        event = Events(bodies).make(
            "admin",
            SystemClock().now(),
            {"what": "restore.accept", "by": by, "held": row[0]},
            tenant="",
            environment="",
        )
        await database.write(
            counted(lambda rows: rows.exec_driver_sql("DELETE FROM meta WHERE name='writes_held'").rowcount), event
        )
    finally:
        await database.close()
    return True


async def _end_unfinished(home: Home, derived: Derived, epoch: int, at: str) -> int:
    """End the calls that the backup shows as unfinished: what became of them later is not known here."""
    clock = SystemClock()
    database, bodies = SqliteDatabase(home.ledger), Bodies(derived.bodies)
    await database.open()
    try:
        await _load_keys(database, bodies)
        events = Events(bodies)
        journal = Journal(database, bodies, events, clock, Waiters())
        answers = Answers(clock, Cursors(derived.cursors, lambda: clock.now().timestamp()))
        left = await database.read(unfinished)
        for row in left:
            call = reopen_without_key(row, clock, untraced())
            error = _ended(row.status, at)
            await journal.finish(call, answers.failed(call, error), ending_of(error, handed_over=True))
        event = events.make(
            "admin",
            clock.now(),
            {"what": "restore", "epoch": epoch, "backup_of": at, "unfinished": len(left)},
            tenant="",
            environment="",
        )
        await database.write(
            lambda rows: rows.exec_driver_sql("UPDATE approvals SET status='expired' WHERE status='pending'").rowcount,
            event,
        )
    finally:
        await database.close()
    return len(left)


def _ended(status: str, at: str) -> ActionError:
    if status == "pending_approval":
        return ApprovalExpired(f"The ledger was restored from the backup of {at}.", hint="Ask again with a new key.")
    return OutcomeUnknown(
        f"The ledger was restored from the backup of {at}, in which this call had not ended.",
        hint="Look at the vendor first; an operator closes the call with its outcome.",
    )


async def _load_keys(database: SqliteDatabase, bodies: Bodies) -> None:
    rows = await database.read(
        lambda connection: connection.exec_driver_sql("SELECT tenant, number, wrapped FROM data_keys").fetchall()
    )
    for tenant, number, wrapped in rows:
        bodies.load(tenant, number, wrapped)


def _copy(source: Path, target: Path, progress: Progress | None) -> int:
    """Copy by SQLite's own backup, which sees one consistent state, live WAL included."""
    if not source.exists():
        return 0
    origin = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    copy = sqlite3.connect(target)
    target.chmod(0o600)
    try:
        # One read transaction for all pages: without it every write of the live gateway would start it over.
        origin.execute("BEGIN")
        origin.execute("SELECT 1 FROM sqlite_master").fetchone()

        def told(status: int, remaining: int, total: int) -> None:
            del status
            if progress is not None:
                progress(total - remaining, total)

        origin.backup(copy, pages=_PAGES, progress=told)
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()
        origin.close()
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return target.stat().st_size


def _epoch(ledger: Path) -> int:
    raw = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    try:
        row = raw.execute("SELECT value FROM meta WHERE name='epoch'").fetchone()
    finally:
        raw.close()
    return int(row[0]) if row else 0


def _set_aside(file: Path, epoch: int) -> None:
    """Keep what is in place under another name, its log folded in first."""
    if not file.exists():
        return
    raw = connect(file)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    file.replace(file.with_name(f"{file.stem}.before-{epoch}.db"))
    for leftover in (f"{file.name}-wal", f"{file.name}-shm"):
        file.with_name(leftover).unlink(missing_ok=True)


def _open_epoch(ledger: Path, epoch: int, why: str) -> None:
    raw = connect(ledger)
    try:
        raw.execute("BEGIN IMMEDIATE")
        for name, value in (("epoch", str(epoch)), ("writes_held", why)):
            raw.execute(
                "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value=excluded.value",
                (name, value),
            )
        raw.execute("COMMIT")
    finally:
        raw.close()


__all__ = ["Restored", "accept", "backup", "restore"]
