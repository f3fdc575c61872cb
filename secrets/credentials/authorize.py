"""OAuth's authorization code grant (RFC 6749, section 4.1) with PKCE (RFC 7636, S256), by Authlib.

A person is sent to the vendor and comes back with a code; the code is presented once, whatever comes of it.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import httpx
import orjson
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

from connectors.sdk.auth import OAuthUser, RootInList
from credentials.oauth import address, check_status, client_for, obtained, refusal, root_in
from credentials.token import Obtained, Target, TokenRefused
from credentials.transport import Road, Unanswered, by_phase

_MEMBER = re.compile(r"\{([A-Za-z_]+)\}")
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,128}")
_MOST_ROOTS = 200
_REFUSALS: Mapping[str, str] = {
    "invalid_grant": "the code has expired, was used before or was given to another client",
    "bad_verification_code": "the code has expired, was used before or was given to another client",
    "redirect_uri_mismatch": "the client is registered with another callback address",
    "invalid_client": "the client id or secret is not accepted",
    "incorrect_client_credentials": "the client id or secret is not accepted",
    "unauthorized_client": "the client may not use codes",
    "unsupported_grant_type": "the client may not use codes",
    "invalid_scope": "the scopes that were asked for are not the client's to have",
    "invalid_request": "the token endpoint does not understand the request",
    "access_denied": "access was denied",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person is asked to authorize, and where they come back to.

    `verifier` stays here and is shown to the token endpoint only; `state` goes with the person's browser.
    """

    redirect_uri: str
    scopes: frozenset[str]
    state: str = field(repr=False, default="")
    verifier: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Root:
    """An API root that a token reaches. `site` is its address as people know it."""

    url: str
    site: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What a person's consent gave: the fields of a credential, and the API root where the answer names one."""

    fields: Mapping[str, str] = field(repr=False)
    root: str | None = None


def new_verifier() -> str:
    """Return a code verifier of 64 characters."""
    return secrets.token_urlsafe(48)


def authorize_url(target: Target, method: OAuthUser, client_id: str, asked: Asked) -> str:
    """Return where to send the person's browser."""
    url, own = _apart(address(method.authorize_url, target))
    proof = {"code_challenge": create_s256_code_challenge(asked.verifier), "code_challenge_method": "S256"}
    return str(
        prepare_grant_uri(
            url,
            client_id=client_id,
            response_type="code",
            redirect_uri=asked.redirect_uri,
            scope=method.scope_separator.join(sorted(asked.scopes)),
            state=asked.state,
            **{**own, **method.authorize_params, **(proof if method.pkce else {})},
        )
    )


async def exchange(
    road: Road,
    target: Target,
    method: OAuthUser,
    client: Mapping[str, str],
    code: str,
    asked: Asked,
    *,
    now: datetime,
) -> Exchanged:
    """Present a code once and return what came for it. `client` holds `client_id` and perhaps `client_secret`.

    Raises `TokenRefused`, `NotProcessed`, `NotSent` and `Unanswered`. After any of them a person must be asked
    again: whether a code was spent is not worth finding out.
    """
    proof = {"code_verifier": asked.verifier} if method.pkce else {}
    async with client_for(road, method.client_auth, client) as session:
        session.register_compliance_hook("access_token_response", check_status)
        with by_phase():
            try:
                answer = await session.fetch_token(
                    address(method.token_url, target),
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=asked.redirect_uri,
                    **proof,
                )
            except OAuthError as error:
                raise refusal(error, _REFUSALS) from None  # its description is the vendor's text
            except (httpx.HTTPStatusError, ValueError, TypeError, AttributeError, KeyError) as error:
                raise Unanswered(f"its answer is not what OAuth describes ({type(error).__name__})") from None
    told = cast("Mapping[str, object]", answer)
    return exchanged(method, client, told, asked.scopes, now)


def exchanged(
    method: OAuthUser, client: Mapping[str, str], answer: Mapping[str, object], asked: frozenset[str], now: datetime
) -> Exchanged:
    """Return what the first token answer of an authorization holds. Raises `Unanswered` for one that is none."""
    got = obtained(answer, None, now)
    return Exchanged(_fields(client, got, answer, asked), root_in(method.discover, answer))


async def roots(road: Road, method: OAuthUser, token: str, api: str) -> list[Root]:
    """Return the API roots that a token reaches, as the vendor lists them, each once. `api` is the API's origin.

    Raises `TokenRefused`, `NotSent` and `Unanswered`.
    """
    listed = method.discover
    if not isinstance(listed, RootInList):
        return []
    async with road.client() as client:
        with by_phase():
            answer = await client.get(
                listed.url.replace("{api}", api),
                headers={method.header: method.form.replace("{token}", token), "accept": "application/json"},
            )
    if answer.status_code in {401, 403}:
        raise TokenRefused("the new token may not list what it reaches")
    if answer.status_code != 200:
        raise Unanswered(f"it answered {answer.status_code}")
    found = [_root_of(listed, item, api) for item in _objects(answer) if listed.suits(item)]
    return list({root.url: root for root in found if root is not None}.values())


def _apart(url: str) -> tuple[str, dict[str, str]]:
    """Return an address without its query, and the query: some authorize URLs are declared with constants."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="")), dict(parse_qsl(parts.query))


def _fields(
    client: Mapping[str, str], got: Obtained, answer: Mapping[str, object], asked: frozenset[str]
) -> Mapping[str, str]:
    fields = {**client, "access_token": got.access_token}
    if got.refresh_token is not None:
        fields["refresh_token"] = got.refresh_token
    if got.expires_at is not None:
        fields["expires_at"] = got.expires_at.isoformat()
    # RFC 6749, section 5.1: an answer without `scope` granted what was asked for; an empty one does not tell.
    granted = asked if answer.get("scope") is None else got.granted
    if granted:
        fields["scope"] = " ".join(sorted(granted))
    return fields


def _objects(answer: httpx.Response) -> list[Mapping[str, object]]:
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        raise Unanswered("its answer is not JSON") from None
    if not isinstance(found, list) or len(found) > _MOST_ROOTS:
        raise Unanswered("its answer is no list of what the token reaches")
    items = cast("list[object]", found)
    return [cast("Mapping[str, object]", item) for item in items if isinstance(item, dict)]


def _root_of(listed: RootInList, item: Mapping[str, object], api: str) -> Root | None:
    """Return the root of one object, None where a member that its address needs is missing or would change it."""
    url = listed.root.replace("{api}", api)
    for name in _MEMBER.findall(url):
        value = item.get(name)
        if not isinstance(value, str) or not _PLAIN.fullmatch(value) or set(value) == {"."}:
            return None
        url = url.replace(f"{{{name}}}", value)
    return Root(url, str(item.get(listed.site) or "").rstrip("/")[:500], str(item.get(listed.title) or "")[:200])


__all__ = [
    "Asked",
    "Exchanged",
    "Root",
    "address",
    "authorize_url",
    "exchange",
    "exchanged",
    "new_verifier",
    "roots",
]
