"""What managing connections asks of the vendor's side: whose a credential is, and taking it back."""

from typing import Protocol

from credentials.store import Where
from credentials.token import Target

from connectors.sdk import Account
from connectors.sdk.auth import AuthMethod
from gateway.call import Connection


class Prober(Protocol):
    """Asks the vendor whose credential a connection has."""

    async def account(self, connection: Connection) -> Account:
        """Return the account, by reads only. Raises an `ActionError` where the vendor does not say.

        The connection need not be stored: its credential lies under its tenant, environment and id.
        """
        ...

    async def root(self, connection: Connection) -> str | None:
        """Return the API's root that the vendor names with a new token of the credential, if it does.

        Raises `ConnectionUnhealthy` where it refuses the credential, and the errors of a token endpoint.
        """
        ...


class TokenKeeper(Protocol):
    """What `credentials.Tokens` offers here."""

    def forget(self, where: Where) -> None:
        """Drop what is in memory."""
        ...

    async def revoke(self, target: Target, *, method: AuthMethod) -> bool:
        """End the tokens at the vendor. Returns whether it confirmed that."""
        ...
