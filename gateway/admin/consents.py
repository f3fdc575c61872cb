"""What somebody does with an authorization link: is sent to the vendor, comes back, sees the account, connects it.

Every step is a compare-and-set on the session's row, made before anything is sent, so a code is presented once and an
answer that was lost costs a new round and nothing else. Tokens lie under an id that no call knows until the account
was shown and accepted.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from credentials import authorize
from credentials.authorize import Asked
from credentials.store import Credential, CredentialStore
from sqlalchemy import Connection as Rows
from sqlalchemy import select

from connectors.sdk.auth import OAuthUser
from connectors.sdk.errors import ActionError, CallerMistake, NotFound, Refused
from gateway.admin.authorizing import Digest, Needs, link_secret, needs_of
from gateway.admin.code_exchange import CodeExchange, ConsentRefused
from gateway.admin.connections import Accepted, Connections
from gateway.admin.consent import ByLink, Consent, Returned, Sent, browser_secret, judge
from gateway.admin.control import Control
from gateway.admin.directory import read_connection
from gateway.admin.oauth_sessions import (
    Found,
    Moved,
    OAuthSession,
    Step,
    T,
    advance,
    by_secret,
    dumped,
    dumped_found,
    forget,
    lapsed,
)
from gateway.admin.probing import check_same_account
from gateway.admin.roles import Right
from gateway.admin.tokens import AdminTokens
from gateway.call import Connection
from gateway.clock import stamp
from gateway.freeze import Freezes
from gateway.ids import new_id
from gateway.ledger.bodies import Bodies
from gateway.ledger.schema import connections, tenants
from gateway.registry import Registry
from gateway.upstream.tokens import target_of

ROUND = timedelta(minutes=10)
_EXCHANGE = timedelta(minutes=2)  # longer than an exchange with its look-ups can take
_EVERY_SECONDS = 60.0
_SWEPT_AT_ONCE = 100
_OVER = "This link is over"


class Consents:
    """The steps. All raise `ConsentRefused`, and `ActionError` where something else is in the way."""

    def __init__(
        self,
        control: Control,
        registry: Registry,
        store: CredentialStore,
        exchange: CodeExchange,
        target: Connections,
        admins: AdminTokens,
        freezes: Freezes,
        bodies: Bodies,
        digest: Digest,
    ) -> None:
        self._control = control
        self._registry = registry
        self._store = store
        self._exchange = exchange
        self._connections = target
        self._admins = admins
        self._freezes = freezes
        self._bodies = bodies
        self._digest = digest

    async def behind(self, link: str) -> Consent:
        """Return what a link asks for."""
        session = await self._session(lambda rows: by_secret(rows, T.link, self._digest(link_secret(link)), self._now))
        if session is None:
            raise ConsentRefused(_OVER, "It has expired, was replaced by a newer one, or never was.", status=404)
        if session.step is Step.DONE:
            raise ConsentRefused(_OVER, "The connection was authorized with it already.", status=410)
        return await self._consent(session)

    async def send(self, link: str, root: str, address: str) -> Sent:
        """Begin a round: return where to send the browser."""
        consent = await self.behind(link)
        session, now = consent.session, self._now
        if session.step in {Step.EXCHANGING, Step.ACCEPTING} and (session.step_until or "") > stamp(now):
            raise ConsentRefused("Somebody is just connecting it", "Wait some minutes, then load the page again.")
        client = await self._exchange.client(session)
        asked = Asked(
            redirect_uri=f"{root}/oauth/callback",
            scopes=consent.needs.scopes,
            state=secrets.token_urlsafe(32),
            verifier=authorize.new_verifier(),
        )
        sent = Sent(
            authorize.authorize_url(
                target_of(consent.connector, consent.connection), consent.method, client["client_id"], asked
            ),
            secrets.token_urlsafe(32),
        )
        await self._advance(
            consent,
            {Step.WAITING, Step.SENT, Step.EXCHANGING, Step.SHOWN, Step.ACCEPTING},
            self._round(session, asked, sent),
            address,
            "connection.authorize_sent",
            {"asked": sorted(asked.scopes)},
        )
        await self._drop(session)  # what an earlier round left; its id stays in the row until the next one's
        return sent

    async def returned(self, returned: Returned, browser: str | None, address: str) -> None:
        """Take what the vendor sent back: at the end the account waits to be accepted."""
        digest = self._digest(_state(returned.state))
        session = await self._session(lambda rows: by_secret(rows, T.state, digest, self._now))
        if session is None:
            raise ConsentRefused(
                "This answer cannot be used",
                "It was used before, has expired, or was not asked for here.",
                status=400,
                hint="Open the link that you were given again.",
            )
        consent = await self._consent(session)
        try:
            code = judge(consent, returned, self._digest(browser_secret(browser or "")), self._now)
        except ConsentRefused as refused:
            await self._give_back(consent, {Step.SENT}, address, refused.detail)
            raise
        await self._take(consent, code, address)

    async def waiting(self, browser: str | None) -> Consent:
        """Return what this browser is to accept, or has accepted."""
        session = None
        if browser:
            digest = self._digest(browser_secret(browser))
            session = await self._session(lambda rows: by_secret(rows, T.browser, digest, self._now))
        open_to = {Step.SHOWN, Step.ACCEPTING, Step.DONE}
        late = session is not None and session.step is Step.SHOWN and (session.step_until or "") <= stamp(self._now)
        if session is None or late or session.step not in open_to:
            raise ConsentRefused(
                "There is nothing to connect here",
                "This browser has no authorization that waits, or it waited too long.",
                status=404,
                hint="Open the link that you were given again, in this browser.",
            )
        return await self._consent(session)

    async def accept(self, browser: str | None, address: str) -> None:
        """Connect the account that was shown."""
        consent = await self.waiting(browser)
        session, found = consent.session, consent.session.found
        if session.step is Step.DONE:
            return
        if session.step is Step.SHOWN:
            # Nobody can decline from here on; after a crash the same button goes on.
            accepting = {"step": Step.ACCEPTING.value}
            await self._advance(consent, {Step.SHOWN}, accepting, address, "connection.authorize_accepted", {})
        credential = await self._candidate(session)
        if credential is None or found is None:
            await self._give_back(consent, {Step.ACCEPTING}, address, "its tokens are gone")
            raise ConsentRefused(_OVER, "Its tokens are gone; open the link again.", status=410)
        accepted = Accepted(
            method=session.method,
            credential=credential,
            account=found.account(),
            before=session.base_url,
            base_url=found.base_url,
            settle=lambda rows: advance(rows, session, {Step.ACCEPTING}, {"step": Step.DONE.value}),
        )
        try:
            by = ByLink(session.made_by, address, session.id)
            await self._connections.accept(session.place, by, session.connection, accepted)
        except Moved as moved:
            raise _moved() from moved
        except CallerMistake as mistake:
            await self._give_back(consent, {Step.ACCEPTING}, address, mistake.detail)
            raise
        await self._exchange.erase(session)
        await self._store.erase(session.where(session.client))

    async def decline(self, browser: str | None, address: str) -> None:
        """Give the account up that was shown. The link stays good."""
        consent = await self.waiting(browser)
        if consent.session.step is not Step.DONE:
            await self._give_back(consent, {Step.SHOWN}, address, "the account that was shown was declined")

    async def run(self) -> None:
        """Sweep every minute, until cancelled. Vendors are asked meanwhile, so nothing else waits for this."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.sweep()
            except ActionError:
                pass  # the ledger or the store refuses for now; the next turn tries again

    async def sweep(self) -> None:
        """Destroy what is left of sessions that are over. Their tokens are ended at the vendor as far as it lets us."""
        for session in await self._control.database.read(lambda rows: lapsed(rows, self._now, _SWEPT_AT_ONCE)):
            await self._drop(session)
            await self._store.erase(session.where(session.client))
            await self._control.database.write(lambda rows, id=session.id: forget(rows, id))  # type: ignore[misc]

    async def _take(self, consent: Consent, code: str, address: str) -> None:
        """Use up the state, exchange the code, find the account, and let it wait to be accepted."""
        session = consent.session
        asked = Asked(session.redirect_uri or "", session.asked, verifier=self._verifier(session))
        await self._exchange.erase(session)
        candidate = new_id("conn")
        taken: dict[str, Any] = {"candidate": candidate, "step_until": stamp(self._now + _EXCHANGE)}
        taken |= {"step": Step.EXCHANGING.value, "state": None, "verifier": None}
        await self._advance(consent, {Step.SENT}, taken, address, "connection.authorize_returned", {})
        consent = replace(consent, session=replace(session, candidate=candidate, step=Step.EXCHANGING))
        try:
            found = await self._exchange.find(
                consent.session, consent.connector, consent.connection, consent.method, code, asked
            )
            consent = replace(consent, session=replace(consent.session, found=found))
            check_same_account(consent.connection, found.account())
        except (ConsentRefused, ActionError) as refused:
            await self._give_back(consent, {Step.EXCHANGING}, address, refused.detail)
            raise
        shown = {"step": Step.SHOWN.value, "found": dumped_found(found), "step_until": stamp(self._now + ROUND)}
        account = {"id": found.id, "label": found.label}
        more = {"account": account, "granted": found.granted, "base_url": found.base_url}
        await self._advance(consent, {Step.EXCHANGING}, shown, address, "connection.authorize_shown", more)

    async def _give_back(self, consent: Consent, steps: set[Step], address: str, reason: str) -> None:
        """End a round: its tokens are destroyed, and the link may be used again."""
        ended = {"step": Step.WAITING.value, "state": None, "browser": None, "verifier": None, "step_until": None}
        await self._advance(
            consent, steps, {**ended, "found": None}, address, "connection.authorize_ended", {"reason": reason}
        )
        try:
            revoked = await self._drop(consent.session)
        except ActionError:
            return  # the sweep finds it: its id is still in the row
        if revoked:
            await self._change(consent.session, _nothing, address, "connection.authorize_revoked", {})

    async def _advance(
        self,
        consent: Consent,
        steps: set[Step],
        values: Mapping[str, Any],
        address: str,
        what: str,
        more: Mapping[str, Any],
    ) -> None:
        session = consent.session
        try:
            await self._change(session, lambda rows: advance(rows, session, steps, values), address, what, more)
        except Moved as moved:
            raise _moved() from moved

    async def _change(
        self, session: OAuthSession, job: Callable[[Rows], None], address: str, what: str, more: Mapping[str, Any]
    ) -> None:
        await self._control.change(
            job,
            ByLink(session.made_by, address, session.id),
            what,
            session.connection,
            tenant=session.place.tenant,
            environment=session.place.environment,
            after={"session": session.id, **more},
        )

    def _round(self, session: OAuthSession, asked: Asked, sent: Sent) -> dict[str, Any]:
        """Return the columns of a new round."""
        until = self._now + ROUND
        number = session.round + 1
        return {
            "step": Step.SENT.value,
            "round": number,
            "state": self._digest(_state(asked.state)),
            "browser": self._digest(browser_secret(sent.browser)),
            "verifier": self._bodies.seal_bytes(
                session.place.tenant, _sealed_at(session.id, number), asked.verifier.encode()
            ),
            "redirect_uri": asked.redirect_uri,
            "asked": dumped(asked.scopes),
            "found": None,
            "step_until": stamp(until),
            # The round, and then the account that was shown, outlive the link's own time.
            "expires_at": max(session.expires_at, stamp(until + _EXCHANGE + ROUND)),
        }

    def _verifier(self, session: OAuthSession) -> str:
        sealed = session.verifier or b""
        return self._bodies.open_bytes(session.place.tenant, _sealed_at(session.id, session.round), sealed).decode()

    async def _drop(self, session: OAuthSession) -> bool:
        """Destroy a session's tokens. Returns whether the vendor confirmed that they ended there too."""
        row = await self._control.database.read(
            lambda rows: (
                rows.execute(connections.select().where(connections.c.id == session.connection)).mappings().first()
            )
        )
        connection = read_connection(row) if row is not None else None
        connector = self._registry.connectors.get(connection.connector) if connection is not None else None
        revoke = session.step is not Step.DONE and connection is not None and _is_foreign(connection, session.found)
        return await self._exchange.drop(session, connector, connection, revoke=revoke)

    async def _candidate(self, session: OAuthSession) -> Credential | None:
        return await self._store.get(session.where(session.candidate)) if session.candidate is not None else None

    async def _session(self, job: Callable[[Rows], OAuthSession | None]) -> OAuthSession | None:
        return await self._control.database.read(job)

    async def _consent(self, session: OAuthSession) -> Consent:
        """Return a session with what its pages say, where its link still holds."""
        await self._check_maker(session)
        row, title, needs = await self._control.database.read(lambda rows: self._told(rows, session))
        connection = read_connection(row)
        connector = self._registry.connectors.get(connection.connector)
        method = connector.auth.get(session.method) if connector is not None else None
        if connector is None or not isinstance(method, OAuthUser) or needs is None:
            raise ConsentRefused(_OVER, "The connection can no longer be authorized this way.", status=410)
        if connection.base_url != session.base_url and session.step is not Step.DONE:
            raise ConsentRefused(_OVER, "The connection's address changed after it was made.", status=410)
        place = session.place
        self._freezes.check_caller(place.tenant, place.environment, "")
        self._freezes.check_target(place.tenant, place.environment, connector.id, connection.id)
        return Consent(session, title, connector, method, connection, needs)

    def _told(self, rows: Rows, session: OAuthSession) -> tuple[Any, str, Needs | None]:
        row = rows.execute(connections.select().where(connections.c.id == session.connection)).mappings().one()
        title = rows.execute(select(tenants.c.title).where(tenants.c.id == session.place.tenant)).scalar()
        connector = self._registry.connectors.get(row["connector"])
        method = connector.auth.get(session.method) if connector is not None else None
        if connector is None or not isinstance(method, OAuthUser):
            return row, "", None
        needs = needs_of(rows, connector, method, session.connection, session.scopes, self._now)
        return row, title or session.place.tenant, needs

    async def _check_maker(self, session: OAuthSession) -> None:
        """Let a link end with the rights of who made it."""
        maker = session.made_by
        try:
            if maker.token:
                maker = await self._admins.admin(maker.token)
            maker.check(Right.CONNECT, session.place.tenant, session.place.environment)
        except (Refused, NotFound) as error:
            raise ConsentRefused(_OVER, "Who made it may no longer connect accounts here.", status=410) from error

    @property
    def _now(self) -> datetime:
        return self._control.clock.now()


def _is_foreign(connection: Connection, found: Found | None) -> bool:
    """Whether ending these tokens cannot end the connection's own: some vendors end all of an account's at once."""
    return connection.account is None or (found is not None and found.id != connection.account)


def _nothing(rows: Rows) -> None:
    """Change nothing: an event says it all."""


def _moved() -> ConsentRefused:
    return ConsentRefused("Somebody was faster", "This step was taken in another window, or taken back.")


def _state(secret: str) -> str:
    return f"oauth state {secret}"


def _sealed_at(session: str, number: int) -> str:
    return f"{session}.{number} verifier"
