"""From a bearer token to who calls. The token chooses which registered issuer is looked at, and nothing else.

Nothing is fetched for an issuer and audience that no environment has registered, and a token that is over by its own
words reaches no key. The caller is told one thing of every bad token; the log has the reason, without the token.
"""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

import structlog

from connectors.sdk.errors import Unauthenticated
from gateway.admin.rows import Place
from gateway.call import Caller, Principal, Proved
from gateway.clock import Clock
from gateway.federation.issuer_keys import IssuerKeys
from gateway.federation.keyring import Keyring
from gateway.federation.refusal import TokenRefused
from gateway.federation.registration import Registration
from gateway.federation.token import LEEWAY_SECONDS, Token, read_token

_log = structlog.get_logger("gatehouse.issuers")
_REMEMBERED = 4096


class Registrar(Protocol):
    """Who is registered, as the last change left it."""

    async def registrations(self, issuer: str) -> Sequence[Registration]:
        """Return the registrations of an issuer, of all environments."""
        ...

    async def federated(self, proved: Proved) -> Principal:
        """Return whom something proved means. Raises `TokenRefused`."""
        ...


class Federation:
    """Knows callers by tokens of registered issuers."""

    def __init__(self, registrar: Registrar, keys: IssuerKeys, clock: Clock) -> None:
        self._registrar = registrar
        self._keys = keys
        self._clock = clock
        # Signatures that were checked, by the token's digest: good for as long as the keys are the same reading's.
        self._checked: OrderedDict[bytes, Keyring] = OrderedDict()

    async def authenticate(self, bearer: str, place: Place | None) -> Caller:
        """Return who shows a token, at a place where the request names one.

        Raises `Unauthenticated`, `IssuerUnavailable`.
        """
        registered: str | None = None
        try:
            token = read_token(bearer)
            found = await self._registered(token, place)
            registered = found[0].id
            token.check_times(self._clock.now().timestamp())
            await self._check_signature(bearer, token)
            if len(found) > 1:
                raise _ambiguous()
            principal = await self._registrar.federated(found[0].proved(token.claims))
        except TokenRefused as refusal:
            _log.info("token_refused", issuer=registered, reason=str(refusal))
            raise refused_token() from None
        return Caller(principal, token.expires_at + LEEWAY_SECONDS)

    async def _registered(self, token: Token, place: Place | None) -> list[Registration]:
        found = [
            one
            for one in await self._registrar.registrations(token.issuer)
            if one.audience == token.audience and (place is None or place == Place(one.tenant, one.environment))
        ]
        if not found:
            raise TokenRefused("its issuer and audience are not registered here")
        return found

    async def _check_signature(self, bearer: str, token: Token) -> None:
        keyring = await self._keys.of(token)
        digest = sha256(bearer.encode()).digest()
        if self._checked.get(digest) is keyring:
            return
        if not keyring.signed(token):
            raise TokenRefused("it is not signed by a key of its issuer")
        self._checked[digest] = keyring
        if len(self._checked) > _REMEMBERED:
            self._checked.popitem(last=False)


def refused_token() -> Unauthenticated:
    """Return the one answer to every bad token: it says nothing of what was wrong."""
    return Unauthenticated(
        "No valid credential was shown.",
        hint="Send `Authorization: Bearer <token>` with a token of an issuer and for the audience that are registered"
        " here; an admin finds the reason in the gateway's log.",
    )


def _ambiguous() -> Unauthenticated:
    return Unauthenticated(
        "This token's issuer and audience are registered in more than one environment.",
        hint="Name one: `Gatehouse-Environment: <tenant>/<environment>`, over MCP by the path"
        " /mcp/<tenant>/<environment>.",
    )
