"""Zendesk's OAuth endpoints: consent (given at once), and tokens of which a refresh ends the whole old pair.

Credentials are no content, so nothing here counts as an effect. Source: Zendesk developer documentation, "Grant type
tokens", "Using PKCE", "Refresh tokens".
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from urllib.parse import parse_qsl, urlencode

from connectors.sdk.simulator import Answer, Call, Refusal
from connectors.zendesk.simulator.access import Access, OAuthClient, Token
from connectors.zendesk.simulator.refusals import no_endpoint

CODE_LIFETIME = 120
REFRESH_LIFETIME = 30 * 86400


@dataclass(frozen=True, slots=True)
class _Code:
    client: OAuthClient
    scopes: frozenset[str]
    expires_at: float
    challenge: str | None


@dataclass(frozen=True, slots=True)
class _Refresh:
    client: OAuthClient
    scopes: frozenset[str]
    expires_at: float
    access: str


class OAuth:
    """The authorization server. Used codes and refresh tokens are dead."""

    def __init__(self, clients: Mapping[str, OAuthClient], access: Access) -> None:
        self._clients = clients
        self._access = access
        self._codes: dict[str, _Code] = {}
        self._refreshes: dict[str, _Refresh] = {}
        self._ids = count(1)

    def respond(self, call: Call, now: float) -> Answer:
        """Answer below `/oauth/`."""
        if (call.method, call.path) == ("GET", "/oauth/authorizations/new"):
            return self._authorize(call, now)
        if (call.method, call.path) == ("POST", "/oauth/tokens"):
            return self._token(call, now)
        raise no_endpoint()

    def revoke(self, token: str) -> None:
        """End an access token."""
        self._access.tokens.pop(token, None)

    def _authorize(self, call: Call, now: float) -> Answer:
        query = call.query
        client = self._clients.get(query.get("client_id", ""))
        if client is None or query.get("redirect_uri") != client.redirect_uri or query.get("response_type") != "code":
            raise _refused("invalid_request", "The request is missing a required parameter or includes a bad one.")
        scopes = frozenset(query.get("scope", "read write").split())
        if client.scopes is not None and not scopes <= client.scopes:
            raise _refused("invalid_scope", "The requested scope is invalid, unknown, or malformed.")
        challenge = query.get("code_challenge")
        if challenge is not None and query.get("code_challenge_method") != "S256":
            raise _refused("invalid_request", "code_challenge_method must be S256.")
        code = self._secret("code")
        self._codes[code] = _Code(client, scopes, now + CODE_LIFETIME, challenge)
        back = {"code": code} | ({"state": query["state"]} if "state" in query else {})
        return Answer(302, b"", {"location": f"{client.redirect_uri}?{urlencode(back)}"})

    def _token(self, call: Call, now: float) -> Answer:
        fields = _fields(call)
        client = self._clients.get(fields.get("client_id", ""))
        if client is None or fields.get("client_secret") != client.client_secret:
            raise _refused("invalid_client", "Client authentication failed.", 401)
        kind = fields.get("grant_type")
        if kind == "refresh_token":
            return self._refresh(client, fields.get("refresh_token", ""), now)
        if kind != "authorization_code":
            raise _refused("unsupported_grant_type", "The grant type is not supported.")
        given = self._codes.pop(fields.get("code", ""), None)
        same = given is not None and given.client is client and fields.get("redirect_uri") == client.redirect_uri
        if given is None or not same or given.expires_at <= now or not _proved(given, fields):
            raise _refused("invalid_grant", "The provided authorization grant is invalid, expired or revoked.")
        return Answer.of(self.issue(client, given.scopes, now))

    def _refresh(self, client: OAuthClient, value: str, now: float) -> Answer:
        given = self._refreshes.get(value)
        if given is None or given.client is not client or given.expires_at <= now:
            raise _refused("invalid_grant", "The provided refresh token is invalid, expired or revoked.")
        del self._refreshes[value]
        self.revoke(given.access)
        return Answer.of(self.issue(client, given.scopes, now))

    def issue(self, client: OAuthClient, scopes: frozenset[str], now: float) -> dict[str, object]:
        """Return a new pair."""
        access, refresh = self._secret("access"), self._secret("refresh")
        self._access.tokens[access] = Token(access, client.email, scopes, now + client.expires_in)
        self._refreshes[refresh] = _Refresh(client, scopes, now + REFRESH_LIFETIME, access)
        return {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "bearer",
            "scope": " ".join(sorted(scopes)),
            "expires_in": client.expires_in,
            "refresh_token_expires_in": REFRESH_LIFETIME,
        }

    def _secret(self, kind: str) -> str:
        return hashlib.sha256(f"zendesk{kind}{next(self._ids)}".encode()).hexdigest()


def _proved(code: _Code, fields: Mapping[str, str]) -> bool:
    if code.challenge is None:
        return True
    digest = hashlib.sha256(fields.get("code_verifier", "").encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == code.challenge


def _refused(error: str, text: str, status: int = 400) -> Refusal:
    return Refusal(Answer.of({"error": error, "error_description": text}, status))


def _fields(call: Call) -> dict[str, str]:
    if "json" in call.headers.get("content-type", ""):
        return {name: str(value) for name, value in call.fields().items()}
    return dict(parse_qsl(call.body.decode("utf-8", "replace")))
