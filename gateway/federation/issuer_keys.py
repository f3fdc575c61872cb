"""The keys of issuers, remembered: read once for all who wait, looked at again in time, kept while an issuer is away.

| keys | what a token meets |
|---|---|
| up to five minutes old | they are used |
| older | they are used, and read again behind the callers' backs |
| not good since an hour | nobody is let in by them: the caller waits for a reading |
| without the one that a token names | the caller waits for a reading, once a minute for each issuer |
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from connectors.sdk.errors import IssuerUnavailable
from gateway.federation.discovery import Undiscovered
from gateway.federation.keyring import Keyring
from gateway.federation.token import Token

Discover = Callable[[str], Awaitable[Keyring]]
Spawn = Callable[[Awaitable[None]], asyncio.Task[None]]

_log = structlog.get_logger("gatehouse.issuers")
_FRESH_SECONDS = 300.0
_KEPT_SECONDS = 3600.0
_PAUSE_SECONDS = 60.0
_PAUSE_WITHOUT_KEYS_SECONDS = 5.0
_REMEMBERED = 1024


@dataclass(slots=True)
class _Known:
    """What is known of one issuer. Times are monotonic seconds."""

    keyring: Keyring | None = None
    read_at: float = 0.0
    tried_at: float | None = None
    failed: bool = False
    reading: "asyncio.Task[None] | None" = field(default=None, repr=False)


class IssuerKeys:
    """Finds the keys that a token may be signed with. Ask only for issuers that somebody has registered."""

    def __init__(self, discover: Discover, monotonic: Callable[[], float], spawn: Spawn) -> None:
        self._discover = discover
        self._monotonic = monotonic
        self._spawn = spawn
        self._issuers: OrderedDict[str, _Known] = OrderedDict()

    async def of(self, token: Token) -> Keyring:
        """Return the keys of a token's issuer; whether the token's is among them is another question.

        Raises `IssuerUnavailable` where that cannot be told now.
        """
        known = self._known(token.issuer)
        keyring = self._usable(known)
        if keyring is None:
            await self._read(token.issuer, known, _PAUSE_WITHOUT_KEYS_SECONDS)
            keyring = self._usable(known)
            if keyring is None:
                raise _away(_PAUSE_WITHOUT_KEYS_SECONDS)
        elif not keyring.knows(token):
            await self._read(token.issuer, known, _PAUSE_SECONDS)
            keyring = self._usable(known)
            if keyring is None or (known.failed and not keyring.knows(token)):
                raise _away(_PAUSE_SECONDS)
        elif self._monotonic() - known.read_at > _FRESH_SECONDS:
            self._begin(token.issuer, known, _PAUSE_SECONDS)
        return keyring

    def _known(self, issuer: str) -> _Known:
        known = self._issuers.setdefault(issuer, _Known())
        self._issuers.move_to_end(issuer)
        if len(self._issuers) > _REMEMBERED:
            self._issuers.popitem(last=False)
        return known

    def _usable(self, known: _Known) -> Keyring | None:
        return known.keyring if self._monotonic() - known.read_at <= _KEPT_SECONDS else None

    async def _read(self, issuer: str, known: _Known, pause: float) -> None:
        """Wait for a reading, one's own or another's; for none where the last one began within the pause."""
        reading = self._begin(issuer, known, pause)
        if reading is not None:
            await asyncio.wait({reading})

    def _begin(self, issuer: str, known: _Known, pause: float) -> "asyncio.Task[None] | None":
        now = self._monotonic()
        if known.reading is None and (known.tried_at is None or now - known.tried_at >= pause):
            known.tried_at = now
            known.reading = self._spawn(self._reading(issuer, known))
        return known.reading

    async def _reading(self, issuer: str, known: _Known) -> None:
        try:
            known.keyring = await self._discover(issuer)
            known.read_at, known.failed = self._monotonic(), False
        except Undiscovered as error:
            known.failed = True
            _log.warning("issuer_unread", issuer=issuer, reason=str(error))
        finally:
            known.reading = None


def _away(seconds: float) -> IssuerUnavailable:
    return IssuerUnavailable(
        "The issuer of this token does not say now which keys it signs with.",
        retry_after_ms=int(seconds * 1000),
        hint="Send the same request again in a moment.",
    )
