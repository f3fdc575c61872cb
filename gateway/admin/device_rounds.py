"""Rounds in which somebody types a code at the vendor (RFC 8628), while a page of ours looks whether they have.

Nothing runs in the background: each load of the page may ask the vendor once, and no oftener than it allows over all
replicas, because the row says who asks. The code's secret half is sealed in the row. Tokens come in one answer: a
process that dies between that answer and the candidate's place in the store has lost them, and the person starts anew.
"""

import math
import secrets
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

import orjson
from credentials import device
from credentials.authorize import Exchanged
from credentials.device import DeviceCode, Pending
from credentials.token import NotProcessed, TokenRefused
from credentials.transport import NotSent, Road, Unanswered

from connectors.sdk.errors import ActionError
from gateway.admin.code_exchange import CodeExchange, ConsentRefused, unexchanged
from gateway.admin.consent import Consent
from gateway.admin.control import Control
from gateway.admin.oauth_sessions import Moved, OAuthSession, Step, advance, claim_poll, settle_poll
from gateway.admin.rounds import EXCHANGE, ROUND, Rounds, expiry, moved, nothing_here
from gateway.clock import moment, stamp
from gateway.ledger.bodies import Bodies, Unreadable
from gateway.upstream.tokens import target_of

_AFTER_FAILURE = 60  # seconds: how far failures of the road slow polls down (section 3.5)
_GRACE_SECONDS = 5.0  # beyond the longest exchange, until somebody else may poll
_BUSY_SECONDS = 2
_AGAIN = "Open the link that you were given again, for a new code."


