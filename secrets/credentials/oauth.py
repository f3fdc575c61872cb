"""OAuth 2.0 at a vendor's token endpoint: refresh (RFC 6749, section 6) and revocation (RFC 7009), by Authlib.

How a person's consent becomes the first pair of tokens is in `authorize` and `device`.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import orjson
from authlib.deprecate import AuthlibDeprecationWarning  # type: ignore[import-untyped]

with warnings.catch_warnings():
    # Authlib announces a move to httpx2, which the guard (an httpcore backend) and respx do not follow yet.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import (  # type: ignore[import-untyped]
        AsyncOAuth2Client,
        OAuthError,
    )

from connectors.sdk.auth import OAuthUser, RootInList, RootInToken
from credentials.certificate import identified
from credentials.token import ForeignAnswer, NotProcessed, Obtained, Target, TokenRefused, usable, wait_of
from credentials.transport import USER_AGENT, Road, Unanswered, by_phase

if not issubclass(AsyncOAuth2Client, httpx.AsyncClient):
    raise ImportError("Authlib runs on httpx2 here, past the guarded road: uninstall httpx2")

# Vendors' own words beside those of RFC 6749, section 5.2. All mean: this refresh token, or this client, is over.
_REFUSALS: Mapping[str, str] = {
    "invalid_grant": "the refresh token has expired, was used or was revoked",
    "bad_refresh_token": "the refresh token has expired, was used or was revoked",
    "invalid_client": "the client id or secret is not accepted",
    "incorrect_client_credentials": "the client id or secret is not accepted",
    "unauthorized_client": "the client may not refresh tokens",
    "unsupported_grant_type": "the client may not refresh tokens",
    "invalid_scope": "the scopes are no longer granted",
    "invalid_request": "the token endpoint does not understand the request",
    "access_denied": "the owner took the access back",
    "interaction_required": "the owner must log in again",
    "consent_required": "the owner must consent again",
}
_TURNED_AWAY = frozenset({"temporarily_unavailable", "slow_down", "rate_limited"})
_LONGEST_LIFE = 10 * 365 * 86400


async def refresh(
    road: Road, target: Target, method: OAuthUser, fields: Mapping[str, str], *, now: datetime
) -> Obtained:
    """Present the refresh token of `fields` once and return what came for it.

    Raises `TokenRefused` and `NotProcessed` (the refresh token still stands), `ForeignAnswer`, `NotSent`, and
    `Unanswered` where it may have been spent: the answer was lost or could not be read.
    """
    url = address(method.token_url, target)
    async with client_for(road, method.client_auth, fields) as client:
        client.register_compliance_hook("refresh_token_response", check_status)
        with by_phase():
            try:
                answer = await client.refresh_token(url, refresh_token=fields["refresh_token"])
            except OAuthError as error:
                raise refusal(error, _REFUSALS) from None  # its description is the vendor's text
            except (httpx.HTTPStatusError, ValueError, TypeError, AttributeError, KeyError) as error:
                raise Unanswered(f"its answer is not what OAuth describes ({type(error).__name__})") from None
    told = cast("Mapping[str, object]", answer)
    return judged(target, told, obtained(told, fields["refresh_token"], now), method.discover)


async def revoke(road: Road, target: Target, method: OAuthUser, fields: Mapping[str, str]) -> bool:
    """End the tokens at the vendor. Returns whether the vendor confirmed it; False too where it has no such endpoint.

    Raises `NotSent` and `Unanswered`.
    """
    if method.revoke_url is None:
        return False
    url = address(method.revoke_url, target)
    if method.revoke_form != "rfc7009":
        return await _delete(road, url, method, fields)
    token, hint = fields.get("refresh_token"), "refresh_token"
    if not token:
        token, hint = fields["access_token"], "access_token"
    async with client_for(road, method.client_auth, fields) as client:
        with by_phase():
            answer = await client.revoke_token(url, token=token, token_type_hint=hint)
    return bool(answer.status_code == 200)


async def _delete(road: Road, url: str, method: OAuthUser, fields: Mapping[str, str]) -> bool:
    """End an access token, and the refresh token that came with it, at a vendor that knows no RFC 7009."""
    token, client = fields["access_token"], (fields.get("client_id", ""), fields.get("client_secret", ""))
    own = {method.header: method.form.replace("{token}", token)}
    by_token = method.revoke_form == "by_token"
    async with identified(road, fields).client() as session:
        with by_phase():
            answer = await session.request(
                "DELETE",
                url.replace("{client_id}", quote(client[0], safe="")),
                headers={"accept": "application/json", **(own if by_token else {})},
                auth=None if by_token else client,
                json=None if by_token else {"access_token": token},
            )
    return answer.status_code in {200, 202, 204}


def address(template: str, target: Target) -> str:
    """Return an endpoint's absolute address."""
    return template.replace("{origin}", target.origin).replace("{api_root}", target.api_root)


def scopes_of(text: object) -> frozenset[str] | None:
    """Read a scope list. RFC 6749 parts it by spaces, GitHub by commas; an empty one does not tell."""
    found = frozenset(part for part in re.split(r"[\s,]+", text) if part) if isinstance(text, str) else frozenset()
    return found or None


