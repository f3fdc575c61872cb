"""Tokens that a credential's own proof gets anew each time: nothing is refreshed, and nothing but memory holds them.

Assertion grants (RFC 7523, section 2.1), client credentials (RFC 6749, section 4.4; with an assertion, RFC 7523,
section 2.2) by Authlib, tokens that are signed here, and app installations. Asking again is always safe.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast

import httpx
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]

from connectors.sdk.auth import AppInstallation, Assertion, ClientCredentials, JwtBearer, Minted, SignedToken
from credentials import app
from credentials.assertion import filled, sign
from credentials.oauth import address, check_status, client_for, judged, obtained, refusal
from credentials.token import Obtained, Target
from credentials.transport import Road, Unanswered, by_phase

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_BY_ASSERTION: Mapping[str, str] = {
    "invalid_grant": "the assertion is not accepted: its key, its user or its audience is not one that the client may"
    " use, or the user has not approved the client",
    "invalid_client": "the client or its key is not accepted",
    "invalid_client_id": "the client id is not known there",
    "unauthorized_client": "the client may not use assertions, or not for these scopes",
    "unsupported_grant_type": "the client may not use assertions",
    "invalid_scope": "the scopes that were asked for are not the client's to have",
    "invalid_request": "the token endpoint does not understand the request",
    "access_denied": "access was denied",
    "inactive_user": "the user is not active",
    "inactive_org": "the account is locked or closed",
}
_BY_SECRET: Mapping[str, str] = {
    **_BY_ASSERTION,
    "invalid_grant": "the client has no user to act as, or may not act as it",
    "invalid_client": "the client id or secret is not accepted",
    "unauthorized_client": "the client may not act on its own behalf, or not with these scopes",
    "unsupported_grant_type": "the client may not act on its own behalf",
}
_Fetched = JwtBearer | ClientCredentials


async def mint(road: Road, target: Target, method: Minted, fields: Mapping[str, str], *, now: datetime) -> Obtained:
    """Return a new token.

    Raises `KeyUnreadable`, `TokenRefused` (also as `ForeignAnswer`), `NotProcessed`, `NotSent` and `Unanswered`.
    """
    if isinstance(method, AppInstallation):
        return await app.exchange(road, target, method, fields, now=now)
    if isinstance(method, SignedToken):
        signed = sign(method.assertion, fields, now, target=target)
        return Obtained(signed, expires_at=now + min(method.assertion.lifetime, method.assertion.longest))
    return await _fetch(road, target, method, fields, now)


async def revoke(road: Road, target: Target, method: Minted, fields: Mapping[str, str], token: str) -> bool:
    """End one token at the vendor (RFC 7009). True if the vendor confirmed it. Raises `NotSent`, `Unanswered`."""
    if isinstance(method, AppInstallation):
        return await app.revoke(road, target, method, fields, token)
    if isinstance(method, SignedToken) or method.revoke_url is None:
        return False
    async with client_for(road, _proof(method), fields) as client:
        with by_phase():
            url = address(method.revoke_url, target)
            answer = await client.revoke_token(url, token=token, token_type_hint="access_token")
    return bool(answer.status_code == 200)


async def _fetch(road: Road, target: Target, method: _Fetched, fields: Mapping[str, str], now: datetime) -> Obtained:
    url = address(method.token_url, target)
    asked = _asked(target, method, fields, url, now)
    words = _BY_ASSERTION if "assertion" in asked or "client_assertion" in asked else _BY_SECRET
    async with client_for(road, _proof(method), fields) as client:
        client.register_compliance_hook("access_token_response", check_status)
        with by_phase():
            try:
                answer = await client.fetch_token(url, **asked)
            except OAuthError as error:
                raise refusal(error, words, method.refusals) from None  # its description is the vendor's text
            except (httpx.HTTPStatusError, ValueError, TypeError, AttributeError, KeyError) as error:
                raise Unanswered(f"its answer is not what OAuth describes ({type(error).__name__})") from None
    told = cast("Mapping[str, object]", answer)
    got = judged(target, told, obtained(told, None, now), method.discover)
    if got.expires_at is None and method.lifetime is not None:
        got = replace(got, expires_at=now + method.lifetime)
    return replace(got, refresh_token=None)


def _asked(target: Target, method: _Fetched, fields: Mapping[str, str], url: str, now: datetime) -> dict[str, str]:
    """Return the form of a token request, without a client's own proof by secret."""
    scope = fields.get("scope") or method.scope_separator.join(sorted(method.scopes))

    def signed(what: Assertion) -> str:
        return sign(what, fields, now, target=target, token_url=url, scope=scope)

    if isinstance(method, JwtBearer):
        asked = {"grant_type": _JWT_BEARER, "assertion": signed(method.assertion)}
        return asked | ({"scope": scope} if scope and not method.assertion.scoped else {})
    asked = {"grant_type": "client_credentials", **{name: filled(text, fields) for name, text in method.params.items()}}
    if isinstance(method.client_auth, Assertion):
        asked |= {"client_assertion_type": _CLIENT_ASSERTION, "client_assertion": signed(method.client_auth)}
        return asked | ({"scope": scope} if scope and not method.client_auth.scoped else {})
    return asked | ({"scope": scope} if scope else {})


def _proof(method: _Fetched) -> str:
    """Return how the client proves itself besides the form: an assertion in the form is proof enough."""
    if isinstance(method, JwtBearer) or isinstance(method.client_auth, Assertion):
        return "assertion"
    return method.client_auth