@dataclass(frozen=True, slots=True)
class Begun:
    """A round that has a code. `browser` is the secret that the browser keeps for `seconds`."""

    browser: str = field(repr=False)
    seconds: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A code that nobody has typed yet, None while the account behind it is being found.

    `until` is when it expires (RFC 3339), `minutes` how long that is, `again` the seconds after which looking again
    may tell more, `trouble` why the vendor said nothing this time.
    """

    consent: Consent
    code: DeviceCode | None
    until: str
    minutes: int
    again: int
    trouble: str | None = None


class DeviceRounds:
    """The steps. All raise `ConsentRefused`, and `ActionError` where something else is in the way."""

    def __init__(self, control: Control, rounds: Rounds, exchange: CodeExchange, road: Road, bodies: Bodies) -> None:
        self._control = control
        self._rounds = rounds
        self._exchange = exchange
        self._road = road
        self._bodies = bodies
        self._lease = timedelta(seconds=road.timeout_seconds + _GRACE_SECONDS)

    async def begin(self, consent: Consent, address: str) -> Begun:
        """Begin a round: ask the vendor for a code."""
        rounds, browser = self._rounds, secrets.token_urlsafe(32)
        client = await self._exchange.client(consent.session)
        consent = await rounds.begin(consent, browser, rounds.now + EXCHANGE, {}, address)
        session, target = consent.session, target_of(consent.connector, consent.connection)
        try:
            code = await device.ask(self._road, target, consent.method, client, session.asked)
        except (TokenRefused, NotProcessed, NotSent, Unanswered) as fault:
            refused = unexchanged(target, fault)
            await rounds.give_back(consent, {Step.SENT}, address, refused.detail)
            raise refused from fault
        now = rounds.now
        values: dict[str, Any] = expiry(session, now + timedelta(seconds=code.seconds))
        values |= {"poll_at": stamp(now + timedelta(seconds=code.interval)), "poll_seconds": code.interval}
        values["device"] = self._bodies.seal_bytes(
            session.place.tenant, _sealed_at(session), orjson.dumps(asdict(code))
        )
        try:
            await self._control.database.write(lambda rows: advance(rows, session, {Step.SENT}, values))
        except Moved as error:
            raise moved() from error
        return Begun(browser, code.seconds + int((EXCHANGE + ROUND).total_seconds()))

    async def look(self, browser: str | None, address: str) -> Waiting | None:
        """Return what this browser waits for, None where an account waits to be accepted. Polls where that is due."""
        session, now = await self._rounds.of_browser(browser), self._rounds.now
        if session is None or session.flow != "device":
            raise nothing_here()
        if session.step in {Step.SHOWN, Step.ACCEPTING, Step.DONE}:
            return None
        late = (session.step_until or "") <= stamp(now)
        if session.step is Step.EXCHANGING and not late:
            return Waiting(await self._rounds.consent(session), None, session.step_until or "", 0, _BUSY_SECONDS)
        code = self._code(session) if session.step is Step.SENT else None
        if code is None:
            raise nothing_here()
        consent = await self._rounds.consent(session)
        if late:
            reason = "the code was not typed in time"
            await self._rounds.give_back(consent, {Step.SENT}, address, reason)
            raise ConsentRefused("That took too long", "The code has expired.", status=410, hint=_AGAIN)
        if (session.poll_at or "") > stamp(now):
            return self._waiting(consent, code)
        client = await self._exchange.client(session)
        until = stamp(now + self._lease)
        if not await self._control.database.write(lambda rows: claim_poll(rows, session, until)):
            return self._waiting(consent, code)  # somebody else asks just now
        return await self._poll(replace(consent, session=replace(session, poll_at=until)), code, client, address)

    async def _poll(self, consent: Consent, code: DeviceCode, client: dict[str, str], address: str) -> Waiting | None:
        """Ask once, in the time that was claimed for it."""
        session, target = consent.session, target_of(consent.connector, consent.connection)
        seconds, trouble = session.poll_seconds or code.interval, None
        wait = 0.0
        try:
            told = await device.poll(
                self._road,
                target,
                consent.method,
                client,
                code.secret,
                scopes=session.asked,
                interval=seconds,
                now=self._rounds.now,
            )
        except TokenRefused as fault:
            refused = unexchanged(target, fault)
            refused.hint = _AGAIN
            await self._rounds.give_back(consent, {Step.SENT}, address, refused.detail)
            raise refused from fault
        except NotProcessed as fault:
            wait, trouble = fault.seconds or 0.0, str(fault)
        except (NotSent, Unanswered) as fault:
            seconds, trouble = max(seconds, min(2 * seconds, _AFTER_FAILURE)), str(fault)
        else:
            if not isinstance(told, Pending):
                await self._take(consent, told, address)
                return None
            seconds = told.interval
        at = stamp(self._rounds.now + timedelta(seconds=max(wait, seconds)))
        await self._control.database.write(lambda rows: settle_poll(rows, session, at, seconds))
        return self._waiting(
            replace(consent, session=replace(session, poll_at=at, poll_seconds=seconds)), code, trouble
        )

    async def _take(self, consent: Consent, got: Exchanged, address: str) -> None:
        """Let the account behind new tokens wait to be accepted; end them where the round is over by now."""
        kept = False

        async def hand_over(session: OAuthSession) -> Exchanged:
            nonlocal kept
            kept = True
            return got

        try:
            await self._rounds.take(consent, address, hand_over)
        except (ConsentRefused, ActionError):
            if not kept:
                await self._exchange.end(consent.session, consent.connector, consent.connection, consent.method, got)
            raise

    def _waiting(self, consent: Consent, code: DeviceCode, trouble: str | None = None) -> Waiting:
        session, until = consent.session, consent.session.step_until or consent.session.expires_at
        left, due = (self._seconds_to(at) for at in (until, min(session.poll_at or until, until)))
        again = min(max(due, 1), session.poll_seconds or code.interval)
        return Waiting(consent, code, until, max(math.ceil(left / 60), 1), again, trouble)

    def _seconds_to(self, at: str) -> int:
        return math.ceil((moment(at) - self._rounds.now).total_seconds())

    def _code(self, session: OAuthSession) -> DeviceCode | None:
        """Return the round's code, None where there is none: a replica of an older version began it otherwise."""
        if session.device is None:
            return None
        try:
            opened = self._bodies.open_bytes(session.place.tenant, _sealed_at(session), session.device)
        except Unreadable:
            return None
        return DeviceCode(**orjson.loads(opened))


def _sealed_at(session: OAuthSession) -> str:
    return f"{session.mark()} device"
