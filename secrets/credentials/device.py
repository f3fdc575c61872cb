"""OAuth's device authorization grant (RFC 8628), by Authlib: a person types a short code at the vendor, in whatever
browser they like, and the token endpoint is asked again and again until they have.

One exchange at a time and no waiting: when to ask again is the caller's business. The answer that brings the tokens
comes once; who loses it starts anew.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

import httpx
import orjson
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE  # type: ignore[import-untyped]

from connectors.sdk.auth import OAuthUser
from connectors.sdk.connector import origin_of
from connectors.sdk.hosts import HostPattern
from credentials.authorize import Exchanged, exchanged
from credentials.oauth import address, check_status, client_for, refusal, shown_host
from credentials.token import Target, TokenRefused, usable
from credentials.transport import Road, Unanswered, by_phase

INTERVAL = 5  # seconds, where the vendor names none; it is asked no faster than that where it would allow it
SLOWER = 5  # seconds that every `slow_down` adds (section 3.5)
SHORTEST = 30  # seconds in which a person could type a code
LONGEST = 1800  # seconds; a code that would last longer is given up then
_FORM = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
_USER_CODE = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")
_MOST_URL = 2000
_CLIENT: Mapping[str, str] = {
    "invalid_client": "the client id or secret is not accepted",
    "incorrect_client_credentials": "the client id or secret is not accepted",
    "unauthorized_client": "the client may not use device codes",
    "unsupported_grant_type": "the client may not use device codes",
    "device_flow_disabled": "device codes are switched off for the client; whoever owns it there can switch them on",
    "invalid_scope": "the scopes that were asked for are not the client's to have",
    "access_denied": "the request was declined",
}
_ASK_REFUSALS: Mapping[str, str] = {
    **_CLIENT,
    "Not Found": "it does not know the client",
    "invalid_request": "its device endpoint does not understand the request",
}
_POLL_REFUSALS: Mapping[str, str] = {
    **_CLIENT,
    "expired_token": "the code was not typed in time",
    "invalid_grant": "the code has expired, was used before or was given to another client",
    "incorrect_device_code": "the code has expired, was used before or was given to another client",
    "invalid_request": "the token endpoint does not understand the request",
}


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person is to type and where, and the secret with which tokens are asked for.

    `page` and `filled` (the same page with the code in it, None where the vendor has none) are addresses of the
    vendor. `seconds` is how long the code is good, `interval` the seconds between two polls.
    """

    secret: str = field(repr=False)
    typed: str = field(repr=False)
    page: str
    filled: str | None = field(repr=False)
    seconds: int
    interval: int


@dataclass(frozen=True, slots=True)
class Pending:
    """Nobody has typed the code yet. `interval` is the seconds between polls from now on."""

    interval: int


async def ask(
    road: Road, target: Target, method: OAuthUser, client: Mapping[str, str], scopes: frozenset[str]
) -> DeviceCode:
    """Ask for a code. `client` holds `client_id` and perhaps `client_secret` and a client certificate.

    Raises `TokenRefused`, also where the page to type it at is none of the vendor's, `NotProcessed`, `NotSent` and
    `Unanswered`. Nothing is lost with any of them.
    """
    proof = {name: value for name, value in client.items() if method.device_proof or name != "client_secret"}
    form = {"scope": method.scope_separator.join(sorted(scopes))} if scopes else {}
    async with client_for(road, method.client_auth, proof) as session:
        with by_phase():
            answer = await session.post(
                address(method.device_url or "", target),
                data=form,
                headers=_FORM,
                auth=session.client_auth(session.token_endpoint_auth_method),
            )
    told = _members(check_status(answer))
    if "error" in told:
        raise refusal(OAuthError(cast("Any", told["error"])), _ASK_REFUSALS)
    return _code_of(told, target, method)


