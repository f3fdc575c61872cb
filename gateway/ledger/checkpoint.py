"""Signed heads of the chain, by an Ed25519 key that is not in the database.

Each second in which the chain grew, its head and count are signed into the table and into a small file beside the
key. Rows cut off the end with their checkpoints are found by that file.
"""

import asyncio
import os
from pathlib import Path

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
from gateway.ledger.chain import Head, signed_text
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


class Checkpoints:
    """Signs the head once a second while the chain grows."""

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
        """Sign the head now, if it moved. Two at once, as at a stop, sign one after the other."""
        async with self._signing:
            await self._sign()

    async def _sign(self) -> None:
        head = self._database.head()
        if head.seq == self._last:
            return
        at = stamp(self._clock.now())
        signature = self._signer.sign(head, at)

        def insert(connection: Connection) -> None:
            connection.execute(
                text(
                    "INSERT INTO checkpoints (seq, count, head, at, signature) VALUES (:s,:c,:h,:a,:g)"
                    " ON CONFLICT DO NOTHING"
                ),
                {"s": head.seq, "c": head.count, "h": head.hash, "a": at, "g": signature},
            )

        await self._database.write(insert)
        await asyncio.to_thread(self._keep, head, at, signature)
        self._last = head.seq

    def _keep(self, head: Head, at: str, signature: bytes) -> None:
        state = {
            "seq": head.seq,
            "count": head.count,
            "head": head.hash.hex(),
            "at": at,
            "signature": signature.hex(),
        }
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(state))
        fresh.replace(self._file)
