"""The simulated GitHub: from a request to its answer, in the order that GitHub checks things."""

import hashlib
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar

from connectors.github.simulator import (
    actions,
    apps,
    comments,
    contents,
    git,
    issues,
    labels,
    me,
    notifications,
    pulls,
    releases,
    repositories,
    reviews,
    search,
)
from connectors.github.simulator.access import EVERYTHING, Access, App, Caller, OAuthApp, Token
from connectors.github.simulator.ask import Ask, Site
from connectors.github.simulator.limits import Limits, RateLimits, headers
from connectors.github.simulator.oauth import OAuth
from connectors.github.simulator.refusals import invalid, not_found, refusal
from connectors.github.simulator.routing import Route
from connectors.github.simulator.seed import seeded
from connectors.github.simulator.world import World
from connectors.sdk.simulator import Answer, Call, Consent, Refusal, Routes, Simulator, Throttle

ENTERPRISE = "/api/v3"
VERSIONS = ("2022-11-28", "2026-03-10")
SANDBOX_TOKEN = "ghp_sandbox"
_CONSENTED = OAuthApp("Iv1.consented", "consented-secret", device_flow=True)
_SAYINGS = {401: "Bad credentials", 403: "Resource not accessible by personal access token", 409: "Conflict"}
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}
_RESOURCES = (
    actions,
    apps,
    comments,
    contents,
    git,
    issues,
    labels,
    me,
    notifications,
    pulls,
    releases,
    repositories,
    reviews,
    search,
)


