"""Backup of a live installation, and its restore into a stopped one.

A backup holds the ledger and the sealed credentials, not the master key: keep that elsewhere. A restore opens a new
epoch. What happened after the backup is not in it, so its idempotency keys are forgotten: writes are held until an
operator accepts that, and no call that the backup shows as unfinished is ever run again.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from gateway.audit import exported_keys
from gateway.clock import SystemClock, stamp
from gateway.epoch import end_unfinished, opened_ledger
from gateway.installation import Home, NotSetUp, load_master_key, place_of, read_meta
from gateway.ledger.migrate import upgrade
from gateway.ledger.sqlite import connect, take_lock
from gateway.settings import Settings

Progress = Callable[[int, int], None]
_PAGES = 256


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    epoch: int
    unfinished: int
    backup_of: str


async def backup_beside(settings: Settings, home: Home, into: Path) -> dict[str, object]:
    """Copy what an installation in PostgreSQL has beside its database: credentials that are not at Vault, the last
    checkpoint, and the public keys that check it. The database itself is for `pg_dump` or base backups.

    Raises `FileExistsError`, `NotSetUp`, `StateUnavailable`, `SecretStoreUnavailable`.
    """
    meta = await read_meta(settings, home)
    public = await exported_keys(settings)
    return await asyncio.to_thread(_copy_beside, settings, home, into, int(meta["epoch"]), public)


def _copy_beside(settings: Settings, home: Home, into: Path, epoch: int, public: str) -> dict[str, object]:
    into.mkdir(mode=0o700, parents=True)
    copied: dict[str, int] = {}
    if settings.vault_addr is None and home.credentials.exists():
        copied[home.credentials.name] = _copy(home.credentials, into / home.credentials.name, None)
    if home.checkpoint.exists():
        copied[home.checkpoint.name] = (into / home.checkpoint.name).write_bytes(home.checkpoint.read_bytes())
    copied["audit.pem"] = (into / "audit.pem").write_text(public)
    manifest: dict[str, object] = {
        "at": stamp(SystemClock().now()),
        "bytes": copied,
        "epoch": epoch,
        "database": f"{place_of(str(settings.database_url))}: not in this copy",
    }
    (into / "manifest.json").write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    return manifest


def backup(home: Home, into: Path, progress: Progress | None = None) -> dict[str, object]:
    """Copy a live embedded installation into a new folder. Everything answered before the call is in it.

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
    if settings.database_url is not None:
        raise NotSetUp(
            "the ledger is in PostgreSQL: restore the database by its own means, and credentials.db by hand where the"
            " home has one; then `gatehouse restore --database-was-restored`"
        )
    manifest_file = source / "manifest.json"
    if not manifest_file.exists():
        raise NotSetUp(f"{source} holds no backup")
    manifest = orjson.loads(manifest_file.read_bytes())
    load_master_key(settings, home)  # refused now, before anything is moved
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
    at = str(manifest["at"])
    async with opened_ledger(settings, home) as ledger:
        count = await end_unfinished(ledger, f"The ledger was restored from the backup of {at}")
        said = {"what": "restore", "epoch": epoch, "backup_of": at, "unfinished": count}
        event = ledger.events.make("admin", ledger.clock.now(), said, tenant="", environment="")
        await ledger.database.write(lambda rows: None, event)
    return Restored(epoch, count, at)


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
