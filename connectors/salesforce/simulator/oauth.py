"""Salesforce's OAuth endpoints: consent (given at once), rotating refresh tokens, JWT assertions, revocation, identity.

Token answers name the org's address and no lifetime. Credentials are no content, so nothing here counts as an effect.
Source: Salesforce Help, "OAuth Authorization Flows", "Refresh Token Rotation", "UserInfo Endpoint", "Identity URLs".
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from connectors.salesforce.simulator.access import Access, OAuthApp, Token
from connectors.salesforce.simulator.world import ORG, Row, World
from connectors.sdk.simulator import Answer, Call, Refusal

CODE_LIFETIME = 900
ASSERTION_LIFETIME = 300
_KEPT = frozenset({"refresh_token", "offline_access"})
_FRESH = {"cache-control": "no-store"}
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class _Code:
    app: OAuthApp
    scopes: frozenset[str]
    expires_at: float
    challenge: str | None


@dataclass(slots=True)
class _Refresh:
    app: OAuthApp
    scopes: frozenset[str]
    username: str
    access: str


class OAuth:
    """The authorization server. Used codes are dead, and used refresh tokens too where the app rotates them.

    `instance` is the address that token answers name; None means the one that the client used. `audiences` are those
    that an assertion may name beside it.
    """

    def __init__(
        self,
        apps: Mapping[str, OAuthApp],
        access: Access,
        world: World,
        instance: str | None,
        audiences: frozenset[str],
    ) -> None:
        self._apps = apps
        self._access = access
        self._world = world
        self._instance = instance
        self._audiences = audiences
        self._codes: dict[str, _Code] = {}
        self._refreshes: dict[str, _Refresh] = {}
        self._ids = count(1)

    def respond(self, call: Call, now: float) -> Answer:
        """Answer below `/services/oauth2/` and `/id/`."""
        route = (call.method, call.path.removeprefix("/services/oauth2"))
        if route == ("GET", "/authorize"):
            return self._authorize(call, now)
        if route == ("POST", "/token"):
            return self._token(call, now)
        if route[1] == "/revoke":
            return self._revoke(call)
        if route[1] == "/userinfo" or call.path.startswith("/id/"):
            return self._identity(call, now)
        raise Refusal(Answer.of([{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}], 404))

    def _authorize(self, call: Call, now: float) -> Answer:
        query = call.query
        app = self._apps.get(query.get("client_id", ""))
        if app is None:
            raise _refused("invalid_client_id", "client identifier invalid")
        if query.get("redirect_uri") != app.redirect_uri:
            raise _refused("redirect_uri_mismatch", "redirect_uri must match configuration")
        challenge = query.get("code_challenge")
        scopes = frozenset(query.get("scope", " ".join(app.scopes)).split())
        wrong = None
        if query.get("response_type") != "code":
            wrong = ("unsupported_response_type", "response type not supported")
        elif challenge is None or query.get("code_challenge_method", "S256") != "S256":
            wrong = ("invalid_request", "missing required code challenge")
        elif not scopes <= app.scopes:
            wrong = ("invalid_scope", "the requested scope is not allowed")
        state = {"state": query["state"]} if "state" in query else {}
        if wrong is not None:
            return _back(app, {"error": wrong[0], "error_description": wrong[1], **state})
        code = self._secret("aPrx")
        self._codes[code] = _Code(app, scopes, now + CODE_LIFETIME, challenge)
        return _back(app, {"code": code, **state})

    def _token(self, call: Call, now: float) -> Answer:
        fields = dict(parse_qsl(call.body.decode("utf-8", "replace")))
        kind = fields.get("grant_type")
        if kind == JWT_GRANT:
            return self._by_assertion(call, fields.get("assertion", ""), now)
        app = self._client(call, fields)
        if kind == "authorization_code":
            given = self._codes.pop(fields.get("code", ""), None)
            if given is None or given.app is not app or given.expires_at <= now:
                raise _refused("invalid_grant", "expired authorization code")
            if fields.get("redirect_uri") != app.redirect_uri:
                raise _refused("redirect_uri_mismatch", "redirect_uri must match configuration")
            if not _proved(given, fields):
                raise _refused("invalid_grant", "invalid code verifier")
            return Answer.of(
                self.issue(call.root, app, app.username, given.scopes, now, refreshable=True), headers=_FRESH
            )
        if kind == "refresh_token":
            return self._refresh(call, app, fields.get("refresh_token", ""), now)
        if kind == "client_credentials":
            if app.runs_as is None:
                raise _refused("invalid_grant", "no client credentials user enabled")
            return Answer.of(self.issue(call.root, app, app.runs_as, app.scopes - _KEPT, now), headers=_FRESH)
        raise _refused("unsupported_grant_type", "grant type not supported")

    def _client(self, call: Call, fields: Mapping[str, str]) -> OAuthApp:
        name, secret = fields.get("client_id", ""), fields.get("client_secret", "")
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            name, _, secret = base64.b64decode(value).decode().partition(":")
        app = self._apps.get(name)
        if app is None:
            raise _refused("invalid_client_id", "client identifier invalid")
        if not hmac.compare_digest(secret, app.client_secret):
            raise _refused("invalid_client", "invalid client credentials")
        return app

    def _refresh(self, call: Call, app: OAuthApp, value: str, now: float) -> Answer:
        given = self._refreshes.get(value)
        if given is None or given.app is not app:
            raise _refused("invalid_grant", "expired access/refresh token")
        if app.rotates:
            del self._refreshes[value]
        pair = self.issue(call.root, app, given.username, given.scopes, now, refreshable=app.rotates)
        return Answer.of(pair, headers=_FRESH)

    def _by_assertion(self, call: Call, assertion: str, now: float) -> Answer:
        try:
            issuer = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError:
            raise _refused("invalid_grant", "invalid assertion") from None
        app = self._apps.get(str(issuer))
        if app is None or app.certificate is None:
            raise _refused("invalid_client_id", "client identifier invalid")
        claims = self._claims(call, app, assertion, now)
        username = str(claims["sub"])
        if username not in app.approved:
            raise _refused("invalid_grant", "user hasn't approved this consumer")
        return Answer.of(self.issue(call.root, app, username, app.scopes - _KEPT, now), headers=_FRESH)

    def _claims(self, call: Call, app: OAuthApp, assertion: str, now: float) -> dict[str, Any]:
        audiences = {*self._audiences, call.root}
        try:
            claims: dict[str, Any] = jwt.decode(
                assertion,
                _public_key(app.certificate or ""),
                algorithms=["RS256"],
                audience=sorted(audiences),
                # The time is the simulator's own, so it is checked below.
                options={"require": ["iss", "sub", "aud", "exp"], "verify_exp": False},
            )
            left = float(claims["exp"]) - now
        except jwt.InvalidAudienceError:
            raise _refused("invalid_grant", "audience is invalid") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise _refused("invalid_grant", "invalid assertion") from None
        if not 0 < left <= ASSERTION_LIFETIME:
            raise _refused("invalid_grant", "expired assertion" if left <= 0 else "assertion expires too late")
        return claims

    def issue(
        self, root: str, app: OAuthApp, username: str, scopes: frozenset[str], now: float, *, refreshable: bool = False
    ) -> dict[str, str]:
        """Return a new token for a user, and a refresh token if the scopes have it. `root` is the org's address."""
        user = user_of(self._world, username)
        if user is None:
            raise _refused("invalid_grant", "user is not found or inactive")
        access = f"{ORG[:15]}!{self._secret('AQ')}"
        self._access.tokens[access] = Token(access, username, scopes, now + app.lifetime)
        identity, issued = f"{root}/id/{ORG}/{user.id}", str(int(now * 1000))
        digest = hmac.new(app.client_secret.encode(), (identity + issued).encode(), hashlib.sha256).digest()
        answer = {
            "access_token": access,
            "signature": base64.b64encode(digest).decode(),
            "scope": " ".join(sorted(scopes)),
            "instance_url": self._instance or root,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": issued,
        }
        if refreshable and scopes & _KEPT:
            answer["refresh_token"] = self._secret("5Aep")
            self._refreshes[answer["refresh_token"]] = _Refresh(app, scopes, username, access)
        return answer

    def _revoke(self, call: Call) -> Answer:
        fields = dict(parse_qsl(call.body.decode("utf-8", "replace"))) or dict(call.query)
        token = fields.get("token", "")
        refresh = self._refreshes.pop(token, None)
        if refresh is None and token not in self._access.tokens:
            raise _refused("invalid_token", "invalid token")
        # Revoking a refresh token ends the access tokens that came with it.
        self._access.tokens.pop(refresh.access if refresh is not None else token, None)
        return Answer(200)

    def _identity(self, call: Call, now: float) -> Answer:
        token = self._access.known(call.headers.get("authorization"), now)
        if token is None:
            raise Refusal(Answer(403, b"Bad_OAuth_Token", {"content-type": "text/html; charset=utf-8"}))
        user = user_of(self._world, token.username)
        if user is None:
            raise Refusal(Answer(403, b"Inactive_User", {"content-type": "text/html; charset=utf-8"}))
        values = user.values
        shown = {
            "sub": f"{call.root}/id/{ORG}/{user.id}",
            "user_id": user.id,
            "organization_id": ORG,
            "preferred_username": values["Username"],
            "nickname": values["Username"].partition("@")[0],
            "name": values["Name"],
            "email": values["Email"],
            "email_verified": True,
            "given_name": values["FirstName"],
            "family_name": values["LastName"],
            "zoneinfo": "Europe/Berlin",
            "language": "en_US",
            "locale": "en_US",
            "active": True,
            "user_type": "STANDARD",
        }
        if call.path.startswith("/id/"):
            shown |= {"id": shown["sub"], "username": values["Username"], "display_name": values["Name"]}
        return Answer.of(shown)

    def _secret(self, kind: str) -> str:
        return kind + hashlib.sha512(f"salesforce{kind}{next(self._ids)}".encode()).hexdigest()[:80]


def user_of(world: World, username: str) -> Row | None:
    """Return the user of a name, None where there is none."""
    return next((row for row in world.of("User") if row.values["Username"].lower() == username.lower()), None)


def _public_key(pem: str) -> RSAPublicKey:
    raw = pem.encode()
    key = load_pem_x509_certificate(raw).public_key() if b"BEGIN CERTIFICATE" in raw else load_pem_public_key(raw)
    if not isinstance(key, RSAPublicKey):
        raise jwt.InvalidKeyError("the certificate holds no RSA key")
    return key


def _proved(code: _Code, fields: Mapping[str, str]) -> bool:
    digest = hashlib.sha256(fields.get("code_verifier", "").encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == code.challenge


def _back(app: OAuthApp, answer: Mapping[str, str]) -> Answer:
    return Answer(302, b"", {"location": f"{app.redirect_uri}?{urlencode(answer)}"})


def _refused(error: str, text: str) -> Refusal:
    return Refusal(Answer.of({"error": error, "error_description": text}, 400))
