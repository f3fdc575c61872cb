"""Asks a vendor whose credential a connection has."""

from dataclasses import replace

from connectors.sdk.auth import Account
from gateway.call import Connection
from gateway.errand import Errands
from gateway.registry import Registry
from gateway.upstream.tokens import ConnectionTokens


class Prober:
    """Tests connections."""

    def __init__(self, registry: Registry, errands: Errands, tokens: ConnectionTokens) -> None:
        self._registry = registry
        self._errands = errands
        self._tokens = tokens

    async def account(self, connection: Connection) -> Account:
        """Return the account behind a connection's credential, with the vendor scopes that it was given.

        Raises the errors of a read: `ConnectionUnhealthy`, `UpstreamUnavailable`, ...
        """
        connector = self._registry.connectors[connection.connector]
        account = await self._errands.run(
            connection, lambda api: connector.account(api, connection.method), f"{connector.id}: `account`"
        )
        if account.granted is None:
            token = await self._tokens.token(connector, connection, connector.auth[connection.method])
            account = replace(account, granted=token.granted)
        return account

    async def root(self, connection: Connection) -> str | None:
        """Return the API's root that the vendor names with a new token. Raises `ConnectionUnhealthy`, `TryLater`."""
        connector = self._registry.connectors[connection.connector]
        return (await self._tokens.token(connector, connection, connector.auth[connection.method])).root
