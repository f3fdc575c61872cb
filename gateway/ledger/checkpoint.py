"""Signed heads of the chain, by an Ed25519 key that is not in the database (`signing`).

Each second in which the chain grew, its head and count are signed into the table and into a small file beside the
key. Rows cut off the end with their checkpoints are found by that file.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog
from sqlalchemy import Connection, text

from connectors.sdk.errors import SecretStoreUnavailable, StateUnavailable
from gateway.clock import Clock, stamp
from gateway.ledger.chain import GENESIS, Head, merkle_root, signed_text
from gateway.ledger.database import Database
from gateway.ledger.signing import Signer

Heads = Mapping[str, tuple[int, bytes]]
_Fresh = tuple[Head, Heads | None]
_EVERY_SECONDS = 1.0
_LATER_SECONDS = 3.0
_log: Any = structlog.get_logger("gatehouse.checkpoints")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One signed statement of how far the chains have come. `heads` are the writers' of a shared ledger."""

    head: Head
    at: str
    signature: bytes
    heads: Heads | None = None

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


def heads_text(heads: Heads) -> str:
    """Write heads as JSON: `{writer: [number, hash in hex]}`."""
    return orjson.dumps({id: [number, hash.hex()] for id, (number, hash) in heads.items()}).decode()


def read_heads(text: str) -> dict[str, tuple[int, bytes]]:
    """Read what `heads_text` wrote."""
    return {id: (number, bytes.fromhex(hash)) for id, (number, hash) in orjson.loads(text).items()}


def read_kept(file: Path) -> Checkpoint | None:
    """Return the checkpoint that is kept beside the key, None where there is none. Raises `ValueError`."""
    if not file.exists():
        return None
    said = orjson.loads(file.read_bytes())
    head = Head(said["seq"], said["count"], bytes.fromhex(said["head"]))
    heads = read_heads(said["heads"]) if "heads" in said else None
    return Checkpoint(head, said["at"], bytes.fromhex(said["signature"]), heads)


class Checkpoints:
    """Signs once a second while the chains grow: the one chain's head, or in a shared ledger the heads of all writers.

    The signature is made outside of any transaction, for Vault may be slow. Of several processes that sign at once one
    writes, and the others pause for longer. `behind` says that the signing key is out of reach: nothing else waits.
    """

    def __init__(self, database: Database, signer: Signer, clock: Clock, file: Path) -> None:
        self._database = database
        self._signer = signer
        self._clock = clock
        self._file = file
        self._last = 0
        self._signing = asyncio.Lock()
        self.behind = False

    async def run(self) -> None:
        """Sign each second until cancelled."""
        first = True
        while True:
            await asyncio.sleep(_EVERY_SECONDS if first else _LATER_SECONDS)
            try:
                first = await self.sign()
            except (StateUnavailable, SecretStoreUnavailable):
                first = True  # the disk or Vault refuses; the next second tries again

    async def sign(self) -> bool:
        """Sign now, if there is anything new. Two at once, as at a stop, sign one after the other.

        Returns False where another process was first. Raises `StateUnavailable`, `SecretStoreUnavailable`.
        """
        async with self._signing:
            fresh = await self._database.read(_next_of_all) if self._database.shared else self._next_of_one()
            if fresh is None:
                return True
            signed = await self._signed(*fresh)
            if not await self._database.write(lambda rows: _insert(rows, signed)):
                return False
            self._last = signed.head.seq
            await asyncio.to_thread(self._keep, signed)
            return True

    def _next_of_one(self) -> _Fresh | None:
        head = self._database.head()
        return (head, None) if head.seq != self._last else None

    async def _signed(self, head: Head, heads: Heads | None) -> Checkpoint:
        at = stamp(self._clock.now())
        try:
            signature = await self._signer.sign(signed_text(head, at))
        except SecretStoreUnavailable as error:
            if not self.behind:
                _log.warning("checkpoints_wait", reason=error.detail)
            self.behind = True
            raise
        self.behind = False
        return Checkpoint(head, at, signature, heads)

    def _keep(self, signed: Checkpoint) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(signed.shown()))
        fresh.replace(self._file)


def _next_of_all(rows: Connection) -> _Fresh | None:
    """Return what the next checkpoint of a shared ledger names: the heads that none names yet, over the last one."""
    found = rows.execute(text("SELECT id, number, hash FROM writers WHERE number > vouched")).all()
    if not found:
        return None
    heads = {row[0]: (row[1], bytes(row[2])) for row in found}
    seq, previous = _last(rows)
    return Head(seq + 1, sum(number for number, _ in heads.values()), merkle_root(previous, heads)), heads


def _last(rows: Connection) -> tuple[int, bytes]:
    row = rows.execute(text("SELECT seq, head FROM checkpoints ORDER BY seq DESC LIMIT 1")).first()
    return (row[0], bytes(row[1])) if row else (0, GENESIS)


def _insert(rows: Connection, signed: Checkpoint) -> bool:
    """Write a checkpoint, and note the heads that it names. Returns whether it does follow the last one."""
    if signed.heads is not None:
        rows.execute(text("SELECT pg_advisory_xact_lock(hashtext('gatehouse checkpoint'))"))
        seq, previous = _last(rows)
        if (seq + 1, merkle_root(previous, signed.heads)) != (signed.head.seq, signed.head.hash):
            return False
        for id, (number, _) in sorted(signed.heads.items()):
            rows.execute(
                text("UPDATE writers SET vouched=:n WHERE id=:id AND vouched < :n AND number >= :n"),
                {"id": id, "n": number},
            )
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
    return True
