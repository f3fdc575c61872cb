"""GitHub's device flow: codes that people type at `/login/device`, and what the token endpoint says until they have.

Source: GitHub documentation, "Authorizing OAuth apps" (device flow), "Generating a user access token for a GitHub
App". That an app's device flow must be switched on is said with status 400, all that a poll meets with status 200.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qsl

from connectors.github.simulator.access import OAuthApp
from connectors.sdk.simulator import Answer, Call

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
LIFETIME = 900
INTERVAL = 5
_PAGE = (
    "<!doctype html><title>Device activation</title><h1>Device activation</h1><p>{said}</p>"
    '<form method="post"><label>Code <input name="user_code" value="{code}" required></label>'
    '<button name="decision" value="authorize">Authorize</button>'
    '<button name="decision" value="cancel">Cancel</button></form>'
)
_HTML = {"content-type": "text/html; charset=utf-8"}
_TEXTS = {
    "authorization_pending": "The authorization request is still pending.",
    "slow_down": "Too many requests have been made in the same timeframe.",
    "expired_token": "This 'device_code' has expired.",
    "access_denied": "The authorization request was denied.",
    "incorrect_device_code": "The device_code provided is not valid.",
    "device_flow_disabled": "Device Flow must be explicitly enabled for this App",
}


@dataclass(slots=True)
class Device:
    """A device that waits for somebody. `login` is who authorized it, `interval` how often it may ask."""

    client_id: str
    user_code: str
    scopes: frozenset[str]
    expires_at: float
    login: str | None = None
    denied: bool = False
    interval: int = INTERVAL
    asked_at: float | None = None


class DeviceCodes:
    """All devices that wait, by their device code. `secret` makes one from a prefix and a length."""

    def __init__(self, apps: Mapping[str, OAuthApp], secret: Callable[[str, int], str]) -> None:
        self._apps = apps
        self._secret = secret
        self.waiting: dict[str, Device] = {}

    def ask(self, fields: Mapping[str, str], root: str, now: float) -> tuple[int, dict[str, object]]:
        """Answer POST /login/device/code: a status and the members of the answer."""
        app = self._apps.get(fields.get("client_id", ""))
        if app is None:
            return 404, {"error": "Not Found"}
        if not app.device_flow:
            return 400, refused("device_flow_disabled")
        scopes = frozenset(filter(None, fields.get("scope", "").replace(",", " ").split()))
        code, letters = self._secret("", 40), self._secret("typed", 8)[5:].upper()
        typed = f"{letters[:4]}-{letters[4:]}"
        self.waiting[code] = Device(app.client_id, typed, scopes, now + LIFETIME)
        page = {"user_code": typed, "verification_uri": f"{root}/login/device"}
        return 200, {"device_code": code, **page, "expires_in": LIFETIME, "interval": INTERVAL}

    def page(self, call: Call, now: float) -> Answer:
        """Answer the page on which a person types a code. `login` in the form is who they are, else the app's bot."""
        if call.method != "POST":
            return _shown("Enter the code that is displayed on your device.", call.query.get("user_code", ""))
        form = dict(parse_qsl(call.body.decode("utf-8", "replace")))
        typed = form.get("user_code", "").strip().upper()
        device = next((one for one in self.waiting.values() if one.user_code == typed), None)
        if device is None or device.expires_at <= now or device.login or device.denied:
            return _shown("This code is not valid or has expired.", typed)
        if form.get("decision") == "cancel":
            device.denied = True
            return _shown("The request was cancelled.", "")
        device.login = form.get("login") or self._apps[device.client_id].login
        return _shown("Your device is now connected.", "")

    def present(self, app: OAuthApp, code: str, now: float) -> Device | dict[str, object]:
        """Return the device whose code was authorized, once; else what a poll is told."""
        device = self.waiting.get(code)
        if not app.device_flow:
            return refused("device_flow_disabled")
        if device is None or device.client_id != app.client_id:
            return refused("incorrect_device_code")
        early = device.asked_at is not None and now - device.asked_at < device.interval
        device.asked_at = now
        if device.expires_at <= now:
            return refused("expired_token")
        if early:
            device.interval += 5
            return {**refused("slow_down"), "interval": device.interval}
        if device.denied or device.login:
            del self.waiting[code]
        if device.denied:
            return refused("access_denied")
        return device if device.login else refused("authorization_pending")


def refused(error: str) -> dict[str, object]:
    """Return an error's members."""
    return {"error": error, "error_description": _TEXTS[error], "error_uri": "https://docs.github.com"}


def _shown(said: str, code: str) -> Answer:
    return Answer(200, _PAGE.format(said=escape(said), code=escape(code)).encode(), _HTML)
