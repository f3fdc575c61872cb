"""From a consent to the account behind it: tokens that no call can use yet, the API's root, and whose they are."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from credentials import authorize, oauth
from credentials.authorize import Asked, Exchanged, Root
from credentials.certificate import identified
from credentials.store import Credential, CredentialCorrupted, CredentialStore
from credentials.token import NotProcessed, Target, TokenRefused
from credentials.transport import NotSent, Road, Unanswered

from connectors.sdk import Connector
from connectors.sdk.auth import OAuthUser, RootInList
from connectors.sdk.connector import origin_of
from connectors.sdk.errors import ActionError
from connectors.sdk.hosts import Network
from gateway.admin.oauth_sessions import Found, OAuthSession
from gateway.admin.probing import Probing
from gateway.admin.vendor import TokenKeeper
from gateway.call import Connection
from gateway.clock import Clock
from gateway.upstream.destination import api_root
from gateway.upstream.tokens import target_of

PENDING = "pending"  # the health of a connection that nobody has authorized yet
AUTHORIZATION = "authorization"  # the field of a credential that says which session it came from
_SHOWN_SITES = 20


class ConsentRefused(Exception):
    """What a person cannot go on with, in plain words and without secrets."""

    def __init__(self, title: str, detail: str, *, status: int = 409, hint: str | None = None) -> None:
        """Say what is wrong, and in `hint` what to do next."""
        super().__init__(detail)
        self.title = title
        self.detail = detail
        self.status = status
        self.hint = hint


class CodeExchange:
    """Presents codes, and takes back what came for them. `opened` are networks that addresses may name."""

    def __init__(
        self,
        store: CredentialStore,
        tokens: TokenKeeper,
        probing: Probing,
        road: Road,
        opened: Sequence[Network],
        clock: Clock,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._probing = probing
        self._road = road
        self._opened = opened
        self._clock = clock

    async def client(self, session: OAuthSession) -> dict[str, str]:
        """Return the client that the session was made with. Raises `ConsentRefused`."""
        try:
            found = await self._store.get(session.where(session.client))
        except CredentialCorrupted:
            found = None
        if found is None:
            raise ConsentRefused("This link is over", "Its client is no longer stored.", status=410)
        return dict(found.fields)

    async def present(
        self,
        session: OAuthSession,
        connector: Connector,
        connection: Connection,
        method: OAuthUser,
        code: str,
        asked: Asked,
    ) -> Exchanged:
        """Present a code once. Raises `ConsentRefused`: it is never presented again."""
        client, target = await self.client(session), _candidate(connector, connection, session)
        try:
            return await authorize.exchange(self._road, target, method, client, code, asked, now=self._clock.now())
        except (TokenRefused, NotProcessed, NotSent, Unanswered) as fault:
            raise unexchanged(target, fault) from fault

    async def find(
        self, session: OAuthSession, connector: Connector, connection: Connection, method: OAuthUser, got: Exchanged
    ) -> Found:
        """Keep what a consent gave under the session's candidate, and ask whose it is.

        Raises `ConsentRefused`, and the errors of a read at the vendor.
        """
        target = _candidate(connector, connection, session)
        fields = {**got.fields, AUTHORIZATION: session.mark()}
        await self._store.put(target.where, Credential(method.id, fields), expected=0)
        try:
            root = await self._root(session, connector, method, got)
        except (TokenRefused, NotProcessed, NotSent, Unanswered) as fault:
            raise unexchanged(target, fault) from fault
        if root != connection.base_url and connection.health != PENDING:
            raise ConsentRefused(
                "This is another site",
                f"What was authorized is at {root}, and {connection.name} is at {connection.base_url}."
                " Nothing was changed.",
            )
        candidate = replace(connection, id=target.where.connection, method=method.id, base_url=root, account=None)
        account = await self._probing.account(candidate)
        granted = tuple(sorted(account.granted)) if account.granted is not None else None
        return Found(root, account.id, account.label, granted)

    async def drop(
        self, session: OAuthSession, connector: Connector | None, connection: Connection | None, *, revoke: bool
    ) -> bool:
        """Destroy the session's candidate. Returns whether the vendor confirmed that it ended its tokens."""
        if session.candidate is None:
            return False
        revoked = False
        method = connector.auth.get(session.method) if connector is not None else None
        if revoke and connector is not None and connection is not None and method is not None:
            base_url = session.found.base_url if session.found is not None else session.base_url
            candidate = replace(connection, id=session.candidate, method=method.id, base_url=base_url)
            try:
                revoked = await self._tokens.revoke(target_of(connector, candidate), method=method)
            except ActionError:
                revoked = False
        await self.erase(session)
        return revoked

    async def erase(self, session: OAuthSession) -> None:
        """Destroy the session's candidate here, and leave it alone at the vendor."""
        if session.candidate is not None:
            where = session.where(session.candidate)
            self._tokens.forget(where)
            await self._store.erase(where)

    async def end(
        self, session: OAuthSession, connector: Connector, connection: Connection, method: OAuthUser, got: Exchanged
    ) -> bool:
        """End tokens that nobody will keep. Returns whether the vendor confirmed it.

        Not for a connection that has an account: some vendors end all of an account's tokens at once.
        """
        if connection.account is not None:
            return False
        try:
            return await oauth.revoke(self._road, _candidate(connector, connection, session), method, got.fields)
        except (NotSent, Unanswered):
            return False

    async def _root(self, session: OAuthSession, connector: Connector, method: OAuthUser, got: Exchanged) -> str:
        """Return the API's root. Raises `ConsentRefused` for one that the connector does not declare."""
        if method.discover is None:
            return session.base_url
        if isinstance(method.discover, RootInList):
            api = _api_of(connector, session.base_url)
            found = await authorize.roots(identified(self._road, got.fields), method, got.fields["access_token"], api)
            root = _meant(found, session.base_url, api)
        else:
            root = got.root or ""
        declared = api_root(connector, session.base_url, root, self._opened)
        if declared is None:
            raise _undeclared(connector, root)
        return declared


