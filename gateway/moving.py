"""Moves an embedded installation to PostgreSQL, and its credentials to Vault where there is one.

Both sides say what goes on: the source refuses to start from the first step on, the target until the last. Killed at
any point it goes on where it was. The chain stays what it was, under the writer `sqlite:<epoch>`; calls that had not
ended are moved as they are, and since nobody holds the source's lock their process has ended: recovery settles them.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import orjson
from credentials import CredentialStore, EmbeddedStore, VersionConflict
from sqlalchemy import Connection as Rows
from sqlalchemy import func, select, text

from gateway.clock import SystemClock, stamp
from gateway.installation import MOVED_TO, MOVING_FROM, MOVING_TO, Home, NotSetUp, ledger_of, place_of, terms_of
from gateway.keys import Keys, opened_keys
from gateway.ledger import copying
from gateway.ledger.bodies import Bodies
from gateway.ledger.chain import vouching_text
from gateway.ledger.copying import Wire, tables
from gateway.ledger.events import Events
from gateway.ledger.holding import count_up, put_meta
from gateway.ledger.keyring import open_keys, stored_keys
from gateway.ledger.migrate import upgrade
from gateway.ledger.opening import Ledger
from gateway.ledger.postgres_wire import DISCONNECTED
from gateway.ledger.postgres_wire import connect as connect_wire
from gateway.ledger.signing import LocalSigner, raw_of
from gateway.ledger.sqlite import connect, last_link, take_lock
from gateway.ledger.verify import EARLIER_KEYS, Report, verify, verify_file
from gateway.ledger.wrapping import wrapped_by_vault
from gateway.settings import Settings

Progress = Callable[[str, int, int], None]
MOVED_FROM = "moved_from"
_ALONE = "SELECT pg_try_advisory_lock(hashtext('gatehouse move'))"
_WRITER = (
    "INSERT INTO writers (id, host, number, hash, started_at, lease_until, ended_at, proved, vouched)"
    " VALUES ($1, '', $2, $3, $4, $4, $4, 1, $5) ON CONFLICT (id) DO NOTHING"
)


class NotMoved(Exception):
    """The move cannot go on. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What is in PostgreSQL now: rows by table, and the credentials by where they are, none moved without Vault."""

    to: str
    rows: Mapping[str, int]
    credentials: "MovedCredentials | None"


@dataclass(frozen=True, slots=True)
class MovedCredentials:
    """Credentials that are at Vault now, and those that Vault had newer."""

    moved: int
    newer: int


async def move(settings: Settings, home: Home, told: Progress) -> Moved:
    """Move the home's installation to the PostgreSQL that the settings name. The source must be stopped.

    Raises `NotMoved`, `NotSetUp`, `LedgerInUse`, `StateUnavailable`, `SecretStoreUnavailable`, `KeyRefused`.
    """
    _check(settings, home)
    lock = take_lock(home.ledger)
    try:
        upgrade(home.ledger)
        target = ledger_of(settings, home)
        await target.upgrade()
        async with opened_keys(settings, home) as keys:
            return await _Move(settings, home, keys, target, told).run()
    except DISCONNECTED as error:
        raise NotMoved(
            f"PostgreSQL went away ({type(error).__name__}); the same command goes on from there."
        ) from error
    finally:
        os.close(lock)


async def give_up(settings: Settings, home: Home) -> None:
    """Let the source start again after a move that was not finished. Its half in PostgreSQL is of no use any more.

    Raises `NotMoved` where the move was finished, or where that cannot be told.
    """
    _check(settings, home)
    lock = take_lock(home.ledger)
    try:
        source = connect(home.ledger)
        try:
            meta = await ledger_of(settings, home).meta()
            if _read(source, MOVED_TO) or meta.get(MOVED_FROM) == _id_of(source):
                raise NotMoved("The move was finished: this installation is in PostgreSQL now.")
            source.execute("DELETE FROM meta WHERE name=?", (MOVING_TO,))
        finally:
            source.close()
    finally:
        os.close(lock)


class _Move:
    """One move. Every step can be done again."""

    def __init__(self, settings: Settings, home: Home, keys: Keys, target: Ledger, told: Progress) -> None:
        self._settings = settings
        self._home = home
        self._keys = keys
        self._target = target
        self._told = told
        self._to = place_of(str(settings.database_url))
        self._source = connect(home.ledger)
        self._bodies = Bodies()

    async def run(self) -> Moved:
        terms = terms_of(self._settings)
        assert terms is not None
        wire = await connect_wire(terms, "gatehouse-move")
        try:
            if not await wire.fetchval(_ALONE):
                raise NotMoved("Another move into this database is under way.")
            return await self._moved(wire)
        finally:
            self._source.close()
            await wire.close()

    async def _moved(self, wire: Wire) -> Moved:
        id = _id_of(self._source)
        there = {row[0]: row[1] for row in await wire.fetch("SELECT name, value FROM meta")}
        if there.get(MOVED_FROM) != id:
            if "kind" in there or there.get(MOVING_FROM, id) != id:
                raise NotMoved(f"{self._to} holds another installation already: name an empty database.")
            await self._check_source()
            await wire.execute(copying.PUT, MOVING_FROM, id)
            self._mark(MOVING_TO)
            rows = await self._copied(wire)
            await self._rewrap(wire)
            credentials = await self._credentials()
            await self._vouch(wire)
            await self._check_target(rows)
            await self._finish(id, rows)
        else:
            rows, credentials = {}, None
        self._mark(MOVED_TO)
        return Moved(self._to, rows, credentials)

    async def _check_source(self) -> None:
        """Refuse what is not whole: nobody could tell afterwards where it was changed."""
        stored = [
            (row[0], row[1], bytes(row[2]))
            for row in self._source.execute("SELECT tenant, number, wrapped FROM data_keys")
        ]
        if len(await open_keys(self._bodies, self._keys.wrapper, stored)) < len(stored):
            raise NotMoved("Vault does not unwrap all data keys now. Try again when it does.")
        report = await asyncio.to_thread(
            verify_file,
            self._home.ledger,
            self._keys.signer,
            self._home.checkpoint,
            self._bodies,
            lambda done: self._told("checking the source", done, 0),
        )
        _refuse(report, "The source")

    async def _copied(self, wire: Wire) -> dict[str, int]:
        await self._target.run(lambda rows: copying.make_months(rows, self._source))
        writer = f"sqlite:{_read(self._source, 'epoch')}"
        rows: dict[str, int] = {}
        for table in tables():
            rows[str(table.name)] = await copying.copy_table(self._source, wire, table, writer, self._told)
        head, now = last_link(self._source), stamp(SystemClock().now())
        (vouched,) = self._source.execute("SELECT coalesce(max(seq), 0) FROM checkpoints").fetchone()
        # A head that no checkpoint names yet is in the first one that is signed in PostgreSQL.
        await wire.execute(_WRITER, writer, head.seq, head.hash, now, vouched)
        await wire.execute("SELECT setval('events_place', $1)", max(head.seq, 1))
        return rows

    async def _rewrap(self, wire: Wire) -> None:
        """Let Vault wrap the data keys that the master key wrapped."""
        if not self._keys.wrapper.by_vault:
            return
        stored = await self._target.look(stored_keys)
        for done, (tenant, number, wrapped) in enumerate(stored, 1):
            if not wrapped_by_vault(wrapped):
                fresh = await self._keys.wrapper.rewrap(tenant, number, wrapped)
                await wire.execute(
                    "UPDATE data_keys SET wrapped=$4 WHERE tenant=$1 AND number=$2 AND wrapped=$3",
                    tenant,
                    number,
                    wrapped,
                    fresh,
                )
            self._told("wrapping data keys", done, len(stored))

    async def _credentials(self) -> MovedCredentials | None:
        if self._keys.vault is None or not self._home.credentials.exists():
            return None
        return await move_credentials(
            EmbeddedStore(self._home.credentials, self._keys.master), self._keys.vault.store, self._told
        )

    async def _vouch(self, wire: Wire) -> None:
        """Sign for the key that signed the source's checkpoints: replicas have no file of it."""
        if not self._home.audit_key.exists():
            return
        said: dict[str, str] = {}
        for key in map(raw_of, LocalSigner.load(self._home.audit_key).public_keys()):
            said[key.hex()] = (await self._keys.signer.sign(vouching_text(key))).hex()
        await wire.execute(copying.PUT, EARLIER_KEYS, orjson.dumps(said).decode())

    async def _check_target(self, rows: Mapping[str, int]) -> None:
        counted = await self._target.look(_counts)
        wrong = [
            f"{name} has {counted[name]} rows instead of {count}"
            for name, count in rows.items()
            if counted[name] != count
        ]
        if wrong:
            raise NotMoved(f"The copy is not whole: {'; '.join(wrong)}.")
        kept = self._home.checkpoint

        def told(done: int) -> None:
            self._told("checking the copy", done, rows["events"])

        report = await self._target.look(lambda found: verify(found, self._keys.signer, kept, self._bodies, told))
        _refuse(report, "The copy")

    async def _finish(self, id: str, rows: Mapping[str, int]) -> None:
        """Make the target an installation, in one transaction with the event that tells of it."""
        kept = dict(self._source.execute("SELECT name, value FROM meta").fetchall())
        database = self._target.database()

        def job(found: Rows) -> None:
            for name, value in kept.items():
                if name not in {MOVING_TO, MOVED_TO}:
                    put_meta(found, name, value)
            count_up(found, "generation")
            found.execute(
                text("DELETE FROM meta WHERE name = :moving OR name LIKE :places"),
                {"moving": MOVING_FROM, "places": f"{copying.PLACE}%"},
            )
            put_meta(found, MOVED_FROM, id)

        said = {"what": "migrate", "from": "sqlite", "to": "postgresql", "rows": dict(rows)}
        event = Events(self._bodies).make("admin", SystemClock().now(), said, tenant="", environment="")
        await database.open()
        try:
            await database.write(job, event)
        finally:
            await database.close()

    def _mark(self, name: str) -> None:
        self._source.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, self._to))


