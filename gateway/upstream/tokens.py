"""Asks the credentials package for tokens, in the road's words."""

from credentials import AccessToken, Target, Tokens, Where

from connectors.sdk import Connector
from connectors.sdk.auth import AuthMethod
from gateway.call import Connection


class ConnectionTokens:
    """The road's `TokenSource`. A connection that was changed has another version: what is in memory of its credential
    is dropped then, also where another replica changed it.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._versions: dict[str, int] = {}

    async def token(self, connector: Connector, connection: Connection, method: AuthMethod) -> AccessToken:
        """Return a token good for the next minute."""
        known = self._versions.get(connection.id, 0)
        if connection.version > known:  # a call that began before the change may come after one that began after it
            self._versions[connection.id] = connection.version
            if known:
                self._tokens.forget(where_of(connection))
        return await self._tokens.token_for(target_of(connector, connection), method=method)

    def rejected(self, connector: Connector, connection: Connection, token: AccessToken) -> None:
        """Say that the vendor refused a token."""
        self._tokens.rejected(target_of(connector, connection).where, token)


def where_of(connection: Connection) -> Where:
    """Return the place of a connection's credential."""
    return Where(connection.tenant, connection.environment, connection.id)


def target_of(connector: Connector, connection: Connection) -> Target:
    """Return a connection as far as its tokens need it."""
    return Target(
        where=where_of(connection),
        title=connector.title,
        api_root=connection.base_url + connector.base_path,
        origin=connector.web_origin(connection.base_url),
        hosts=connector.hosts,
    )
