"""The home of an installation: its ledger (there or in PostgreSQL), its keys, and how it is first set up."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from credentials import MasterKey
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from gateway.clock import Clock, SystemClock, stamp
from gateway.ids import new_id
from gateway.ledger.bodies import Bodies
from gateway.ledger.checkpoint import Signer
from gateway.ledger.opening import Ledger
from gateway.ledger.sqlite import take_lock
from gateway.ledger.terms import Terms
from gateway.settings import Settings


class NotSetUp(Exception):
    """There is no installation here, or one of another kind."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where things lie."""

    path: Path

    @property
    def ledger(self) -> Path:
        """The ledger's SQLite file."""
        return self.path / "ledger.db"

    @property
    def credentials(self) -> Path:
        """The credential store's SQLite file."""
        return self.path / "credentials.db"

    @property
    def master_key(self) -> Path:
        """The master key, where the environment does not hold it."""
        return self.path / "master.key"

    @property
    def audit_key(self) -> Path:
        """The key that signs checkpoints."""
        return self.path / "audit.key"

    @property
    def checkpoint(self) -> Path:
        """The last signed checkpoint, beside its key."""
        return self.path / "checkpoint.json"

    @property
    def sandbox(self) -> Path:
        """How to try the sandbox, for programs."""
        return self.path / "sandbox.json"


@dataclass(frozen=True, slots=True)
class Derived:
    """The keys that are derived from the master key, one for each purpose."""

    bodies: bytes
    credentials_digest: bytes
    cursors: bytes
    markers: bytes
    checkpoints: bytes

    @classmethod
    def of(cls, master: MasterKey) -> "Derived":
        """Derive them."""
        return cls(
            bodies=master.derive("gatehouse/data-keys"),
            credentials_digest=master.derive("gatehouse/key-digests"),
            cursors=master.derive("gatehouse/cursors"),
            markers=master.derive("gatehouse/markers"),
            checkpoints=master.derive("gatehouse/checkpoints"),
        )


def load_master_key(settings: Settings, home: Home) -> MasterKey:
    """Return the master key from the environment or its file. Raises `KeyRefused`."""
    if settings.master_key is not None:
        return MasterKey.from_base64(settings.master_key)
    return MasterKey.from_file(home.master_key)


def ledger_of(settings: Settings, home: Home) -> Ledger:
    """Return where the installation's ledger lies."""
    terms = None
    if settings.database_url is not None:
        terms = Terms(
            settings.database_url,
            statement_seconds=settings.database_seconds,
            readers=settings.database_readers,
            lease_seconds=settings.lease_seconds,
            waiting_bytes=settings.ledger_waiting_mib * 1024 * 1024,
        )
    return Ledger(home.ledger, home.path, terms, settings.ledger_waiting_mib * 1024 * 1024)


def signer_of(settings: Settings, home: Home, derived: Derived) -> Signer:
    """Return the key that signs checkpoints: a file of the home, or for replicas one that all derive alike."""
    if settings.database_url is not None:
        return Signer.derived(derived.checkpoints)
    return Signer.load_or_create(home.audit_key)


async def set_up(settings: Settings, home: Home, *, sandbox: bool, clock: Clock | None = None) -> str:
    """Set up an installation and return its first operator token, which is shown once.

    Raises `FileExistsError` where there is one already, `LedgerInUse`, `StateUnavailable`.
    """
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    ledger = ledger_of(settings, home)
    if await ledger.meta():
        raise FileExistsError(f"{'the database' if ledger.shared else home.path} holds an installation already")
    if settings.master_key is None:
        MasterKey.open_or_create(home.master_key)
    derived = Derived.of(load_master_key(settings, home))
    lock = None if ledger.shared else take_lock(home.ledger)
    try:
        await ledger.upgrade()
        return await _first_rows(ledger, derived, sandbox=sandbox, now=stamp((clock or SystemClock()).now()))
    finally:
        if lock is not None:
            os.close(lock)


async def read_meta(settings: Settings, home: Home) -> Mapping[str, str]:
    """Return what the ledger says of itself. Raises `NotSetUp`, `StateUnavailable`."""
    ledger = ledger_of(settings, home)
    meta = await ledger.meta()
    if not meta:
        where = "the database" if ledger.shared else home.path
        raise NotSetUp(
            f"{where} holds no installation: `gatehouse init` sets one up, `gatehouse serve --sandbox` tries one"
        )
    return meta


async def _first_rows(ledger: Ledger, derived: Derived, *, sandbox: bool, now: str) -> str:
    from gateway.admin.directory import digest_of

    id, secret = new_id("tok"), secrets.token_urlsafe(32)
    wrapped = Bodies(derived.bodies).new_key("")

    def rows(connection: Rows) -> None:
        for name, value in {"kind": "sandbox" if sandbox else "production", "epoch": "1", "created_at": now}.items():
            connection.execute(text("INSERT INTO meta (name, value) VALUES (:n, :v)"), {"n": name, "v": value})
        connection.execute(
            text("INSERT INTO data_keys (tenant, number, wrapped, created_at) VALUES ('', 1, :w, :at)"),
            {"w": wrapped, "at": now},
        )
        connection.execute(
            text(
                "INSERT INTO admin_tokens (id, tenant, environment, name, role, digest, version, created_at)"
                " VALUES (:id, NULL, NULL, 'first operator', 'operator', :digest, 1, :at)"
            ),
            {"id": id, "digest": digest_of(derived.credentials_digest, secret), "at": now},
        )

    await ledger.run(rows)
    return f"gha_{id.removeprefix('tok_')}_{secret}"
