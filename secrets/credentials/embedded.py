"""The credential store of a single process: one SQLite file, every row sealed to its own place."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import orjson

from connectors.sdk.errors import SecretStoreUnavailable
from credentials.cipher import SealBroken, Sealer
from credentials.keyfile import KeyRefused, MasterKey
from credentials.store import Credential, CredentialCorrupted, VersionConflict, Where

ResultT = TypeVar("ResultT")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS credentials (
    tenant TEXT NOT NULL, environment TEXT NOT NULL, connection TEXT NOT NULL,
    version INTEGER NOT NULL,
    sealed BLOB, -- null after a deletion, which keeps the version growing
    PRIMARY KEY (tenant, environment, connection)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS key_check (one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL) STRICT;
"""
_PRAGMAS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
)
_READ = "SELECT version, sealed FROM credentials WHERE tenant = ? AND environment = ? AND connection = ?"
_PLACES = "SELECT tenant, environment, connection FROM credentials WHERE sealed IS NOT NULL ORDER BY 1, 2, 3"
_WRITE = "INSERT OR REPLACE INTO credentials VALUES (?, ?, ?, ?, ?)"
_DESTROY = """
UPDATE credentials SET sealed = NULL, version = version + 1
WHERE tenant = ? AND environment = ? AND connection = ? AND sealed IS NOT NULL
"""
_ERASE = "DELETE FROM credentials WHERE tenant = ? AND environment = ? AND connection = ?"
_TRIES, _TRY_SECONDS = 100, 0.05
_KEY_CHECK = b"gatehouse credential store"


class EmbeddedStore:
    """`CredentialStore` in a file of mode 0600. SQLite runs in one thread of the store's own."""

    def __init__(self, path: Path, key: MasterKey) -> None:
        """Open nothing yet: the first use does."""
        self._path = path
        self._sealer = Sealer(key.derive("credential store"))
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="credentials")
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def open(self) -> None:
        """Open the file now, so that a wrong key is found at start. Raises `KeyRefused`."""
        await self._run(self._opened)

    async def get(self, where: Where) -> Credential | None:
        """Return the credential, or None. Raises `CredentialCorrupted`."""
        return await self._run(lambda: self._get(where))

    async def put(self, where: Where, credential: Credential, *, expected: int) -> int:
        """Write if the version is `expected`; return the new one. Raises `VersionConflict`."""
        return await self._run(lambda: self._put(where, credential, expected))

    async def places(self) -> list[Where]:
        """Return where there are credentials."""
        return await self._run(lambda: [Where(*row) for row in self._opened().execute(_PLACES)])

    async def delete(self, where: Where) -> None:
        """Destroy the credential. Its bytes are overwritten in the file and cut out of the write-ahead log."""
        await self._run(lambda: self._delete(where, _DESTROY))

    async def erase(self, where: Where) -> None:
        """Destroy the credential and its place, as `delete` does."""
        await self._run(lambda: self._delete(where, _ERASE))

    async def close(self) -> None:
        """Finish what is being written and close the file."""
        if self._closed:
            return
        await self._run(self._close)
        self._closed = True
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], ResultT]) -> ResultT:
        if self._closed:
            raise SecretStoreUnavailable("The credential store is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, _translated, self._path, work)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.fchmod(handle, 0o600)  # SQLite gives its log and index the mode of the file
            finally:
                os.close(handle)
            connection = sqlite3.connect(self._path, isolation_level=None)
            try:
                _prepare(connection)
                connection.executescript(_SCHEMA)
                self._check_key(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _check_key(self, connection: sqlite3.Connection) -> None:
        """Refuse a key that did not seal this file, before every connection looks corrupted."""
        sealed = self._sealer.seal(_KEY_CHECK, _KEY_CHECK)
        connection.execute("INSERT INTO key_check VALUES (1, ?) ON CONFLICT DO NOTHING", (sealed,))
        (kept,) = connection.execute("SELECT sealed FROM key_check").fetchone()
        try:
            self._sealer.open(kept, _KEY_CHECK)
        except SealBroken:
            raise KeyRefused(f"{self._path} was sealed with another master key: give the gateway that key") from None

    def _get(self, where: Where) -> Credential | None:
        row = self._opened().execute(_READ, _place(where)).fetchone()
        if row is None or row[1] is None:
            return None
        version, sealed = cast("tuple[int, bytes]", row)
        try:
            plain = orjson.loads(self._sealer.open(sealed, _aad(where, version)))
            return Credential(method=plain["method"], fields=plain["fields"], version=version)
        except (SealBroken, orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise CredentialCorrupted(f"the credential of {where.connection} cannot be opened") from error

    def _put(self, where: Where, credential: Credential, expected: int) -> int:
        plain = orjson.dumps({"method": credential.method, "fields": dict(credential.fields)})
        connection = self._opened()
        with _transaction(connection):
            row = connection.execute(_READ, _place(where)).fetchone()
            last, there = cast("tuple[int, bytes | None]", row or (0, None))
            if expected != (0 if there is None else last):
                raise VersionConflict(f"the credential of {where.connection} is at another version")
            version = last + 1
            connection.execute(_WRITE, (*_place(where), version, self._sealer.seal(plain, _aad(where, version))))
        return version

    def _delete(self, where: Where, statement: str) -> None:
        connection = self._opened()
        with _transaction(connection):
            connection.execute(statement, _place(where))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _prepare(connection: sqlite3.Connection) -> None:
    """Set the connection up. Runs in the store's thread."""
    for attempt in range(_TRIES):
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            return
        except sqlite3.OperationalError:
            # SQLite does not wait, whatever its timeout, where others go over to the log at the same moment.
            if attempt == _TRIES - 1:
                raise
            time.sleep(_TRY_SECONDS)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _translated(path: Path, work: Callable[[], ResultT]) -> ResultT:
    try:
        return work()
    except (sqlite3.Error, OSError) as error:
        raise SecretStoreUnavailable(
            "The credential store cannot be used.",
            hint=f"Look at {path.name} and its folder: {type(error).__name__}.",
        ) from error


def _place(where: Where) -> tuple[str, str, str]:
    return where.tenant, where.environment, where.connection


def _aad(where: Where, version: int) -> bytes:
    return orjson.dumps([*_place(where), version])
