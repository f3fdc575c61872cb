"""What keeps credentials. `EmbeddedStore` and the Vault store are two of these; nothing else knows which is there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Where:
    """The place of one connection's credential. All three are immutable ids, never names that can be given again."""

    tenant: str
    environment: str
    connection: str


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves a connection to its vendor: the auth method's id, and its fields by name.

    `version` counts the writes at its place and is given by the store; 0 means that it was not stored yet.
    """

    method: str
    fields: Mapping[str, str] = field(repr=False)
    version: int = 0


class VersionConflict(Exception):
    """Somebody wrote first. Read again before deciding anything."""


class CredentialCorrupted(Exception):
    """What is stored cannot be opened or read: it was changed, moved from another place, or sealed by another key."""


class CredentialStore(Protocol):
    """Keeps one credential a place, and says no to a writer that did not see the last write.

    Every method raises `SecretStoreUnavailable` when the store cannot be reached or used; a write that ends so may
    have been applied. Versions at a place only grow, also over a deletion, so a writer from before it cannot win.
    """

    async def get(self, where: Where) -> Credential | None:
        """Return the credential, or None where there is none. Raises `CredentialCorrupted`."""
        ...

    async def put(self, where: Where, credential: Credential, *, expected: int) -> int:
        """Write if the stored version is `expected` and return the new version; 0 expects that none is there.

        The credential's own `version` is not looked at. Durable when it returns. Raises `VersionConflict`, and then
        has changed nothing.
        """
        ...

    async def delete(self, where: Where) -> None:
        """Destroy the credential and all that was stored at its place before; nothing there is no error."""
        ...

    async def erase(self, where: Where) -> None:
        """Destroy as `delete` does, and the place too: for a place where nothing is ever stored again."""
        ...

    async def close(self) -> None:
        """Let go of the store. Waits for what is being written."""
        ...
