"""The rounds of an OAuth session: from somebody who presses the button to an account that waits to be accepted.

Every step is a compare-and-set on the session's row, with its event, made before anything is sent. A round that fails
gives the link back. How the vendor is asked is in `consents` (by redirect) and `device_rounds` (by a code to type).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from credentials.authorize import Exchanged
from sqlalchemy import Connection as Rows
from sqlalchemy import select

from connectors.sdk.auth import OAuthUser
from connectors.sdk.errors import ActionError, NotFound, Refused
from gateway.admin.authorizing import Digest, Needs, link_secret, needs_of
from gateway.admin.code_exchange import CodeExchange, ConsentRefused
from gateway.admin.consent import ByLink, Consent, browser_secret
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
)
from gateway.admin.probing import check_same_account
from gateway.admin.roles import Right
from gateway.admin.tokens import AdminTokens
from gateway.call import Connection
from gateway.clock import stamp
from gateway.freeze import Freezes
from gateway.ids import new_id
from gateway.ledger.schema import connections, tenants
from gateway.registry import Registry

ROUND = timedelta(minutes=10)
EXCHANGE = timedelta(minutes=2)  # longer than an exchange with its look-ups can take
OVER = "This link is over"


class Rounds:
    """The steps that both ways of asking share. All raise `ConsentRefused`, and `ActionError` for other hindrances."""

    def __init__(
        self,
        control: Control,
        registry: Registry,
        exchange: CodeExchange,
        admins: AdminTokens,
        freezes: Freezes,
        digest: Digest,
    ) -> None:
        self._control = control
        self._registry = registry
        self._exchange = exchange
        self._admins = admins
        self._freezes = freezes
        self.digest = digest

    @property
    def now(self) -> datetime:
        """The time of day."""
        return self._control.clock.now()

    async def behind(self, link: str) -> Consent:
        """Return what a link asks for."""
        digest = self.digest(link_secret(link))
        session = await self.session(lambda rows: by_secret(rows, T.link, digest, self.now))
        if session is None:
            raise ConsentRefused(OVER, "It has expired, was replaced by a newer one, or never was.", status=404)
        if session.step is Step.DONE:
            raise ConsentRefused(OVER, "The connection was authorized with it already.", status=410)
        return await self.consent(session)

    async def of_browser(self, browser: str | None) -> OAuthSession | None:
        """Return the session whose present round a browser holds the secret of."""
        if not browser:
            return None
        digest = self.digest(browser_secret(browser))
        return await self.session(lambda rows: by_secret(rows, T.browser, digest, self.now))

    async def session(self, job: Callable[[Rows], OAuthSession | None]) -> OAuthSession | None:
        """Return a session that a look-up finds."""
        return await self._control.database.read(job)

    async def consent(self, session: OAuthSession) -> Consent:
        """Return a session with what its pages say, where its link still holds."""
        await self._check_maker(session)
        row, title, needs = await self._control.database.read(lambda rows: self._told(rows, session))
        connection = read_connection(row)
        connector = self._registry.connectors.get(connection.connector)
        method = connector.auth.get(session.method) if connector is not None else None
        if connector is None or not isinstance(method, OAuthUser) or needs is None or session.flow not in method.flows:
            raise ConsentRefused(OVER, "The connection can no longer be authorized this way.", status=410)
        if connection.base_url != session.base_url and session.step is not Step.DONE:
            raise ConsentRefused(OVER, "The connection's address changed after it was made.", status=410)
        place = session.place
        self._freezes.check_caller(place.tenant, place.environment, "")
        self._freezes.check_target(place.tenant, place.environment, connector.id, connection.id)
        return Consent(session, title, connector, method, connection, needs)

    async def begin(
        self, consent: Consent, browser: str, until: datetime, values: Mapping[str, Any], address: str
    ) -> Consent:
        """Begin a round for a browser, which ends the one before. `values` are what its way of asking needs."""
        session = consent.session
        if session.step in {Step.EXCHANGING, Step.ACCEPTING} and (session.step_until or "") > stamp(self.now):
            raise ConsentRefused("Somebody is just connecting it", "Wait some minutes, then load the page again.")
        cleared = dict.fromkeys(("state", "verifier", "redirect_uri", "device", "poll_at", "poll_seconds", "found"))
        columns: dict[str, Any] = {
            "step": Step.SENT.value,
            "round": session.round + 1,
            "browser": self.digest(browser_secret(browser)),
            "asked": dumped(consent.needs.scopes),
            **expiry(session, until),
        }
        await self.advance(
            consent,
            {Step.WAITING, Step.SENT, Step.EXCHANGING, Step.SHOWN, Step.ACCEPTING},
            {**cleared, **columns, **values},
            address,
            "connection.authorize_sent",
            {"asked": sorted(consent.needs.scopes), "flow": session.flow},
        )
        await self.drop(session)  # what an earlier round left; its id stays in the row until the next one's
        begun = replace(session, step=Step.SENT, round=session.round + 1, asked=consent.needs.scopes, found=None)
        return replace(consent, session=begun)

    async def take(
        self, consent: Consent, address: str, obtain: Callable[[OAuthSession], Awaitable[Exchanged]]
    ) -> None:
        """Use up the round's answer, obtain what it gives, find the account, and let it wait to be accepted."""
        session = consent.session
        await self._exchange.erase(session)
        candidate = new_id("conn")
        taken: dict[str, Any] = {"candidate": candidate, "step_until": stamp(self.now + EXCHANGE)}
        taken |= {"step": Step.EXCHANGING.value, "state": None, "verifier": None, "device": None, "poll_at": None}
        await self.advance(consent, {Step.SENT}, taken, address, "connection.authorize_returned", {})
        consent = replace(consent, session=replace(session, candidate=candidate, step=Step.EXCHANGING))
        try:
            got = await obtain(consent.session)
            found = await self._exchange.find(
                consent.session, consent.connector, consent.connection, consent.method, got
            )
            consent = replace(consent, session=replace(consent.session, found=found))
            check_same_account(consent.connection, found.account())
        except (ConsentRefused, ActionError) as refused:
            await self.give_back(consent, {Step.EXCHANGING}, address, refused.detail)
            raise
        shown = {"step": Step.SHOWN.value, "found": dumped_found(found), "step_until": stamp(self.now + ROUND)}
        account = {"id": found.id, "label": found.label}
        more = {"account": account, "granted": found.granted, "base_url": found.base_url}
        await self.advance(consent, {Step.EXCHANGING}, shown, address, "connection.authorize_shown", more)

    async def give_back(self, consent: Consent, steps: set[Step], address: str, reason: str) -> None:
        """End a round: its tokens are destroyed, and the link may be used again."""
        ended = dict.fromkeys(("state", "browser", "verifier", "device", "poll_at", "step_until", "found"))
        await self.advance(
            consent,
            steps,
            {"step": Step.WAITING.value, **ended},
            address,
            "connection.authorize_ended",
            {"reason": reason},
        )
        try:
            revoked = await self.drop(consent.session)
        except ActionError:
            return  # the sweep finds it: its id is still in the row
        if revoked:
            await self._change(consent.session, _nothing, address, "connection.authorize_revoked", {})

    async def advance(
        self,
        consent: Consent,
        steps: set[Step],
        values: Mapping[str, Any],
        address: str,
        what: str,
        more: Mapping[str, Any],
    ) -> None:
        """Take a step from one of `steps`, with its event."""
        session = consent.session
        try:
            await self._change(session, lambda rows: advance(rows, session, steps, values), address, what, more)
        except Moved as error:
            raise moved() from error

    async def drop(self, session: OAuthSession) -> bool:
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

    def _told(self, rows: Rows, session: OAuthSession) -> tuple[Any, str, Needs | None]:
        row = rows.execute(connections.select().where(connections.c.id == session.connection)).mappings().one()
        title = rows.execute(select(tenants.c.title).where(tenants.c.id == session.place.tenant)).scalar()
        connector = self._registry.connectors.get(row["connector"])
        method = connector.auth.get(session.method) if connector is not None else None
        if connector is None or not isinstance(method, OAuthUser):
            return row, "", None
        needs = needs_of(rows, connector, method, session.connection, session.scopes, self.now)
        return row, title or session.place.tenant, needs

    async def _check_maker(self, session: OAuthSession) -> None:
        """Let a link end with the rights of who made it."""
        maker = session.made_by
        try:
            if maker.token:
                maker = await self._admins.admin(maker.token)
            maker.check(Right.CONNECT, session.place.tenant, session.place.environment)
        except (Refused, NotFound) as error:
            raise ConsentRefused(OVER, "Who made it may no longer connect accounts here.", status=410) from error


def expiry(session: OAuthSession, until: datetime) -> dict[str, str]:
    """Return the columns of a step that ends at `until`. The round, and then the account that was shown, outlive the
    link's own time.
    """
    return {"step_until": stamp(until), "expires_at": max(session.expires_at, stamp(until + EXCHANGE + ROUND))}


def moved() -> ConsentRefused:
    """Say that the row is not as it was read."""
    return ConsentRefused("Somebody was faster", "This step was taken in another window, or taken back.")


def nothing_here() -> ConsentRefused:
    """Say that a browser has no round."""
    return ConsentRefused(
        "There is nothing to connect here",
        "This browser has no authorization that waits, or it waited too long.",
        status=404,
        hint="Open the link that you were given again, in this browser.",
    )


def _is_foreign(connection: Connection, found: Found | None) -> bool:
    """Whether ending these tokens cannot end the connection's own: some vendors end all of an account's at once."""
    return connection.account is None or (found is not None and found.id != connection.account)


def _nothing(rows: Rows) -> None:
    """Change nothing: an event says it all."""
