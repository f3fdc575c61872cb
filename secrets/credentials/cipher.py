"""Sealing: AES-256-GCM with a random 96-bit nonce, bound to the place where the result is kept."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE = 12
_TAG = 16


class SealBroken(Exception):
    """What was sealed does not open: it was changed, belongs to another place, or another key sealed it."""


class Sealer:
    """Seals and opens under one key. Layout: version byte, nonce, ciphertext with tag."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        """Take 32 bytes, derived for one purpose."""
        if len(key) != 32:
            raise ValueError(f"a sealing key has 32 bytes, this one has {len(key)}")
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        """Return the sealed bytes. They open only together with the same `aad`, which is not hidden."""
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, _VERSION + aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Return what was sealed. Raises `SealBroken`."""
        if len(sealed) < 1 + _NONCE + _TAG or sealed[:1] != _VERSION:
            raise SealBroken("these bytes are no seal of this version")
        nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            return self._cipher.decrypt(nonce, rest, _VERSION + aad)
        except InvalidTag:
            raise SealBroken("the seal does not open here with this key") from None
