"""The home of an installation: its ledger (there or in PostgreSQL), its keys, and how it is first set up."""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from credentials import MasterKey
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from gateway.clock import Clock, SystemClock, stamp
from gateway.ids import new_id
from gateway.ledger.opening import Ledger
from gateway.ledger.sqlite import take_lock
from gateway.ledger.terms import Terms
from gateway.settings import Settings

_TOKEN = re.compile(r"gha_[0-9a-z]{26}_[A-Za-z0-9_-]{43,128}")
MOVING_FROM, MOVING_TO, MOVED_TO = "moving_from", "moving_to", "migrated_to"


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


def terms_of(settings: Settings) -> Terms | None:
    """Return where PostgreSQL is, None for an embedded ledger."""
    if settings.database_url is None:
        return None
    return Terms(
        settings.database_url,
        settings.database_password(),
        statement_seconds=settings.database_seconds,
        readers=settings.database_readers,
        lease_seconds=settings.lease_seconds,
        waiting_bytes=settings.ledger_waiting_mib * 1024 * 1024,
    )


def ledger_of(settings: Settings, home: Home) -> Ledger:
    """Return where the installation's ledger lies."""
    return Ledger(home.ledger, home.path, terms_of(settings), settings.ledger_waiting_mib * 1024 * 1024)


def place_of(url: str) -> str:
    """Return where a database is, without who logs in."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


async def set_up(
    settings: Settings, home: Home, *, sandbox: bool, token: str | None = None, clock: Clock | None = None
) -> str:
    """Set up an installation and return its first operator token: the given one, or a new one, which is shown once.

    Raises `FileExistsError` where there is one already, `ValueError` for a token that is none, `LedgerInUse`,
    `StateUnavailable`, `SecretStoreUnavailable`.
    """
    id, secret = _parts(token)
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    ledger = ledger_of(settings, home)
    if await ledger.meta():
        raise FileExistsError(f"{'the database' if ledger.shared else home.path} holds an installation already")
    if settings.master_key is None:
        MasterKey.open_or_create(home.master_key)
    from gateway.keys import opened_keys

    async with opened_keys(settings, home) as keys:
        wrapped = (await keys.wrapper.new("", 1)).wrapped
    lock = None if ledger.shared else take_lock(home.ledger)
    try:
        await ledger.upgrade()
        now = stamp((clock or SystemClock()).now())
        return await _first_rows(ledger, keys.derived, wrapped, id, secret, sandbox=sandbox, now=now)
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


def _parts(token: str | None) -> tuple[str, str]:
    """Return id and secret of a token. A given one must be as hard to guess as one that is made here."""
    if token is None:
        return new_id("tok"), secrets.token_urlsafe(32)
    if _TOKEN.fullmatch(token) is None:
        raise ValueError("the operator token must be gha_<26 of 0-9a-z>_<43 to 128 of A-Za-z0-9_->, drawn at random")
    _, id, secret = token.split("_", 2)
    return f"tok_{id}", secret


async def _first_rows(
    ledger: Ledger, derived: Derived, wrapped: bytes, id: str, secret: str, *, sandbox: bool, now: str
) -> str:
    from gateway.admin.directory import digest_of

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


def check_not_moved(meta: Mapping[str, str]) -> None:
    """Refuse to serve what was moved elsewhere, or is half moved. Raises `NotSetUp`."""
    if MOVED_TO in meta:
        raise NotSetUp(f"this installation was moved to {meta[MOVED_TO]}: serve it there (GATEHOUSE_DATABASE_URL)")
    if MOVING_TO in meta:
        raise NotSetUp(
            f"this installation is being moved to {meta[MOVING_TO]}: go on with `gatehouse migrate --from sqlite --to"
            " postgresql`, or give it up with `gatehouse migrate --give-up`"
        )
    if MOVING_FROM in meta:
        raise NotSetUp(
            "an installation is being moved into this database: finish that by"
            " `gatehouse migrate --from sqlite --to postgresql`"
        )
