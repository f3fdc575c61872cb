"""A plain authorization server for simulated vendors: consent (given at once), codes with PKCE, pairs that rotate.

For vendors that keep to RFC 6749 and RFC 7636. Those that do not have one of their own. Credentials are no content,
so nothing here counts as an effect.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import parse_qsl, urlencode

from connectors.sdk.simulator.answer import Answer, Call

_CODE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Client:
    """An app that is registered at the vendor."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Code:
    redirect_uri: str
    challenge: str
    scope: str
    until: float


class OAuthServer:
    """Gives and renews pairs for one client. Used codes and refresh tokens are dead. `clock` is Unix seconds."""

    def __init__(self, client: Client, clock: Callable[[], float], *, lifetime: int = 3600) -> None:
        self.client = client
        self._clock = clock
        self._lifetime = lifetime
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, float] = {}
        self._refresh: dict[str, tuple[str, str]] = {}
        self._numbers = count(1)

    def knows(self, access_token: str) -> bool:
        """Whether an access token is good now."""
        return self._access.get(access_token, 0) > self._clock()

    def issue(self, scope: str = "") -> dict[str, str]:
        """Return a new pair, as somebody's consent gives it."""
        number = next(self._numbers)
        access, refresh = f"access-{number}-{self.client.id}", f"refresh-{number}-{self.client.id}"
        self._access[access] = self._clock() + self._lifetime
        self._refresh[refresh] = (access, scope)
        return {"access_token": access, "refresh_token": refresh}

    def authorize(self, call: Call) -> Answer:
        """Answer the page on which a person consents: they do, and are sent back with a code."""
        query = call.query
        if query.get("client_id") != self.client.id or query.get("response_type") != "code":
            return _refused("invalid_request")
        code = f"code-{next(self._numbers)}"
        back = query.get("redirect_uri", "")
        until = self._clock() + _CODE_SECONDS
        self._codes[code] = _Code(back, query.get("code_challenge", ""), query.get("scope", ""), until)
        return Answer(302, b"", {"location": f"{back}?{urlencode({'code': code, 'state': query.get('state', '')})}"})

    def token(self, call: Call) -> Answer:
        """Answer the token endpoint: a code or a refresh token for a pair."""
        fields = dict(parse_qsl(call.body.decode("utf-8", "replace")))
        if (fields.get("client_id"), fields.get("client_secret")) != (self.client.id, self.client.secret):
            return _refused("invalid_client", 401)
        if fields.get("grant_type") == "refresh_token":
            old, scope = self._refresh.pop(fields.get("refresh_token", ""), ("", ""))
            if not old:
                return _refused("invalid_grant")
            self._access.pop(old, None)
            return self._pair(scope)
        code = self._codes.pop(fields.get("code", ""), None)
        if code is None or code.until <= self._clock() or not _proved(code, fields):
            return _refused("invalid_grant")
        return self._pair(code.scope)

    def _pair(self, scope: str) -> Answer:
        return Answer.of({**self.issue(scope), "token_type": "Bearer", "expires_in": self._lifetime, "scope": scope})


def _proved(code: _Code, fields: Mapping[str, str]) -> bool:
    if fields.get("redirect_uri", "") != code.redirect_uri:
        return False
    digest = hashlib.sha256(fields.get("code_verifier", "").encode()).digest()
    return not code.challenge or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == code.challenge


def _refused(error: str, status: int = 400) -> Answer:
    return Answer.of({"error": error}, status)
