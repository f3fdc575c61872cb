"""Who signs the chain's heads: a key in a file, or one that never leaves Vault (`credentials.vault_transit`)."""

from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


class Signer(Protocol):
    """Signs texts by Ed25519. `TransitSigner` is one too."""

    async def sign(self, text: bytes) -> bytes:
        """Return the signature, 64 bytes. Raises `SecretStoreUnavailable` where the key cannot be reached."""
        ...

    def checks(self, text: bytes, signature: bytes) -> bool:
        """Whether a signature is by this key, or by an earlier version of it, over a text."""
        ...

    def public_keys(self) -> tuple[Ed25519PublicKey, ...]:
        """Return the keys that check, oldest first, for who verifies without us."""
        ...


class FileSigner:
    """`Signer` by the key of an embedded installation."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key()

    @classmethod
    def load(cls, path: Path) -> "FileSigner":
        """Read the key (PEM). Raises `ValueError` for one of another kind."""
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{path} holds no Ed25519 key")
        return cls(key)

    async def sign(self, text: bytes) -> bytes:
        """Return the signature."""
        return self._key.sign(text)

    def checks(self, text: bytes, signature: bytes) -> bool:
        """Whether a signature is by this key over a text."""
        try:
            self._public.verify(signature, text)
        except InvalidSignature:
            return False
        return True

    def public_keys(self) -> tuple[Ed25519PublicKey, ...]:
        """Return the one key that checks."""
        return (self._public,)
