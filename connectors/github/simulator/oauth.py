"""GitHub's OAuth endpoints: consent (given at once, or by a device's code), tokens that rotate, and their revocation.

Credentials are no content, so nothing here counts as an effect. Errors of the token endpoint come with status 200.

Source: GitHub documentation, "Authorizing OAuth apps",
"Refreshing user access tokens".
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

import orjson

from connectors.github.simulator.access import EVERYTHING, Access, OAuthApp, Token
from connectors.github.simulator.device import GRANT, Device, DeviceCodes
from connectors.github.simulator.refusals import not_found, refusal, unauthorized
from connectors.github.simulator.world import World
from connectors.sdk.simulator import Answer, Call

CODE_LIFETIME = 600
REFRESH_LIFETIME = 15_811_200


@dataclass(frozen=True, slots=True)
class _Code:
    app: OAuthApp
    redirect_uri: str | None
    challenge: str | None
    scopes: frozenset[str]
    expires_at: float


@dataclass(frozen=True, slots=True)
class _Refresh:
    app: OAuthApp
    access: str
    scopes: frozenset[str]
    expires_at: float
    login: str
    everything: bool = False
    device: bool = False


class OAuth:
    """The authorization server. Used codes and refresh tokens are dead at once."""

    def __init__(self, apps: Mapping[str, OAuthApp], access: Access, world: World) -> None:
        self._apps = apps
        self._access = access
        self._world = world
        self._codes: dict[str, _Code] = {}
        self._refreshes: dict[str, _Refresh] = {}
        self.devices = DeviceCodes(apps, self._secret)

    def respond(self, call: Call, now: float) -> Answer:
        """Answer below `/login/`."""
        if call.path == "/login/device":
            return self.devices.page(call, now)
        if (call.method, call.path) == ("POST", "/login/device/code"):
            status, told = self.devices.ask(_fields(call), call.root, now)
            return _answer(call, told, status)
        if (call.method, call.path) == ("GET", "/login/oauth/authorize"):
            return self._authorize(call, now)
        if (call.method, call.path) == ("POST", "/login/oauth/access_token"):
            return self._token(call, now)
        raise not_found()

    def revoke(self, call: Call, client_id: str) -> Answer:
        """DELETE /applications/{client_id}/token, with the client's id and secret as Basic credentials."""
        app = self._apps.get(client_id)
        if app is None or call.headers.get("authorization") != _basic(app):
            raise unauthorized()
        token = str(orjson.loads(call.body or b"{}").get("access_token", ""))
        if self._access.tokens.pop(token, None) is None:
            raise refusal(422, "Validation Failed")
        for refresh, held in list(self._refreshes.items()):
            if held.access == token:
                del self._refreshes[refresh]
        return Answer(204)

    def _authorize(self, call: Call, now: float) -> Answer:
        query = call.query
        app = self._apps.get(query.get("client_id", ""))
        redirect_uri = query.get("redirect_uri") or (app.redirect_uri if app else None)
        if app is None or redirect_uri is None or app.redirect_uri not in {None, redirect_uri}:
            raise not_found()
        if query.get("code_challenge_method", "S256") != "S256":
            raise refusal(400, "The code_challenge_method must be S256.")
        scopes = frozenset(filter(None, query.get("scope", "").replace(",", " ").split()))
        code = self._secret("code", 20)
        challenge = query.get("code_challenge")
        self._codes[code] = _Code(app, redirect_uri, challenge, scopes, now + CODE_LIFETIME)
        back = {"code": code} | ({"state": query["state"]} if "state" in query else {})
        joint = "&" if "?" in redirect_uri else "?"
        return Answer(302, b"", {"location": f"{redirect_uri}{joint}{urlencode(back)}"})

    def _token(self, call: Call, now: float) -> Answer:
        fields = _fields(call)
        app = self._apps.get(fields.get("client_id", ""))
        given = fields.get("client_secret")
        if app is None or (given != app.client_secret and (given is not None or not self._is_public(fields))):
            text = "The client_id and/or client_secret passed are incorrect."
            return _answer(call, {"error": "incorrect_client_credentials", "error_description": text})
        if fields.get("grant_type") == "refresh_token":
            return self._refresh(call, app, fields.get("refresh_token", ""), now)
        if fields.get("grant_type") == GRANT:
            return self._device(call, app, fields.get("device_code", ""), now)
        return self._exchange(call, app, fields, now)

    def _is_public(self, fields: Mapping[str, str]) -> bool:
        """Whether no secret is needed: for a device's code, and to refresh what one gave."""
        held = self._refreshes.get(fields.get("refresh_token", ""))
        by_device = fields.get("grant_type") == "refresh_token" and held is not None and held.device
        return by_device or fields.get("grant_type") == GRANT

    def _device(self, call: Call, app: OAuthApp, code: str, now: float) -> Answer:
        found = self.devices.present(app, code, now)
        if not isinstance(found, Device):
            return _answer(call, found)
        return _answer(call, self.issue(app, found.scopes, now, login=found.login, device=True))

    def _exchange(self, call: Call, app: OAuthApp, fields: Mapping[str, str], now: float) -> Answer:
        code = self._codes.pop(fields.get("code", ""), None)
        if code is None or code.app is not app or code.expires_at <= now or not _proved(code, fields):
            text = "The code passed is incorrect or expired."
            return _answer(call, {"error": "bad_verification_code", "error_description": text})
        if fields.get("redirect_uri") not in {None, code.redirect_uri}:
            text = "The redirect_uri MUST match the registered callback URL for this application."
            return _answer(call, {"error": "redirect_uri_mismatch", "error_description": text})
        return _answer(call, self.issue(app, code.scopes, now))

    def _refresh(self, call: Call, app: OAuthApp, value: str, now: float) -> Answer:
        held = self._refreshes.pop(value, None)
        if held is None or held.app is not app or held.expires_at <= now:
            text = "The refresh token passed is incorrect or expired."
            return _answer(call, {"error": "bad_refresh_token", "error_description": text})
        self._access.tokens.pop(held.access, None)
        kept = {"everything": held.everything, "device": held.device}
        return _answer(call, self.issue(app, held.scopes, now, login=held.login, **kept))

    def issue(
        self,
        app: OAuthApp,
        scopes: frozenset[str],
        now: float,
        *,
        login: str | None = None,
        everything: bool = False,
        device: bool = False,
    ) -> dict[str, object]:
        """Return a new pair, or a token alone where the app's do not expire.

        `login` is whose it is (the app's bot where nobody is named), `everything` sees all repositories, and a pair
        that a `device` got is refreshed without the client's secret.
        """
        login = login or app.login
        access = self._secret("ghu_" if app.expires_in else "gho_", 36)
        expires_at = now + app.expires_in if app.expires_in else None
        # A GitHub App's user token has no scopes: it may what the user and the app may.
        may = scopes or EVERYTHING
        self._access.tokens[access] = Token(access, login, may, expires_at=expires_at, everything=everything)
        answer: dict[str, object] = {
            "access_token": access,
            "token_type": "bearer",
            "scope": ",".join(sorted(scopes)),
        }
        if app.expires_in:
            refresh = self._secret("ghr_", 76)
            self._refreshes[refresh] = _Refresh(app, access, scopes, now + REFRESH_LIFETIME, login, everything, device)
            more = {"refresh_token": refresh, "refresh_token_expires_in": REFRESH_LIFETIME}
            answer |= {"expires_in": app.expires_in, **more}
        return answer

    def _secret(self, prefix: str, length: int) -> str:
        seed = f"{prefix}{self._world.next_id()}".encode()
        return prefix + hashlib.sha512(seed).hexdigest()[:length]


def _proved(code: _Code, fields: Mapping[str, str]) -> bool:
    if code.challenge is None:
        return True
    digest = hashlib.sha256(fields.get("code_verifier", "").encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == code.challenge


def _fields(call: Call) -> dict[str, str]:
    if "json" in call.headers.get("content-type", ""):
        return {name: str(value) for name, value in call.fields().items()}
    return dict(parse_qsl(call.body.decode("utf-8", "replace")))


def _answer(call: Call, value: Mapping[str, object], status: int = 200) -> Answer:
    if "json" in call.headers.get("accept", ""):
        return Answer.of(value, status)
    return Answer(
        status, urlencode(value).encode(), {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    )


def _basic(app: OAuthApp) -> str:
    return "Basic " + base64.b64encode(f"{app.client_id}:{app.client_secret}".encode()).decode()