async def move_credentials(source: EmbeddedStore, target: CredentialStore, told: Progress) -> MovedCredentials:
    """Write credentials where there are none yet. Those that are there already are newer, or the same, and stay."""
    moved = newer = 0
    try:
        places = await source.places()
        for done, where in enumerate(places, 1):
            credential = await source.get(where)
            if credential is None:
                continue
            try:
                await target.put(where, credential, expected=0)
                moved += 1
            except VersionConflict:
                there = await target.get(where)
                same = there is not None and (there.method, there.fields) == (credential.method, credential.fields)
                moved, newer = (moved + 1, newer) if same else (moved, newer + 1)
            told("moving credentials", done, len(places))
    finally:
        await source.close()
    return MovedCredentials(moved, newer)


def _check(settings: Settings, home: Home) -> None:
    if settings.database_url is None:
        raise NotMoved("Name the PostgreSQL ledger to move to in GATEHOUSE_DATABASE_URL.")
    if not home.ledger.exists():
        raise NotSetUp(f"{home.path} holds no embedded ledger to move")
    source = connect(home.ledger)
    try:
        if _read(source, "kind") == "sandbox":
            raise NotMoved(f"{home.path} holds a sandbox, which is not moved: set up a new installation.")
    finally:
        source.close()


def _id_of(source: sqlite3.Connection) -> str:
    """Return what tells this installation from all others: its first data key, as it is wrapped."""
    (wrapped,) = source.execute("SELECT wrapped FROM data_keys ORDER BY tenant, number LIMIT 1").fetchone()
    return sha256(wrapped).hexdigest()[:32]


def _read(source: sqlite3.Connection, name: str) -> str | None:
    row = source.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _refuse(report: Report, what: str) -> None:
    if not report.intact:
        first = report.findings[0]
        raise NotMoved(
            f"{what} is not intact, so nothing is moved: {first.problem} (`gatehouse audit verify` tells all)."
        )


def _counts(rows: Rows) -> dict[str, int]:
    return {str(table.name): rows.execute(select(func.count()).select_from(table)).scalar() or 0 for table in tables()}
