"""Encrypts what is recorded: AES-256-GCM under a data key per tenant, itself wrapped by the master key.

The associated data binds a body to its tenant and its row, so that bodies cannot be swapped. Destroying a
tenant's data key makes all its bodies unreadable and leaves the hash chain whole.
"""

import os
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE = 12
_DRAWN = 512


class Unreadable(Exception):
    """A body does not open: its key was destroyed, or it was changed."""


class _Nonces:
    """Random nonces, drawn many at a time: every draw from the kernel lets go of the interpreter's lock, and waiting
    for it again costs more than sealing. Each is taken once, from whichever thread.
    """

    def __init__(self) -> None:
        self._drawn: list[bytes] = []

    def take(self) -> bytes:
        """Return a nonce that was not used before."""
        try:
            return self._drawn.pop()
        except IndexError:
            fresh = os.urandom(_NONCE * _DRAWN)
            self._drawn.extend(fresh[at : at + _NONCE] for at in range(_NONCE, len(fresh), _NONCE))
            return fresh[:_NONCE]


class Bodies:
    """Seals and opens bodies for all tenants whose data keys are loaded."""

    def __init__(self, wrapping_key: bytes) -> None:
        self._wrapping = AESGCM(wrapping_key)
        self._nonces = _Nonces()
        self._keys: dict[tuple[str, int], AESGCM] = {}
        self._newest: dict[str, tuple[bytes, AESGCM]] = {}

    def new_key(self, tenant: str, number: int = 1) -> bytes:
        """Make a data key, take it into use and return it wrapped."""
        key = AESGCM.generate_key(256)
        nonce = os.urandom(_NONCE)
        self._take(tenant, number, key)
        return nonce + self._wrapping.encrypt(nonce, key, _key_name(tenant, number))

    def load(self, tenant: str, number: int, wrapped: bytes) -> None:
        """Take a wrapped data key into use. Raises `Unreadable` under another master key."""
        try:
            key = self._wrapping.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _key_name(tenant, number))
        except InvalidTag as error:
            raise Unreadable(
                f"the data key of tenant {tenant!r} does not open: the master key is not this ledger's"
            ) from error
        self._take(tenant, number, key)

    def seal(self, tenant: str, row: str, value: object) -> bytes:
        """Encrypt a JSON value for a row."""
        return self.seal_bytes(tenant, row, orjson.dumps(value))

    def open(self, tenant: str, row: str, sealed: bytes) -> Any:
        """Decrypt a JSON value. Raises `Unreadable`."""
        return orjson.loads(self.open_bytes(tenant, row, sealed))

    def seal_bytes(self, tenant: str, row: str, plain: bytes) -> bytes:
        """Encrypt bytes for a row: version, key number, nonce, ciphertext."""
        head, key = self._newest[tenant]
        nonce = self._nonces.take()
        return head + nonce + key.encrypt(nonce, plain, f"{tenant}\x1f{row}".encode())

    def open_bytes(self, tenant: str, row: str, sealed: bytes) -> bytes:
        """Decrypt bytes. Raises `Unreadable`."""
        key = self._keys.get((tenant, int.from_bytes(sealed[1:3], "big")))
        if key is None or sealed[:1] != _VERSION:
            raise Unreadable(f"the data key of {row} is gone")
        nonce, text = sealed[3 : 3 + _NONCE], sealed[3 + _NONCE :]
        try:
            return key.decrypt(nonce, text, f"{tenant}\x1f{row}".encode())
        except (InvalidTag, ValueError) as error:
            raise Unreadable(f"{row} does not open: it was changed, or it belongs elsewhere") from error

    def knows(self, tenant: str) -> bool:
        """Whether a data key of the tenant is loaded."""
        return tenant in self._newest

    def _take(self, tenant: str, number: int, key: bytes) -> None:
        cipher = AESGCM(key)
        self._keys[tenant, number] = cipher
        self._newest[tenant] = (_VERSION + number.to_bytes(2, "big"), cipher)


def _key_name(tenant: str, number: int) -> bytes:
    return f"{tenant}\x1f{number}".encode()


def without_nulls(value: Mapping[str, object]) -> dict[str, object]:
    """Return the members that say something."""
    return {key: item for key, item in value.items() if item is not None}
