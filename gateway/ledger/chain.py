"""The hash chain over events. Pure.

    hash(n) = SHA-256( hash(n-1) | seq | SHA-256(body) | each text field with its length )

The first link follows 32 zero bytes. Where several writers have a chain each, a checkpoint ties their heads together by
the root of a Merkle tree: over the root before it, then each writer's head in the order of their ids.

    leaf = SHA-256( 0x00 | writer | 0x1f | number | 0x1f | hash )      node = SHA-256( 0x01 | left | right )

Bodies enter as ciphertext, so destroying a tenant's key leaves the chain whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from gateway.ledger.record import EventRow

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Head:
    """The last link: its number, its hash, and how many links there are."""

    seq: int = 0
    count: int = 0
    hash: bytes = GENESIS


def link(head: Head, event: EventRow) -> Head:
    """Return the head after one more event."""
    seq = head.seq + 1
    fields = (event.id, event.tenant, event.environment, event.run, event.call, event.type, event.at)
    text = "\x1f".join([str(len(field)) + ":" + field for field in fields])
    material = head.hash + seq.to_bytes(8, "big") + sha256(event.body).digest() + text.encode()
    return Head(seq, head.count + 1, sha256(material).digest())


def merkle_root(previous: bytes, heads: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Return the root over the root of the checkpoint before and the heads of writers: number and hash by writer."""
    level = [sha256(b"\x00" + previous).digest()]
    for writer, (number, hash) in sorted(heads.items()):
        level.append(sha256(b"\x00%s\x1f%d\x1f%s" % (writer.encode(), number, hash)).digest())
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [sha256(b"\x01" + pair[0] + pair[1]).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0]


def signed_text(head: Head, at: str) -> bytes:
    """Return what a checkpoint signs."""
    return b"gatehouse checkpoint v1\n%d\n%d\n%s\n%s" % (head.seq, head.count, head.hash.hex().encode(), at.encode())


def vouching_text(public: bytes) -> bytes:
    """Return what a signing key signs to vouch for an earlier one, whose 32 bytes are given."""
    return b"gatehouse earlier checkpoint key v1\n%s" % public.hex().encode()
