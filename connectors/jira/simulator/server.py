"""The simulated Jira Cloud: from a request to its answer, in the order that Atlassian checks things."""

import hashlib
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import ClassVar

import orjson

from connectors.jira.simulator import (
    attachments,
    comments,
    fields,
    issues,
    links,
    people,
    projects,
    search,
    workflow,
    worklogs,
)
from connectors.jira.simulator.access import CLOUD_ID, EVERYTHING, Access, OAuthApp, Token
from connectors.jira.simulator.ask import Ask
from connectors.jira.simulator.limits import Limits, RateLimits
from connectors.jira.simulator.oauth import OAuth
from connectors.jira.simulator.refusals import gateway, refusal
from connectors.jira.simulator.routing import Route
from connectors.jira.simulator.seed import AGENT, seeded
from connectors.jira.simulator.world import World
from connectors.sdk.simulator import Answer, Call, Consent, Refusal, Routes, Simulator, Throttle

SANDBOX_TOKEN = "jira_sandbox"
_CONSENTED = OAuthApp("consented", "consented-secret", "https://gatehouse.example/callback")
_CLOUD = re.compile(r"^/ex/jira/([^/]+)")
_VERSION = re.compile(r"^/rest/api/(2|3|latest)(?=/)")
_RESOURCES = (attachments, comments, fields, issues, links, people, projects, search, workflow, worklogs)


class JiraSimulator(Simulator):
    """Jira's platform REST API at the site, and below `/ex/jira/{cloudid}` as at `api.atlassian.com`.

    `jira_sandbox` is an API token of `agent`, as Basic or Bearer; `tokens` and `oauth_apps` add others. `index_lag`
    is how many seconds a search is behind. `world` is the state: a test may look into it, and change it without that
    counting as an effect.
    """

    credential: ClassVar[Mapping[str, str]] = {"username": AGENT.email, "token": SANDBOX_TOKEN}

    world: World

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        tokens: Sequence[Token] = (),
        oauth_apps: Sequence[OAuthApp] = (),
        limits: Limits | None = None,
        index_lag: float = 0.0,
    ) -> None:
        super().__init__(ssl_context=ssl_context, clock=clock)
        self.index_lag = index_lag
        self._tokens = {token.value: token for token in (Token(SANDBOX_TOKEN), *tokens)}
        self._apps = {app.client_id: app for app in (_CONSENTED, *oauth_apps)}
        self._limits = limits or Limits()
        self._routes: Routes[Route] = Routes(
            (route.method, route.template, route) for module in _RESOURCES for route in module.ROUTES
        )
        self.seed()

    def seed(self) -> None:
        """Go back to the first state; tokens that were issued since are gone."""
        self.world = seeded(self.clock())
        self.access = Access(self._tokens)
        self.rates = RateLimits(self._limits)
        self.oauth = OAuth(self._apps, self.access)

    def vendor_path(self, path: str) -> str:
        """Leave the gateway's prefix out."""
        return _CLOUD.sub("", path)

    def marker_of(self, call: Call) -> str | None:
        """Return the first entity property of a body, as `key:value`: what an app leaves to find things again."""
        if b'"properties"' not in call.body:
            return super().marker_of(call)
        try:
            body = orjson.loads(call.body)
        except orjson.JSONDecodeError:
            return None
        for first in body.get("properties") or ():
            return f"{first.get('key')}:{first.get('value')}"
        return None

    def broken(self, status: int) -> Answer:
        """Answer a fault as Jira would, and a 401 as the gateway before it."""
        if status == 401:
            return gateway(401, "Unauthorized").answer
        if status == 429:
            return self._limited({"retry-after": "1"})
        if status == 400:
            return refusal(400, summary="The value is not valid.").answer
        return refusal(status, HTTPStatus(status).phrase).answer

    def throttles(self) -> Sequence[Throttle]:
        """Answer a 429 that names the seconds, and one that names the moment from which on it serves again."""
        reset = datetime.fromtimestamp(int(self.clock()) + 9, UTC)
        return [
            Throttle(self._limited({"retry-after": "7"}), 7),
            Throttle(self._limited({"x-ratelimit-reset": reset.isoformat()}), reset.timestamp() - self.clock()),
        ]

    def consent(self) -> Consent:
        """Give a pair of tokens for the agent. They work below the cloud's id only."""
        pair = self.oauth.issue(_CONSENTED, EVERYTHING, self.clock())
        client = {"client_id": _CONSENTED.client_id, "client_secret": _CONSENTED.client_secret}
        tokens = {name: str(pair[name]) for name in ("access_token", "refresh_token")}
        return Consent({**tokens, **client}, root=f"/ex/jira/{CLOUD_ID}")

    def _limited(self, headers: Mapping[str, str]) -> Answer:
        body = {"errorMessages": ["Rate limit exceeded."], "errors": {}, "status": 429}
        return Answer.of(body, 429, {"ratelimit-reason": "jira-burst-based", **headers})

    def respond(self, call: Call) -> Answer:
        """Answer one request."""
        now = self.clock()
        if call.path == "/authorize" or call.path.startswith("/oauth/"):
            return self.oauth.respond(call, now)
        answer = self._api(call, now)
        trace = hashlib.sha256(f"{now}{call.method}{call.path}{id(call)}".encode()).hexdigest()[:32]
        return Answer(answer.status, answer.body, {"atl-traceid": trace, **answer.headers})

    def _api(self, call: Call, now: float) -> Answer:
        cloud = _CLOUD.match(call.path)
        path = self.vendor_path(call.path)
        if cloud is not None and cloud.group(1) != CLOUD_ID:
            raise gateway(404, "No message available")
        token = self.access.caller(call.headers.get("authorization"), now, cloud=cloud.group(1) if cloud else None)
        version = _VERSION.match(path)
        found = self._routes.find(call.method, path[version.end() :]) if version else None
        if found is None or version is None:
            raise refusal(404, "null for uri: " + path)
        route, call.values = found
        if token.scopes is not None and route.needs and route.needs not in token.scopes:
            raise gateway(401, "Unauthorized; scope does not match")
        told = self.rates.spend(f"{call.method} {route.template}", now, app=token.scopes is not None)
        root = call.root + (cloud.group(0) if cloud else "")
        ask = Ask(call, self.world, token, now, root, 3 if version.group(1) == "3" else 2, self.index_lag)
        try:
            answer = route.handler(ask)
        except Refusal as error:
            raise Refusal(_with(error.answer, told)) from error
        return _with(answer, told)


def _with(answer: Answer, headers: dict[str, str]) -> Answer:
    return Answer(answer.status, answer.body, {**headers, **answer.headers})