def client_for(road: Road, client_auth: str, fields: Mapping[str, str]) -> Any:
    """Return Authlib's client for one exchange; close it afterwards.

    `client_auth` says where its secret goes: `post`, `basic`, `json`; with `assertion` the form proves it already, with
    `certificate` its TLS does. Raises `NotSent`.
    """
    proof = f"client_secret_{client_auth}" if fields.get("client_secret") else "none"
    if client_auth in {"assertion", "certificate"}:
        proof = {"certificate": "none"}.get(client_auth, client_auth)  # RFC 8705: the form holds the client id alone
    road = identified(road, fields)
    client = AsyncOAuth2Client(
        client_id=fields.get("client_id"),
        client_secret=fields.get("client_secret"),
        token_endpoint_auth_method=proof,
        revocation_endpoint_auth_method=proof,
        token={"access_token": fields.get("access_token", ""), "token_type": "bearer"},
        transport=road.transport(),
        timeout=road.timeout,
        follow_redirects=False,
        trust_env=False,
        headers={"user-agent": USER_AGENT},
    )
    client.register_client_auth_method(("client_secret_json", _as_json))
    client.register_client_auth_method(("assertion", _as_it_is))
    return client


def _as_it_is(client: Any, method: str, uri: str, headers: Any, body: bytes | str) -> tuple[str, Any, bytes | str]:
    """Add no proof to a form that holds one."""
    del client, method
    return uri, headers, body


def _as_json(client: Any, method: str, uri: str, headers: Any, body: bytes | str) -> tuple[str, Any, bytes]:
    """Write the request as a JSON object with client id and secret, as Atlassian and Zendesk document it."""
    del method
    text = body.decode() if isinstance(body, bytes) else body
    proof = {"client_id": client.client_id, "client_secret": client.client_secret}
    headers["Content-Type"] = "application/json"
    return uri, headers, orjson.dumps(dict(parse_qsl(text)) | proof)


def check_status(answer: httpx.Response) -> httpx.Response:
    """Judge by status before Authlib reads the body."""
    if answer.status_code == 429:
        raise NotProcessed("it has a limit on token requests", wait_of(answer.headers) or 60.0)
    if answer.status_code >= 500 or 300 <= answer.status_code < 400:
        raise Unanswered(f"it answered {answer.status_code}")
    if answer.status_code >= 400 and not _speaks_oauth(answer):
        # A wall before the token endpoint: a vendor spends a refresh token only when it gives a new pair.
        raise NotProcessed(f"it answered {answer.status_code} without an OAuth error")
    return answer


def _speaks_oauth(answer: httpx.Response) -> bool:
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict) and "error" in found


def refusal(error: Any, words: Mapping[str, str], explained: Mapping[str, str] | None = None) -> Exception:
    """Return what an OAuth error means, in our words for its code, or for a description that the method knows."""
    code = error.error if isinstance(error.error, str) else ""
    why = (explained or {}).get(error.description) if isinstance(error.description, str) else None
    if code in _TURNED_AWAY:
        return NotProcessed("it is not available for now")
    if code == "server_error":
        return Unanswered("it reports a failure of its own")
    return TokenRefused(why or words.get(code, "the token endpoint refuses it"))


def obtained(answer: Mapping[str, object], old_refresh: str | None, now: datetime) -> Obtained:
    """Read a token answer. Raises `Unanswered` for one that holds no token that can be used."""
    access = usable(answer.get("access_token"))
    if access is None:
        raise Unanswered("its answer holds no access token")
    kind = answer.get("token_type")
    if isinstance(kind, str) and kind.lower() not in {"bearer", "token", "bot", "user"}:
        raise Unanswered("its answer holds a token of a kind that is not known here")
    fresh = usable(answer.get("refresh_token"))
    return Obtained(
        access_token=access,
        refresh_token=None if fresh == old_refresh else fresh,
        expires_at=_expiry(answer.get("expires_in"), now),
        granted=scopes_of(answer.get("scope")),
    )


def judged(
    target: Target, answer: Mapping[str, object], got: Obtained, discover: RootInToken | RootInList | None
) -> Obtained:
    """Return what was obtained with the API's root that the answer names, once both issuer and root are the vendor's.

    Raises `ForeignAnswer`. Vendors move accounts between hosts, so every answer is looked at, not only the first.
    """
    issuer = answer.get("iss")
    if issuer is not None and not (isinstance(issuer, str) and target.owns(issuer)):
        raise ForeignAnswer("its token answer comes from another issuer", got)
    root = root_in(discover, answer)
    if root is not None and not target.owns(root):
        why = f"its token answer names {shown_host(root)} as the API's host, which the connector does not declare"
        raise ForeignAnswer(why, got)
    return replace(got, root=root)


def shown_host(url: str) -> str:
    """Return an address's host as a message may show it."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return repr(host[:200]) if host.isascii() and host.isprintable() and host else "what cannot be read"


def root_in(discover: RootInToken | RootInList | None, answer: Mapping[str, object]) -> str | None:
    """Return the API's root where a token answer names it, without its last slash."""
    root = answer.get(discover.member) if isinstance(discover, RootInToken) else None
    return root.rstrip("/") if isinstance(root, str) and 0 < len(root) <= 500 else None


def _expiry(seconds: object, now: datetime) -> datetime | None:
    """Return when a token ends. Vendors write the seconds as a number or as text."""
    try:
        life = float(cast("str", seconds))
    except (TypeError, ValueError):
        return None
    if not 0 <= life <= _LONGEST_LIFE:
        return None
    return now.astimezone(UTC) + timedelta(seconds=life)
