"""Credentials of tenants' connections: kept sealed, turned into access tokens, never shown."""

from credentials.embedded import EmbeddedStore
from credentials.keyfile import KeyRefused, MasterKey
from credentials.store import Credential, CredentialCorrupted, CredentialStore, VersionConflict, Where
from credentials.supplied import check_fields
from credentials.token import AccessToken, Target
from credentials.tokens import Tokens
from credentials.transport import Road, guarded_client
from credentials.vault import VaultStore
from credentials.vault_session import VaultSession

__all__ = [
    "AccessToken",
    "Credential",
    "CredentialCorrupted",
    "CredentialStore",
    "EmbeddedStore",
    "KeyRefused",
    "MasterKey",
    "Road",
    "Target",
    "Tokens",
    "VaultSession",
    "VaultStore",
    "VersionConflict",
    "Where",
    "check_fields",
    "guarded_client",
]
