"""Who wraps tenants' data keys: the master key of an embedded installation, or Vault's transit engine."""

import os
from typing import Protocol

from credentials.vault_transit import KeyDestroyed, NewKey, TransitKeys
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_VAULT = b"vault:v"


class NoVault(Exception):
    """A stored data key was wrapped by Vault, and the settings name none."""


class KeyWrapper(Protocol):
    """Makes data keys and opens them again.

    `tenant` is empty for what belongs to none, `number` counts the keys of a tenant. Every method may raise
    `SecretStoreUnavailable`.
    """

    async def new(self, tenant: str, number: int) -> NewKey:
        """Return a new data key of 32 bytes, and how it is stored."""
        ...

    async def unwrap(self, tenant: str, number: int, wrapped: bytes) -> bytes:
        """Return a stored data key. Raises `KeyDestroyed`."""
        ...

    async def rewrap(self, tenant: str, number: int, wrapped: bytes) -> bytes:
        """Return how a data key is stored under the newest wrapping key. Raises `KeyDestroyed`."""
        ...

    async def destroy(self, tenant: str) -> None:
        """Make all data keys of a tenant unreadable, as far as the wrapper alone can."""
        ...


class LedgerWrapper:
    """`KeyWrapper` of an installation: Vault where there is one, and what is stored says who wrapped it.

    So data keys from before Vault go on to open, and `rewrap` takes them to Vault.
    """

    def __init__(self, master: "MasterKeyWrapper", transit: "TransitKeyWrapper | None") -> None:
        self._master = master
        self._transit = transit

    @property
    def by_vault(self) -> bool:
        """Whether Vault wraps new data keys."""
        return self._transit is not None

    async def new(self, tenant: str, number: int) -> NewKey:
        """Return a new data key."""
        return await (self._transit or self._master).new(tenant, number)

    async def unwrap(self, tenant: str, number: int, wrapped: bytes) -> bytes:
        """Return a stored data key. Raises `KeyDestroyed`; `NoVault` where the settings name none."""
        return await self._of(wrapped).unwrap(tenant, number, wrapped)

    async def rewrap(self, tenant: str, number: int, wrapped: bytes) -> bytes:
        """Return the data key under the newest key, at Vault where there is one. Raises `KeyDestroyed`, `NoVault`."""
        if self._transit is None or wrapped_by_vault(wrapped):
            return await self._of(wrapped).rewrap(tenant, number, wrapped)
        return await self._transit.wrap(tenant, await self._master.unwrap(tenant, number, wrapped))

    async def destroy(self, tenant: str) -> None:
        """Destroy the tenant's key at Vault. What the master key wrapped is for who deletes the stored data keys."""
        if self._transit is not None:
            await self._transit.destroy(tenant)

    def _of(self, wrapped: bytes) -> "MasterKeyWrapper | TransitKeyWrapper":
        if not wrapped_by_vault(wrapped):
            return self._master
        if self._transit is None:
            raise NoVault("data keys of this ledger are wrapped by Vault: name it in GATEHOUSE_VAULT_ADDR")
        return self._transit


class MasterKeyWrapper:
    """`KeyWrapper` under a key that is derived from the master key: AES-256-GCM, bound to tenant and number.

    It has one key for all tenants, so destroying one is for who deletes the stored data keys.
    """

    def __init__(self, wrapping_key: bytes) -> None:
        """Take 32 bytes."""
        self._cipher = AESGCM(wrapping_key)

    async def new(self, tenant: str, number: int) -> NewKey:
        """Return a new data key."""
        plain = AESGCM.generate_key(256)
        return NewKey(plain, self._wrapped(tenant, number, plain))

    async def unwrap(self, tenant: str, number: int, wrapped: bytes) -> bytes:
        """Return a stored data key. Raises `KeyDestroyed` under another master key too."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _name(tenant, number))
        except (InvalidTag, ValueError):
            raise KeyDestroyed(
                f"the data key of tenant {tenant!r} does not open: the master key is not this ledger's"
            ) from None

    async def rewrap(self, tenant: str, number: int, wrapped: bytes) -> bytes:
        """Return the data key wrapped again. Raises `KeyDestroyed`."""
        return self._wrapped(tenant, number, await self.unwrap(tenant, number, wrapped))

    async def destroy(self, tenant: str) -> None:
        """Do nothing: there is no key of the tenant here."""
        del tenant

    def _wrapped(self, tenant: str, number: int, plain: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, _name(tenant, number))


class TransitKeyWrapper:
    """`KeyWrapper` by Vault, which has a key for each tenant and never gives it away."""

    def __init__(self, keys: TransitKeys) -> None:
        self._keys = keys

    async def new(self, tenant: str, number: int) -> NewKey:
        """Return a new data key. Vault's wrapping names its tenant, not the number, which the row has."""
        del number
        return await self._keys.new(tenant)

    async def unwrap(self, tenant: str, number: int, wrapped: bytes) -> bytes:
        """Return a stored data key. Raises `KeyDestroyed`."""
        del number
        return await self._keys.unwrap(tenant, wrapped)

    async def rewrap(self, tenant: str, number: int, wrapped: bytes) -> bytes:
        """Return the data key under the newest version of the tenant's key. Raises `KeyDestroyed`."""
        del number
        return await self._keys.rewrap(tenant, wrapped)

    async def wrap(self, tenant: str, plain: bytes) -> bytes:
        """Return how a data key is stored that something else wrapped before."""
        return await self._keys.wrap(tenant, plain)

    async def destroy(self, tenant: str) -> None:
        """Destroy the tenant's key at Vault, for ever."""
        await self._keys.destroy(tenant)


def wrapped_by_vault(wrapped: bytes) -> bool:
    """Whether Vault wrapped a stored data key: its form begins so. The master key's begins with twelve random bytes."""
    return wrapped.startswith(_VAULT)


def _name(tenant: str, number: int) -> bytes:
    return f"{tenant}\x1f{number}".encode()
