"""The keys of an installation: who wraps its data keys, and who signs its checkpoints."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from credentials import MasterKey

from gateway.installation import Derived, Home, load_master_key
from gateway.ledger.signing import LocalSigner, Signer, SucceedingSigner
from gateway.ledger.wrapping import LedgerWrapper, MasterKeyWrapper, TransitKeyWrapper
from gateway.settings import Settings
from gateway.vault import Vault, vault_of


@dataclass(frozen=True, slots=True)
class Keys:
    """All of them. `vault` is None where the settings name none."""

    master: MasterKey = field(repr=False)
    derived: Derived = field(repr=False)
    vault: Vault | None
    wrapper: LedgerWrapper
    signer: Signer


def keys_of(settings: Settings, home: Home) -> Keys:
    """Return what the settings name. Connects to nothing. Raises `KeyRefused`."""
    master = load_master_key(settings, home)
    derived, vault = Derived.of(master), vault_of(settings)
    transit = TransitKeyWrapper(vault.keys) if vault is not None else None
    wrapper = LedgerWrapper(MasterKeyWrapper(derived.bodies), transit)
    return Keys(master, derived, vault, wrapper, _signer(settings, home, derived, vault))


@asynccontextmanager
async def opened_keys(settings: Settings, home: Home) -> AsyncGenerator[Keys]:
    """Give the keys to a command, logged in at Vault. Raises `SecretStoreUnavailable`, `KeyRefused`."""
    keys = keys_of(settings, home)
    try:
        if keys.vault is not None:
            await keys.vault.session.open()
        await keys.signer.open()
        yield keys
    finally:
        if keys.vault is not None:
            await keys.vault.store.close()


def _signer(settings: Settings, home: Home, derived: Derived, vault: Vault | None) -> Signer:
    """Return who signs: Vault; without it a key that all replicas derive alike, or a file of an embedded home.

    What the others signed before goes on to count.
    """
    shared = settings.database_url is not None
    if vault is None and not shared:
        return LocalSigner.load_or_create(home.audit_key)
    earlier = [LocalSigner.load(home.audit_key)] if home.audit_key.exists() else list[LocalSigner]()
    if shared:
        earlier.append(LocalSigner.derived(derived.checkpoints))
    if vault is not None:
        return SucceedingSigner(vault.signer, earlier)
    return SucceedingSigner(earlier[-1], earlier[:-1]) if len(earlier) > 1 else earlier[0]
