"""Checks the installation's own ledger, for the command: it needs no gateway."""

from pathlib import Path

from gateway.installation import Home, NotSetUp, ledger_of, read_meta
from gateway.keys import opened_keys
from gateway.ledger.bodies import Bodies
from gateway.ledger.keyring import open_keys, stored_keys
from gateway.ledger.signing import PublicKeys, pem_of
from gateway.ledger.verify import Progress, Report, verify, verify_file
from gateway.settings import Settings


async def check(settings: Settings, public_keys: Path | None = None, progress: Progress | None = None) -> Report:
    """Return the report of a walk over the whole ledger.

    With exported `public_keys` nothing but them is asked: neither master key nor Vault, so the bodies stay closed.
    Raises `NotSetUp`, `Unreadable`, `KeyRefused`, `StateUnavailable`, `SecretStoreUnavailable`, `ValueError`.
    """
    home, bodies = Home(settings.home), Bodies()
    await read_meta(settings, home)
    ledger = ledger_of(settings, home)
    if public_keys is not None:
        checker = PublicKeys.load(public_keys)
        if not ledger.shared:
            return verify_file(home.ledger, checker, home.checkpoint, bodies, progress)
        return await ledger.look(lambda rows: verify(rows, checker, home.checkpoint, bodies, progress))
    if not ledger.shared and settings.vault_addr is None and not home.audit_key.exists():
        raise NotSetUp(f"{home.path} holds no key that signs checkpoints")
    async with opened_keys(settings, home) as keys:
        await open_keys(bodies, keys.wrapper, await ledger.look(stored_keys))
        if not ledger.shared:
            return verify_file(home.ledger, keys.signer, home.checkpoint, bodies, progress)
        return await ledger.look(lambda rows: verify(rows, keys.signer, home.checkpoint, bodies, progress))


async def exported_keys(settings: Settings) -> str:
    """Return the public keys that check this installation's checkpoints, oldest first, as PEM."""
    async with opened_keys(settings, Home(settings.home)) as keys:
        return pem_of(keys.signer.public_keys())
