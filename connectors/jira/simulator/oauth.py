"""Atlassian's OAuth endpoints: consent (given at once), tokens that rotate, and the sites that a token reaches.

Credentials are no content, so nothing here counts as an effect. Source: Atlassian developer documentation,
"OAuth 2.0 (3LO) apps" and "Refresh tokens".
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from urllib.parse import parse_qsl, urlencode

from connectors.jira.simulator.access import CLOUD_ID, Access, OAuthApp, Token
from connectors.jira.simulator.refusals import gateway
from connectors.sdk.simulator import Answer, Call, Refusal

CODE_LIFETIME = 300
REFRESH_LIFETIME = 90 * 86400
# A refresh token that was used is taken once more within this time: two processes may refresh at once.
LEEWAY = 600


@dataclass(slots=True)
class _Given:
    """A code or a refresh token."""

    app: OAuthApp
    scopes: frozenset[str]
    expires_at: float
    redirect_uri: str = ""


class OAuth:
    """The authorization server. Used codes are dead at once, used refresh tokens after the leeway."""

    def __init__(self, apps: Mapping[str, OAuthApp], access: Access) -> None:
        self._apps = apps
        self._access = access
        self._codes: dict[str, _Given] = {}
        self._refreshes: dict[str, _Given] = {}
        self._ids = count(1)

    def respond(self, call: Call, now: float) -> Answer:
        """Answer below `/authorize` and `/oauth/`."""
        route = (call.method, call.path)
        if route == ("GET", "/authorize"):
            return self._authorize(call, now)
        if route == ("POST", "/oauth/token"):
            return self._token(call, now)
        if route == ("GET", "/oauth/token/accessible-resources"):
            return self._sites(call, now)
        raise gateway(404, "Not Found")

    def _authorize(self, call: Call, now: float) -> Answer:
        query = call.query
        app = self._apps.get(query.get("client_id", ""))
        wanted = (query.get("audience"), query.get("response_type"), query.get("prompt"))
        if app is None or query.get("redirect_uri") != app.redirect_uri:
            raise _refused(400, "invalid_request", "The client or its callback is not known.")
        if wanted != ("api.atlassian.com", "code", "consent"):
            raise _refused(400, "invalid_request", "audience, response_type and prompt are required.")
        code = self._secret("code")
        scopes = frozenset(query.get("scope", "").split())
        self._codes[code] = _Given(app, scopes, now + CODE_LIFETIME, app.redirect_uri)
        back = {"code": code} | ({"state": query["state"]} if "state" in query else {})
        return Answer(302, b"", {"location": f"{app.redirect_uri}?{urlencode(back)}"})

    def _token(self, call: Call, now: float) -> Answer:
        fields = _fields(call)
        app = self._apps.get(fields.get("client_id", ""))
        if app is None or fields.get("client_secret") != app.client_secret:
            raise _refused(401, "access_denied", "Unauthorized")
        if fields.get("grant_type") == "refresh_token":
            return self._refresh(app, fields.get("refresh_token", ""), now)
        given = self._codes.pop(fields.get("code", ""), None)
        uri = fields.get("redirect_uri")
        if given is None or given.app is not app or given.expires_at <= now or uri != given.redirect_uri:
            raise _refused(403, "invalid_grant", "Invalid authorization code")
        return Answer.of(self.issue(app, given.scopes, now))

    def _refresh(self, app: OAuthApp, value: str, now: float) -> Answer:
        given = self._refreshes.get(value)
        if given is None or given.app is not app or given.expires_at <= now:
            raise _refused(403, "invalid_grant", "Unknown or invalid refresh token.")
        given.expires_at = min(given.expires_at, now + LEEWAY)
        return Answer.of(self.issue(app, given.scopes, now))

    def issue(self, app: OAuthApp, scopes: frozenset[str], now: float) -> dict[str, object]:
        """Return a new pair, or an access token alone without the scope for offline access."""
        access = self._secret("access")
        self._access.tokens[access] = Token(access, app.account_id, scopes=scopes, expires_at=now + app.expires_in)
        answer: dict[str, object] = {
            "access_token": access,
            "expires_in": app.expires_in,
            "token_type": "Bearer",
            "scope": " ".join(sorted(scopes)),
        }
        if "offline_access" in scopes:
            refresh = self._secret("refresh")
            self._refreshes[refresh] = _Given(app, scopes, now + REFRESH_LIFETIME)
            answer["refresh_token"] = refresh
        return answer

    def _sites(self, call: Call, now: float) -> Answer:
        token = self._access.caller(call.headers.get("authorization"), now, cloud="")
        site = {
            "id": CLOUD_ID,
            "name": "acme",
            "url": call.root,
            "scopes": sorted(token.scopes or ()),
            "avatarUrl": f"{call.root}/avatar.png",
        }
        return Answer.of([site])

    def _secret(self, kind: str) -> str:
        return hashlib.sha512(f"{kind}{next(self._ids)}".encode()).hexdigest()[:96]


def _refused(status: int, error: str, text: str) -> Refusal:
    return Refusal(Answer.of({"error": error, "error_description": text}, status))


def _fields(call: Call) -> dict[str, str]:
    if "json" in call.headers.get("content-type", ""):
        return {name: str(value) for name, value in call.fields().items()}
    return dict(parse_qsl(call.body.decode("utf-8", "replace")))
