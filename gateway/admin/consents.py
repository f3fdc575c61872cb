"""What somebody does with an authorization link: is sent to the vendor, comes back, sees the account, connects it.

A code is presented once, and an answer that was lost costs a new round and nothing else. Tokens lie under an id that
no call knows until the account was shown and accepted.
"""

import asyncio
import secrets

from credentials import authorize
from credentials.authorize import Asked, Exchanged
from credentials.store import CredentialStore

from connectors.sdk.errors import ActionError, CallerMistake
from gateway.admin.code_exchange import CodeExchange, ConsentRefused
from gateway.admin.connections import Accepted, Connections
from gateway.admin.consent import ByLink, Consent, Returned, Sent, browser_secret, judge
from gateway.admin.control import Control
from gateway.admin.oauth_sessions import Moved, OAuthSession, Step, T, advance, by_secret, forget, lapsed
from gateway.admin.rounds import OVER, ROUND, Rounds, moved, nothing_here
from gateway.clock import stamp
from gateway.ledger.bodies import Bodies
from gateway.upstream.tokens import target_of

_EVERY_SECONDS = 60.0
_SWEPT_AT_ONCE = 100


class Consents:
    """The steps. All raise `ConsentRefused`, and `ActionError` where something else is in the way."""

    def __init__(
        self,
        control: Control,
        rounds: Rounds,
        store: CredentialStore,
        exchange: CodeExchange,
        target: Connections,
        bodies: Bodies,
    ) -> None:
        self._control = control
        self._rounds = rounds
        self._store = store
        self._exchange = exchange
        self._connections = target
        self._bodies = bodies

    async def behind(self, link: str) -> Consent:
        """Return what a link asks for."""
        return await self._rounds.behind(link)

    async def send(self, consent: Consent, root: str, address: str) -> Sent:
        """Begin a round: return where to send the browser."""
        session = consent.session
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
        sealed = self._bodies.seal_bytes(
            session.place.tenant, _sealed_at(session.id, session.round + 1), asked.verifier.encode()
        )
        values = {
            "state": self._rounds.digest(_state(asked.state)),
            "verifier": sealed,
            "redirect_uri": asked.redirect_uri,
        }
        await self._rounds.begin(consent, sent.browser, self._rounds.now + ROUND, values, address)
        return sent

    async def returned(self, returned: Returned, browser: str | None, address: str) -> None:
        """Take what the vendor sent back: at the end the account waits to be accepted."""
        rounds = self._rounds
        digest = rounds.digest(_state(returned.state))
        session = await rounds.session(lambda rows: by_secret(rows, T.state, digest, rounds.now))
        if session is None:
            raise ConsentRefused(
                "This answer cannot be used",
                "It was used before, has expired, or was not asked for here.",
                status=400,
                hint="Open the link that you were given again.",
            )
        consent = await rounds.consent(session)
        try:
            code = judge(consent, returned, rounds.digest(browser_secret(browser or "")), rounds.now)
        except ConsentRefused as refused:
            await rounds.give_back(consent, {Step.SENT}, address, refused.detail)
            raise
        asked = Asked(session.redirect_uri or "", session.asked, verifier=self._verifier(session))

        async def present(taken: OAuthSession) -> Exchanged:
            return await self._exchange.present(
                taken, consent.connector, consent.connection, consent.method, code, asked
            )

        await rounds.take(consent, address, present)

    async def waiting(self, browser: str | None) -> Consent:
        """Return what this browser is to accept, or has accepted."""
        session = await self._rounds.of_browser(browser)
        open_to = {Step.SHOWN, Step.ACCEPTING, Step.DONE}
        now = stamp(self._rounds.now)
        late = session is not None and session.step is Step.SHOWN and (session.step_until or "") <= now
        if session is None or late or session.step not in open_to:
            raise nothing_here()
        return await self._rounds.consent(session)

    async def accept(self, browser: str | None, address: str) -> None:
        """Connect the account that was shown."""
        consent = await self.waiting(browser)
        session, found = consent.session, consent.session.found
        if session.step is Step.DONE:
            return
        if session.step is Step.SHOWN:
            # Nobody can decline from here on; after a crash the same button goes on.
            accepting = {"step": Step.ACCEPTING.value}
            await self._rounds.advance(consent, {Step.SHOWN}, accepting, address, "connection.authorize_accepted", {})
        credential = await self._store.get(session.where(session.candidate)) if session.candidate is not None else None
        if credential is None or found is None:
            await self._rounds.give_back(consent, {Step.ACCEPTING}, address, "its tokens are gone")
            raise ConsentRefused(OVER, "Its tokens are gone; open the link again.", status=410)
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
        except Moved as error:
            raise moved() from error
        except CallerMistake as mistake:
            await self._rounds.give_back(consent, {Step.ACCEPTING}, address, mistake.detail)
            raise
        await self._exchange.erase(session)
        await self._store.erase(session.where(session.client))

    async def decline(self, browser: str | None, address: str) -> None:
        """Give the account up that was shown. The link stays good."""
        consent = await self.waiting(browser)
        if consent.session.step is not Step.DONE:
            reason = "the account that was shown was declined"
            await self._rounds.give_back(consent, {Step.SHOWN}, address, reason)

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
        now = self._rounds.now
        for session in await self._control.database.read(lambda rows: lapsed(rows, now, _SWEPT_AT_ONCE)):
            await self._rounds.drop(session)
            await self._store.erase(session.where(session.client))
            await self._control.database.write(lambda rows, id=session.id: forget(rows, id))  # type: ignore[misc]

    def _verifier(self, session: OAuthSession) -> str:
        sealed = session.verifier or b""
        return self._bodies.open_bytes(session.place.tenant, _sealed_at(session.id, session.round), sealed).decode()


def _state(secret: str) -> str:
    return f"oauth state {secret}"


def _sealed_at(session: str, number: int) -> str:
    return f"{session}.{number} verifier"