def _candidate(connector: Connector, connection: Connection, session: OAuthSession) -> Target:
    return target_of(connector, replace(connection, id=session.candidate or "", base_url=session.base_url))


def unexchanged(target: Target, fault: TokenRefused | NotProcessed | NotSent | Unanswered) -> ConsentRefused:
    """Say why there are no tokens."""
    if isinstance(fault, TokenRefused):
        return ConsentRefused(f"{target.title} refused", f"{target.title} gave no access: {fault.reason}.")
    return ConsentRefused(
        f"{target.title} did not answer", f"{target.title} gave no access: {fault}. Nothing was changed.", status=502
    )


def _api_of(connector: Connector, base_url: str) -> str:
    """Return the origin of the vendor's API: its cloud's, or a self-hosted edition's own."""
    host = urlsplit(base_url).hostname or ""
    cloud = any(pattern.matches(host) for pattern in connector.hosts)
    return origin_of(connector.base_url if cloud else base_url)


def _meant(found: Sequence[Root], base_url: str, api: str) -> str:
    """Return the root that the connection's address means; the only one where it names none. Never just the first."""
    for root in found:
        if base_url in (root.url, root.site):
            return root.url
    if base_url == api and len(found) == 1:
        return found[0].url
    sites = ", ".join(f"{root.title or root.url} ({root.site or root.url})" for root in found[:_SHOWN_SITES])
    why = f"The account reaches these: {sites}." if sites else "The account reaches no site there."
    raise ConsentRefused(
        "Which site?",
        f"{why} The connection's address is {base_url}, which names none of them.",
        hint="An admin names one as the connection's base_url and makes a new link.",
    )


def _undeclared(connector: Connector, root: str) -> ConsentRefused:
    named = f"{root[:200]!r}, which is none that this connector may use" if root else "none"
    return ConsentRefused(
        "This is not the vendor's address",
        f"As the address of its API {connector.title} names {named}. Nothing was connected.",
    )
