"""Trying a credential at the vendor before it is used, and what the answer means."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from credentials.store import Credential, CredentialStore

from connectors.sdk import Account, ClientCredentials, Connector, JwtBearer, OAuthUser, RootInToken
from connectors.sdk.errors import (
    ActionError,
    BadAnswer,
    Conflict,
    Frozen,
    InvalidInput,
    Issue,
    SecretStoreUnavailable,
    TryLater,
)
from connectors.sdk.hosts import Network
from gateway.admin.vendor import Prober, TokenKeeper
from gateway.call import Connection
from gateway.freeze import Freezes
from gateway.ids import new_id
from gateway.upstream.destination import api_root
from gateway.upstream.tokens import where_of

_log = structlog.get_logger("gatehouse.connections")


@dataclass(frozen=True, slots=True)
class Tried:
    """A credential that was tried. `account` is None where the vendor could not be asked; `reason` says why.

    `credential` is as the store has it after the try: trying may have refreshed it. `base_url` is where the account
    turned out to be.
    """

    credential: Credential
    account: Account | None
    base_url: str
    reason: str | None = None


class Probing:
    """Tries credentials under an id of their own, so that no call can use one that was not accepted."""

    def __init__(
        self,
        store: CredentialStore,
        tokens: TokenKeeper,
        prober: Prober,
        freezes: Freezes,
        opened: Sequence[Network],
    ) -> None:
        self._store = store
        self._opened = opened
        self._tokens = tokens
        self._prober = prober
        self._freezes = freezes

    async def attempt(self, connector: Connector, connection: Connection, credential: Credential) -> Tried:
        """Return what the vendor says to a new credential. Raises `InvalidInput` where it refuses it, `Frozen`."""
        self._check_frozen(connection)
        candidate = replace(connection, id=new_id("conn"))
        where = where_of(candidate)
        await self._store.put(where, credential, expected=0)
        account, reason = None, None
        try:
            try:
                candidate = await self._at_root(connector, candidate)
                account = await self._prober.account(candidate)
            except ActionError as error:
                reason = _unreached(connector, error)
            return Tried(await self._store.get(where) or credential, account, candidate.base_url, reason)
        finally:
            self._tokens.forget(where)
            await self._store.erase(where)

    async def account(self, connection: Connection) -> Account:
        """Return the account behind a stored connection. Raises what the vendor's answer means."""
        self._check_frozen(connection)
        return await self._prober.account(connection)

    async def located(self, connector: Connector, connection: Connection) -> Connection:
        """Return a stored connection at the address that its vendor names now. Raises what a token's failure means.

        Vendors move accounts between hosts of theirs, and say so in the token answer.
        """
        self._check_frozen(connection)
        method = connector.auth.get(connection.method)
        named = isinstance(method, OAuthUser | JwtBearer | ClientCredentials) and method.discover
        if not isinstance(named, RootInToken):
            return connection
        root = api_root(connector, connection.base_url, await self._prober.root(connection), self._opened)
        return replace(connection, base_url=root or connection.base_url)

    async def _at_root(self, connector: Connector, candidate: Connection) -> Connection:
        """Return the candidate at the API's root, where its method finds that in the token answer."""
        method = connector.auth[candidate.method]
        if not isinstance(method, JwtBearer | ClientCredentials) or method.discover is None:
            return candidate
        root = api_root(connector, candidate.base_url, await self._prober.root(candidate), self._opened)
        if root is None:
            why = f"is not one for which {connector.title} names an address of its API that the connector declares"
            raise InvalidInput(f"The credential {why}.", issues=[Issue(why, pointer="/credential")])
        return replace(candidate, base_url=root)

    def _check_frozen(self, connection: Connection) -> None:
        where = (connection.tenant, connection.environment)
        self._freezes.check_caller(*where, "")
        self._freezes.check_target(*where, connection.connector, connection.id)


def check_same_account(connection: Connection, account: Account) -> None:
    """Raise `Conflict` where a credential belongs to another account than the connection's."""
    if connection.account is not None and account.id != connection.account:
        raise Conflict(
            f"The credential belongs to {account.label[:100]!r} ({account.id[:100]}), and {connection.name} is the"
            f" account {connection.account}; nothing was changed.",
            hint="Make another connection for another account, so that no agent changes accounts silently.",
        )


def _unreached(connector: Connector, error: ActionError) -> str:
    """Return why the vendor could not be asked. Raises `InvalidInput` where it was, and refused."""
    if isinstance(error, SecretStoreUnavailable | Frozen | InvalidInput):
        raise error
    if isinstance(error, TryLater):
        _log.warning("connection_untested", connector=connector.id, code=error.code)
        return error.detail
    if isinstance(error, BadAnswer):
        why, pointer = f"does not answer as {connector.title} does", "/base_url"
        raise InvalidInput(f"The address {why}.", issues=[Issue(why, pointer=pointer)]) from error
    why = "was not accepted by the vendor"
    raise InvalidInput(
        f"The credential {why}: {error.detail}",
        issues=[Issue(why, pointer="/credential")],
        upstream=error.upstream,
        hint=f"Make a new one at {connector.title} and send it again.",
    ) from error