async def poll(
    road: Road,
    target: Target,
    method: OAuthUser,
    client: Mapping[str, str],
    secret: str,
    *,
    scopes: frozenset[str],
    interval: int,
    now: datetime,
) -> Exchanged | Pending:
    """Ask once whether the code was typed. `interval` is the present one, in seconds; `scopes` were asked for.

    Raises `TokenRefused` where the code is over, and `NotProcessed`, `NotSent` and `Unanswered`, after which it may
    be asked again: where an answer with tokens was lost, the vendor says then that the code is over.
    """
    told: Mapping[str, object] = {}

    def look(answer: httpx.Response) -> httpx.Response:
        nonlocal told
        told = _members(check_status(answer))
        return answer

    async with client_for(road, method.client_auth, client) as session:
        session.register_compliance_hook("access_token_response", look)
        with by_phase():
            try:
                await session.fetch_token(
                    address(method.token_url, target), grant_type=DEVICE_CODE_GRANT_TYPE, device_code=secret
                )
            except OAuthError as error:
                return _pending(error, interval, told)
            except (httpx.HTTPStatusError, ValueError, TypeError, AttributeError, KeyError) as error:
                raise Unanswered(f"its answer is not what OAuth describes ({type(error).__name__})") from None
    return exchanged(method, client, told, scopes, now)


def _pending(error: Any, interval: int, told: Mapping[str, object]) -> Pending:
    """Return how to go on after an OAuth error. Raises what it means where that is the end (section 3.5)."""
    if error.error == "authorization_pending":
        return Pending(interval)
    if error.error == "slow_down":
        return Pending(max(interval + SLOWER, min(_seconds(told.get("interval")) or 0, LONGEST)))
    raise refusal(error, _POLL_REFUSALS) from None  # its description is the vendor's text


def _code_of(told: Mapping[str, object], target: Target, method: OAuthUser) -> DeviceCode:
    """Read section 3.2. Google calls the page `verification_url`."""
    secret, typed = usable(told.get("device_code")), told.get("user_code")
    if secret is None or not isinstance(typed, str) or not _USER_CODE.fullmatch(typed):
        raise Unanswered("its answer holds no code to type")
    page, filled = told.get("verification_uri", told.get("verification_url")), told.get("verification_uri_complete")
    for url in (page,) if filled is None else (page, filled):
        _check_page(url, target, method)
    seconds = _seconds(told.get("expires_in"))
    if seconds is None or seconds < SHORTEST:
        raise Unanswered("its answer does not say how long the code is good, or not long enough to type it")
    good = min(seconds, LONGEST)
    interval = max(_seconds(told.get("interval")) or INTERVAL, INTERVAL)
    if interval >= good:
        raise Unanswered("its answer lets nobody ask before the code has expired")
    return DeviceCode(secret, typed, str(page), filled if isinstance(filled, str) else None, good, interval)


def _check_page(url: object, target: Target, method: OAuthUser) -> None:
    """Raise `TokenRefused` for an address to which no person may be sent."""
    if not isinstance(url, str) or not 0 < len(url) <= _MOST_URL or usable(url) is None:
        raise Unanswered("its answer names no page to type the code at")
    own = [address(declared, target) for declared in (method.device_url, method.authorize_url) if declared]
    declared = (*target.hosts, *(HostPattern(host) for host in method.device_hosts))
    places = [replace(target, origin=origin_of(at), hosts=declared) for at in (target.origin, *own)]
    if not any(place.owns(url) for place in places):
        raise TokenRefused(
            f"it names a page at {shown_host(url)} to type the code at, which the connector does not declare"
        )


def _seconds(value: object) -> int | None:
    """Read a number of seconds, written as a number or as text: None for what is none."""
    if isinstance(value, bool):
        return None
    try:
        seconds = float(cast("str", value))
    except (TypeError, ValueError, OverflowError):
        return None
    return math.ceil(seconds) if math.isfinite(seconds) and seconds >= 0 else None


def _members(answer: httpx.Response) -> Mapping[str, object]:
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        raise Unanswered("its answer is not JSON") from None
    if not isinstance(found, dict):
        raise Unanswered("its answer is no JSON object")
    return cast("Mapping[str, object]", found)


__all__ = ["INTERVAL", "LONGEST", "SHORTEST", "SLOWER", "DeviceCode", "Pending", "ask", "poll"]
