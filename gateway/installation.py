"""The home of an embedded installation: its ledger, its keys, its credentials, and how it is first set up."""

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
from gateway.ledger.migrate import upgrade
from gateway.ledger.sqlite import connect, engine_over, take_lock
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

    @classmethod
    def of(cls, master: MasterKey) -> "Derived":
        """Derive them."""
        return cls(
            bodies=master.derive("gatehouse/data-keys"),
            credentials_digest=master.derive("gatehouse/key-digests"),
            cursors=master.derive("gatehouse/cursors"),
            markers=master.derive("gatehouse/markers"),
        )


def load_master_key(settings: Settings, home: Home) -> MasterKey:
    """Return the master key from the environment or its file. Raises `KeyRefused`."""
    if settings.master_key is not None:
        return MasterKey.from_base64(settings.master_key)
    return MasterKey.from_file(home.master_key)


def set_up(settings: Settings, home: Home, *, sandbox: bool, clock: Clock | None = None) -> str:
    """Set up an installation and return its first operator token, which is shown once.

    Raises `FileExistsError` where there is one already, `LedgerInUse`.
    """
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.ledger.exists():
        raise FileExistsError(f"{home.path} holds an installation already")
    if settings.master_key is None:
        MasterKey.open_or_create(home.master_key)
    derived = Derived.of(load_master_key(settings, home))
    lock = take_lock(home.ledger)
    try:
        upgrade(home.ledger)
        return _first_rows(home, derived, sandbox=sandbox, now=stamp((clock or SystemClock()).now()))
    finally:
        os.close(lock)


def read_meta(home: Home) -> Mapping[str, str]:
    """Return what the ledger says of itself. Raises `NotSetUp`."""
    if not home.ledger.exists():
        raise NotSetUp(
            f"{home.path} holds no installation: `gatehouse init` sets one up, `gatehouse serve --sandbox` tries one"
        )
    raw = connect(home.ledger)
    try:
        return dict(raw.execute("SELECT name, value FROM meta").fetchall())
    finally:
        raw.close()


def _first_rows(home: Home, derived: Derived, *, sandbox: bool, now: str) -> str:
    from gateway.admin.directory import digest_of

    id, secret = new_id("tok"), secrets.token_urlsafe(32)
    bodies = Bodies(derived.bodies)
    wrapped = bodies.new_key("")
    raw = connect(home.ledger)

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

    try:
        # SQLAlchemy rolls back when it first looks at a connection, so the transaction begins after that.
        with engine_over(raw).connect() as connection:
            raw.execute("BEGIN IMMEDIATE")
            rows(connection)
            raw.execute("COMMIT")
    finally:
        raw.close()
    return f"gha_{id.removeprefix('tok_')}_{secret}"
