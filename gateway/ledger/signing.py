"""Who signs the chain's heads: a key of this installation, or one that never leaves Vault (`TransitSigner`)."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

_END = b"-----END PUBLIC KEY-----"


class Checker(Protocol):
    """Knows whose signatures count."""

    def checks(self, text: bytes, signature: bytes) -> bool:
        """Whether a signature is by one of our keys over a text."""
        ...


class Signer(Checker, Protocol):
    """Signs texts by Ed25519, and checks what it signed, by earlier versions of its key too."""

    async def open(self) -> None:
        """Read the public keys anew. Raises `SecretStoreUnavailable`."""
        ...

    async def sign(self, text: bytes) -> bytes:
        """Return the signature, 64 bytes. Raises `SecretStoreUnavailable` where the key cannot be reached."""
        ...

    def public_keys(self) -> tuple[Ed25519PublicKey, ...]:
        """Return the keys that check, oldest first, for who verifies without us."""
        ...


class PublicKeys:
    """`Checker` by exported keys: an auditor needs neither the installation nor Vault."""

    def __init__(self, keys: Sequence[Ed25519PublicKey]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def load(cls, path: Path) -> "PublicKeys":
        """Read a PEM file with any number of keys. Raises `ValueError` for one of another kind, or none."""
        parts = path.read_bytes().split(_END)[:-1]
        keys = [load_pem_public_key(part.lstrip() + _END + b"\n") for part in parts]
        if not keys or not all(isinstance(key, Ed25519PublicKey) for key in keys):
            raise ValueError(f"{path} holds no Ed25519 public key")
        return cls([key for key in keys if isinstance(key, Ed25519PublicKey)])

    def checks(self, text: bytes, signature: bytes) -> bool:
        """Whether a signature is by one of the keys over a text."""
        return any(verifies(key, text, signature) for key in self._keys)


class LocalSigner:
    """`Signer` by a key of this installation."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key()

    @classmethod
    def load(cls, path: Path) -> "LocalSigner":
        """Read the key (PEM). Raises `ValueError` for one of another kind."""
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{path} holds no Ed25519 key")
        return cls(key)

    @classmethod
    def load_or_create(cls, path: Path) -> "LocalSigner":
        """Read the key (PEM, mode 0600), or make one where there is none yet."""
        if path.exists():
            return cls.load(path)
        key = Ed25519PrivateKey.generate()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cls(key)

    @classmethod
    def derived(cls, secret: bytes) -> "LocalSigner":
        """Return the key that all processes with the same 32 secret bytes have."""
        return cls(Ed25519PrivateKey.from_private_bytes(secret))

    async def open(self) -> None:
        """Do nothing: the public key is at hand."""

    async def sign(self, text: bytes) -> bytes:
        """Return the signature."""
        return self._key.sign(text)

    def checks(self, text: bytes, signature: bytes) -> bool:
        """Whether a signature is by this key over a text."""
        return verifies(self._public, text, signature)

    def public_keys(self) -> tuple[Ed25519PublicKey, ...]:
        """Return the one key that checks."""
        return (self._public,)


class SucceedingSigner:
    """`Signer` by one key that took the place of others: what those signed goes on to count."""

    def __init__(self, signer: Signer, earlier: Sequence[Signer]) -> None:
        self._signer = signer
        self._earlier = tuple(earlier)

    async def open(self) -> None:
        """Read the public keys anew. Raises `SecretStoreUnavailable`."""
        await self._signer.open()

    async def sign(self, text: bytes) -> bytes:
        """Return the signature by the newest key. Raises `SecretStoreUnavailable`."""
        return await self._signer.sign(text)

    def checks(self, text: bytes, signature: bytes) -> bool:
        """Whether a signature is by one of the keys over a text."""
        return any(one.checks(text, signature) for one in (self._signer, *self._earlier))

    def public_keys(self) -> tuple[Ed25519PublicKey, ...]:
        """Return the keys that check, the earlier ones first."""
        return tuple(key for one in (*self._earlier, self._signer) for key in one.public_keys())


def verifies(key: Ed25519PublicKey, text: bytes, signature: bytes) -> bool:
    """Whether a signature is by a key over a text."""
    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def pem_of(keys: Sequence[Ed25519PublicKey]) -> str:
    """Return keys as `PublicKeys.load` reads them."""
    return "".join(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for key in keys)


def raw_of(key: Ed25519PublicKey) -> bytes:
    """Return a key's 32 bytes."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
