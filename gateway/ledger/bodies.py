"""Encrypts what is recorded: AES-256-GCM under a data key per tenant, which is stored wrapped (`wrapping`).

The associated data binds a body to its tenant and its row, so that bodies cannot be swapped. Destroying a
tenant's data key makes all its bodies unreadable and leaves the hash chain whole.
"""

import os
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.sdk.errors import SecretStoreUnavailable

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
    """Seals and opens bodies for all tenants whose data keys were taken into use. Who wraps those is not known here.

    A key that is there and cannot be unwrapped now is expected: what needs it is refused with `SecretStoreUnavailable`.
    """

    def __init__(self) -> None:
        self._nonces = _Nonces()
        self._keys: dict[tuple[str, int], AESGCM] = {}
        self._newest: dict[str, tuple[int, bytes, AESGCM]] = {}
        self._expected: set[tuple[str, int]] = set()

    def take(self, tenant: str, number: int, key: bytes) -> None:
        """Take a data key into use. The one with the highest number seals."""
        cipher = AESGCM(key)
        self._expected.discard((tenant, number))
        self._keys[tenant, number] = cipher
        newest = self._newest.get(tenant)
        if newest is None or number >= newest[0]:
            self._newest[tenant] = (number, _VERSION + number.to_bytes(2, "big"), cipher)

    def expect(self, tenant: str, number: int) -> None:
        """Know of a data key that cannot be unwrapped now."""
        if (tenant, number) not in self._keys:
            self._expected.add((tenant, number))

    def forget(self, tenant: str, number: int) -> None:
        """Let go of a data key that was destroyed: what it sealed cannot be read any more."""
        self._expected.discard((tenant, number))
        self._keys.pop((tenant, number), None)
        if self._newest.get(tenant, (None,))[0] == number:
            del self._newest[tenant]

    def seal(self, tenant: str, row: str, value: object) -> bytes:
        """Encrypt a JSON value for a row."""
        return self.seal_bytes(tenant, row, orjson.dumps(value))

    def open(self, tenant: str, row: str, sealed: bytes) -> Any:
        """Decrypt a JSON value. Raises `Unreadable`."""
        return orjson.loads(self.open_bytes(tenant, row, sealed))

    def seal_bytes(self, tenant: str, row: str, plain: bytes) -> bytes:
        """Encrypt bytes for a row: version, key number, nonce, ciphertext."""
        newest = self._newest.get(tenant)
        if newest is None:
            raise self._away(tenant)
        _, head, key = newest
        nonce = self._nonces.take()
        return head + nonce + key.encrypt(nonce, plain, f"{tenant}\x1f{row}".encode())

    def open_bytes(self, tenant: str, row: str, sealed: bytes) -> bytes:
        """Decrypt bytes. Raises `Unreadable`, `SecretStoreUnavailable`."""
        number = int.from_bytes(sealed[1:3], "big")
        key = self._keys.get((tenant, number))
        if key is None and (tenant, number) in self._expected:
            raise self._away(tenant)
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

    def _away(self, tenant: str) -> SecretStoreUnavailable:
        whose = "The tenant's data key" if tenant else "The operators' data key"
        return SecretStoreUnavailable(f"{whose} cannot be unwrapped now.", retry_after_ms=2000)


def without_nulls(value: Mapping[str, object]) -> dict[str, object]:
    """Return the members that say something."""
    return {key: item for key, item in value.items() if item is not None}
