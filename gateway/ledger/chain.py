"""The hash chain over events. Pure.

    hash(n) = SHA-256( hash(n-1) | seq | SHA-256(body) | each text field with its length )

The first link follows 32 zero bytes. Bodies enter as ciphertext, so destroying a tenant's key leaves the chain whole.
"""

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


def signed_text(head: Head, at: str) -> bytes:
    """Return what a checkpoint signs."""
    return b"gatehouse checkpoint v1\n%d\n%d\n%s\n%s" % (head.seq, head.count, head.hash.hex().encode(), at.encode())