class GitHubSimulator(Simulator):
    """GitHub's REST API and OAuth endpoints, also below `/api/v3` as on an enterprise server.

    `ghp_sandbox` is a token of `acme-bot` that sees and may do everything; `tokens` and `apps` add others.
    `world` is the state: a test may look into it, and change it without that counting as an effect.
    """

    credential: ClassVar[Mapping[str, str]] = {"token": SANDBOX_TOKEN}

    world: World

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        tokens: Sequence[Token] = (),
        apps: Sequence[App] = (),
        oauth_apps: Sequence[OAuthApp] = (),
        limits: Limits | None = None,
    ) -> None:
        super().__init__(ssl_context=ssl_context, clock=clock)
        sandbox = Token(SANDBOX_TOKEN, everything=True)
        self._tokens = {token.value: token for token in (sandbox, *tokens)}
        self._apps = {app.client_id: app for app in apps}
        self._oauth_apps = {app.client_id: app for app in (_CONSENTED, *oauth_apps)}
        self._limits = limits or Limits()
        self._routes: Routes[Route] = Routes(
            (route.method, route.template, route) for module in _RESOURCES for route in module.ROUTES
        )
        self.seed()

    def seed(self) -> None:
        """Go back to the first state; tokens that were issued since are gone."""
        self.world = seeded(self.clock())
        self.access = Access(self._tokens, self._apps)
        self.rates = RateLimits(self._limits)
        self.oauth = OAuth(self._oauth_apps, self.access, self.world)

    def vendor_path(self, path: str) -> str:
        """Leave the enterprise prefix out."""
        return path.removeprefix(ENTERPRISE)

    def broken(self, status: int) -> Answer:
        """Answer a fault as GitHub would."""
        if status == 429:
            return self._limited(429, {"retry-after": "1"})
        if status == 422:
            return invalid("Resource", "field", "invalid").answer
        if status >= 500:
            return Answer.of({"message": "Server Error"}, status)
        return refusal(status, _SAYINGS.get(status, HTTPStatus(status).phrase)).answer

    def throttles(self) -> Sequence[Throttle]:
        """Answer the secondary limit with both statuses that GitHub uses for it, and the primary one with its reset."""
        reset = int(self.clock()) + 9
        spent = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}
        primary = refusal(403, "API rate limit exceeded for user ID 1.", spent).answer
        return [
            Throttle(self._limited(403, {"retry-after": "7"}), 7),
            Throttle(self._limited(429, {"retry-after": "8"}), 8),
            Throttle(primary, reset - self.clock()),
        ]

    def consent(self) -> Consent:
        """Give a pair of tokens for the bot, whose access token sees what the sandbox's sees."""
        pair = self.oauth.issue(_CONSENTED, EVERYTHING, self.clock(), everything=True)
        client = {"client_id": _CONSENTED.client_id, "client_secret": _CONSENTED.client_secret}
        return Consent(
            {"access_token": str(pair["access_token"]), "refresh_token": str(pair["refresh_token"]), **client}
        )

    def _limited(self, status: int, headers: Mapping[str, str]) -> Answer:
        message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        return refusal(status, message, headers).answer

    def respond(self, call: Call) -> Answer:
        """Answer one request."""
        now = self.clock()
        try:
            if call.path.startswith("/login/"):
                return self.oauth.respond(call, now)
            if call.path.startswith("/applications/") and call.method == "DELETE":
                return self.oauth.revoke(call, call.path.split("/")[2])
            return self._api(call, now)
        except Refusal as error:
            raise Refusal(self._finished(call, error.answer, {}, now)) from error

    def _api(self, call: Call, now: float) -> Answer:
        _check_headers(call)
        caller = self.access.caller(call.headers.get("authorization"), now)
        path = self.vendor_path(call.path)
        if path == "/rate_limit":
            return self._finished(call, self._rate_limit(caller, now), {}, now)
        kind = "search" if path.startswith("/search/") else "core"
        told = self.rates.spend(caller.key, kind, now, write=call.method in _WRITES)
        try:
            answer = self._handle(call, path, caller, now)
        except Refusal as error:
            answer = error.answer
            call.changed = False
        return self._finished(call, answer, told | _scopes(caller), now)

    def _handle(self, call: Call, path: str, caller: Caller, now: float) -> Answer:
        found = None if path.endswith("/") else self._routes.find(call.method, path)
        if found is None:
            raise not_found()
        route, call.values = found
        prefix = ENTERPRISE if call.path.startswith(ENTERPRISE) else ""
        ask = Ask(call, self.world, caller, self.access, Site(call.root + prefix, call.root), now)
        if route.needs:
            # A repository that is hidden is not found, whatever the permissions are.
            private = ask.repository().private if "repo" in call.values else True
            caller.check(route.needs, private=private)
        return route.handler(ask)

    def _rate_limit(self, caller: Caller, now: float) -> Answer:
        shown: dict[str, dict[str, int]] = {}
        for kind in ("core", "search"):
            told = headers(self.rates.budget(caller.key, kind, now), kind)
            shown[kind] = {name: int(told[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset", "used")}
        return Answer.of({"resources": shown, "rate": shown["core"]})

    def _finished(self, call: Call, answer: Answer, told: dict[str, str], now: float) -> Answer:
        request = hashlib.sha256(f"{now}{call.method}{call.path}{id(call)}".encode()).hexdigest()
        version = call.headers.get("x-github-api-version", VERSIONS[0])
        more = {
            **told,
            "x-github-request-id": request[:24].upper(),
            "x-github-media-type": "github.v3; format=json",
            "x-github-api-version-selected": version,
        }
        if answer.status == 200 and call.method == "GET":
            tag = f'W/"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
            more["etag"] = tag
            if call.headers.get("if-none-match") == tag:
                return Answer(304, b"", more)
        return Answer(answer.status, answer.body, {**more, **answer.headers})


def _check_headers(call: Call) -> None:
    if not call.headers.get("user-agent"):
        text = b"Request forbidden by administrative rules. Please make sure your request has a User-Agent header."
        raise Refusal(Answer(403, text, {"content-type": "text/plain"}))
    version = call.headers.get("x-github-api-version")
    if version is not None and version not in VERSIONS:
        raise refusal(400, f'The API version "{version}" is not supported.')


def _scopes(caller: Caller) -> dict[str, str]:
    if caller.kind != "user" or caller.scopes is None:
        return {}
    return {"x-oauth-scopes": ", ".join(sorted(caller.scopes)), "x-accepted-oauth-scopes": "repo"}
