"""What the gateway has at Vault, made from the settings."""

import time
from dataclasses import dataclass

from credentials.vault import VaultStore
from credentials.vault_calls import VaultAddress, VaultCalls
from credentials.vault_login import AppRoleLogin, KubernetesLogin, Login, TokenLogin
from credentials.vault_session import VaultSession
from credentials.vault_transit import TransitKeys, TransitSigner

from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Vault:
    """One session and all that goes through it. `session.run` keeps its token alive; closing the store ends it."""

    session: VaultSession
    store: VaultStore
    keys: TransitKeys
    signer: TransitSigner


def vault_of(settings: Settings) -> Vault | None:
    """Return what the settings name, None where they name no Vault. Connects to nothing."""
    if settings.vault_addr is None:
        return None
    address = VaultAddress(
        settings.vault_addr,
        namespace=settings.vault_namespace,
        timeout_seconds=settings.vault_timeout_seconds,
        ca_file=str(settings.vault_ca_file) if settings.vault_ca_file is not None else None,
    )
    calls = VaultCalls(address, at_once=settings.vault_at_once)
    session = VaultSession(calls, _login(settings), monotonic=time.monotonic)
    return Vault(
        session=session,
        store=VaultStore(session, mount=settings.vault_mount),
        keys=TransitKeys(session, mount=settings.vault_transit_mount),
        signer=TransitSigner(session, mount=settings.vault_transit_mount),
    )


def _login(settings: Settings) -> Login:
    """Return the way in. The settings hold what it needs, or they would not have been read."""
    mount = settings.vault_login_mount or settings.vault_login
    if settings.vault_login == "kubernetes" and settings.vault_role is not None:
        return KubernetesLogin(settings.vault_role, settings.vault_jwt_file, mount)
    if settings.vault_login == "token" and settings.vault_token_file is not None:
        return TokenLogin(settings.vault_token_file)
    if settings.vault_role_id is not None and settings.vault_secret_id_file is not None:
        wrapped = settings.vault_secret_id_wrapped
        return AppRoleLogin(settings.vault_role_id, settings.vault_secret_id_file, wrapped, mount)
    raise ValueError(f"the settings lack what the login {settings.vault_login} needs")
