"""Signed heads of the chain, by an Ed25519 key that is not in the database.

Each second in which the chain grew, its head and count are signed into the table and into a small file beside the
key. Rows cut off the end with their checkpoints are found by that file.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import Connection, text

from connectors.sdk.errors import StateUnavailable
from gateway.clock import Clock, stamp
from gateway.ledger.chain import GENESIS, Head, merkle_root, signed_text
from gateway.ledger.database import Database


class Signer:
    """Signs and checks heads."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key()

    @classmethod
    def load_or_create(cls, path: Path) -> "Signer":
        """Read the key (PEM, mode 0600), or make one where there is none yet."""
        if not path.exists():
            key = Ed25519PrivateKey.generate()
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            return cls(key)
        loaded = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(loaded, Ed25519PrivateKey):
            raise ValueError(f"{path} holds no Ed25519 key")
        return cls(loaded)

    @classmethod
    def derived(cls, secret: bytes) -> "Signer":
        """Return the key that all processes with the same 32 secret bytes have."""
        return cls(Ed25519PrivateKey.from_private_bytes(secret))

    @property
    def public(self) -> Ed25519PublicKey:
        """The key that checks."""
        return self._public

    def sign(self, head: Head, at: str) -> bytes:
        """Sign a head."""
        return self._key.sign(signed_text(head, at))

    def checks(self, head: Head, at: str, signature: bytes) -> bool:
        """Whether a signature is ours over this head."""
        try:
            self._public.verify(signature, signed_text(head, at))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One signed statement of how far the chains have come. `heads` are the writers' of a shared ledger."""

    head: Head
    at: str
    signature: bytes
    heads: Mapping[str, tuple[int, bytes]] | None = None

    def shown(self) -> dict[str, Any]:
        """Return the form that is kept beside the key."""
        plain = {
            "seq": self.head.seq,
            "count": self.head.count,
            "head": self.head.hash.hex(),
            "at": self.at,
            "signature": self.signature.hex(),
        }
        return plain if self.heads is None else plain | {"heads": heads_text(self.heads)}


def heads_text(heads: Mapping[str, tuple[int, bytes]]) -> str:
    """Write heads as JSON: `{writer: [number, hash in hex]}`."""
    return orjson.dumps({id: [number, hash.hex()] for id, (number, hash) in heads.items()}).decode()


def read_heads(text: str) -> dict[str, tuple[int, bytes]]:
    """Read what `heads_text` wrote."""
    return {id: (number, bytes.fromhex(hash)) for id, (number, hash) in orjson.loads(text).items()}


class Checkpoints:
    """Signs once a second while the chains grow: the one chain's head, or in a shared ledger the heads of all writers.

    Of several processes that would sign at once, one does; the others find nothing new.
    """

    def __init__(self, database: Database, signer: Signer, clock: Clock, file: Path) -> None:
        self._database = database
        self._signer = signer
        self._clock = clock
        self._file = file
        self._last = 0
        self._signing = asyncio.Lock()

    async def run(self) -> None:
        """Sign each second until cancelled."""
        while True:
            await asyncio.sleep(1)
            try:
                await self.sign()
            except StateUnavailable:
                continue  # the disk refuses; the next second tries again

    async def sign(self) -> None:
        """Sign now, if there is anything new. Two at once, as at a stop, sign one after the other."""
        async with self._signing:
            if self._database.shared:
                await self._sign_all()
            else:
                await self._sign_one()

    async def _sign_one(self) -> None:
        head = self._database.head()
        if head.seq == self._last:
            return
        at = stamp(self._clock.now())
        signed = Checkpoint(head, at, self._signer.sign(head, at))
        await self._database.write(lambda rows: _insert(rows, signed))
        await asyncio.to_thread(self._keep, signed)
        self._last = head.seq

    async def _sign_all(self) -> None:
        if not await self._database.read(_has_grown):
            return
        at = stamp(self._clock.now())

        def job(rows: Connection) -> Checkpoint | None:
            rows.execute(text("SELECT pg_advisory_xact_lock(hashtext('gatehouse checkpoint'))"))
            heads = _take_heads(rows)
            if not heads:
                return None
            before = rows.execute(text("SELECT seq, head FROM checkpoints ORDER BY seq DESC LIMIT 1")).first()
            seq, previous = (before[0], bytes(before[1])) if before else (0, GENESIS)
            head = Head(seq + 1, sum(number for number, _ in heads.values()), merkle_root(previous, heads))
            signed = Checkpoint(head, at, self._signer.sign(head, at), heads)
            _insert(rows, signed)
            return signed

        signed = await self._database.write(job)
        if signed is not None:
            await asyncio.to_thread(self._keep, signed)

    def _keep(self, signed: Checkpoint) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(signed.shown()))
        fresh.replace(self._file)


def _has_grown(rows: Connection) -> bool:
    return rows.execute(text("SELECT 1 FROM writers WHERE number > vouched LIMIT 1")).first() is not None


def _take_heads(rows: Connection) -> dict[str, tuple[int, bytes]]:
    """Return the heads that no checkpoint names yet, and note that one does."""
    found = rows.execute(
        text("UPDATE writers SET vouched=number WHERE number > vouched RETURNING id, number, hash")
    ).all()
    return {row[0]: (row[1], bytes(row[2])) for row in found}


def _insert(rows: Connection, signed: Checkpoint) -> None:
    rows.execute(
        text(
            "INSERT INTO checkpoints (seq, count, head, at, signature, heads) VALUES (:s,:c,:h,:a,:g,:w)"
            " ON CONFLICT DO NOTHING"
        ),
        {
            "s": signed.head.seq,
            "c": signed.head.count,
            "h": signed.head.hash,
            "a": signed.at,
            "g": signed.signature,
            "w": None if signed.heads is None else heads_text(signed.heads),
        },
    )
