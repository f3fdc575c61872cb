"""The simulated Salesforce: from a request to its answer, in the order that Salesforce checks things."""

import hashlib
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, ClassVar

import orjson

from connectors.salesforce.simulator import batches, org, queries, rows
from connectors.salesforce.simulator.access import USERNAME, Access, OAuthApp, Token
from connectors.salesforce.simulator.ask import Ask
from connectors.salesforce.simulator.limits import Limits, Usage
from connectors.salesforce.simulator.oauth import OAuth, user_of
from connectors.salesforce.simulator.refusals import Fault, limited, not_found, unauthenticated
from connectors.salesforce.simulator.routing import Route
from connectors.salesforce.simulator.seed import seeded
from connectors.salesforce.simulator.world import World
from connectors.sdk.simulator import Answer, Call, Consent, Refusal, Routes, Simulator, Throttle

SANDBOX_TOKEN = "salesforce_sandbox"
_CONSENTED = OAuthApp("consented", "consented-secret", "https://gatehouse.example/callback")
_BUSY = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
_REFUSALS = {
    400: ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "A validation rule of the org refuses this."),
    403: ("INSUFFICIENT_ACCESS", "insufficient access rights on object id"),
    404: ("NOT_FOUND", "The requested resource does not exist"),
    410: ("UNSUPPORTED_API_VERSION", "The requested API version is retired"),
    412: ("PRECONDITION_FAILED", "The record has been modified since the given date"),
    503: ("SERVER_UNAVAILABLE", "The server is temporarily unavailable"),
}
_RESOURCES = (batches, org, queries, rows)
_VERSIONS = range(59, 69)
_BASE = re.compile(r"(/services/data/v([0-9]{1,3})\.0)(/.*|)")
_LOGINS = frozenset({"https://login.salesforce.com", "https://test.salesforce.com"})


class SalesforceSimulator(Simulator):
    """Salesforce's REST API (versions 59 to 68) and OAuth endpoints.

    `salesforce_sandbox` is a session of `agent@acme.example`; `tokens` and `apps` add others. `index_lag` is how many
    seconds searches are behind. `instance` is the address that token answers name. `world` is the state: a test may
    look into it, and change it without that counting as an effect.
    """

    credential: ClassVar[Mapping[str, str]] = {"token": SANDBOX_TOKEN}

    world: World

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        tokens: Sequence[Token] = (),
        apps: Sequence[OAuthApp] = (),
        limits: Limits | None = None,
        index_lag: float = 0.0,
        instance: str | None = None,
        audiences: frozenset[str] = _LOGINS,
    ) -> None:
        super().__init__(ssl_context=ssl_context, clock=clock)
        self.index_lag = index_lag
        self.instance = instance
        self._audiences = audiences
        self._tokens = {token.value: token for token in (Token(SANDBOX_TOKEN, USERNAME), *tokens)}
        self._apps = {app.client_id: app for app in (_CONSENTED, *apps)}
        self._limits = limits or Limits()
        self._routes: Routes[Route] = Routes(
            (route.method, route.template, route) for module in _RESOURCES for route in module.ROUTES
        )
        self.seed()

    def seed(self) -> None:
        """Go back to the first state; tokens that were issued since are gone."""
        self.world = seeded(self.clock())
        self.access = Access(self._tokens)
        self.usage = Usage(self._limits)
        self.oauth = OAuth(self._apps, self.access, self.world, self.instance, self._audiences)

    def vendor_path(self, path: str) -> str:
        """Leave the version out."""
        match = _BASE.fullmatch(path)
        return match.group(3) if match else path

    def marker_of(self, call: Call) -> str | None:
        """Return what tells whose request this was: an external id that a client left, in the address or the body."""
        found = re.search(r"/Gateway_Key__c/([^/?]+)$", call.path)
        if found:
            return found.group(1)
        try:
            body: Any = orjson.loads(call.body) if call.body else None
        except orjson.JSONDecodeError:
            return None
        left = body.get("Gateway_Key__c") if isinstance(body, dict) else None
        return str(left) if left is not None else super().marker_of(call)

    def broken(self, status: int) -> Answer:
        """Answer a fault as Salesforce would: limits are refused with 403."""
        if status == 401:
            return unauthenticated().refusal().answer
        if status == 429:
            return limited(_BUSY).refusal().answer
        code, message = _REFUSALS.get(status, ("UNKNOWN_EXCEPTION", HTTPStatus(status).phrase))
        return Fault(code, message, status=status).refusal().answer

    def throttles(self) -> Sequence[Throttle]:
        """Refuse for too many requests at once, which end in seconds, and for those of the day. No header says so."""
        return [Throttle(limited(_BUSY).refusal().answer, 5), Throttle(limited().refusal().answer, 3600)]

    def consent(self) -> Consent:
        """Give a pair of tokens for the agent."""
        scopes = frozenset({"api", "refresh_token", "openid"})
        pair = self.oauth.issue(self.url, _CONSENTED, USERNAME, scopes, self.clock(), refreshable=True)
        client = {"client_id": _CONSENTED.client_id, "client_secret": _CONSENTED.client_secret}
        return Consent({**{name: pair[name] for name in ("access_token", "refresh_token")}, **client})

    def respond(self, call: Call) -> Answer:
        """Answer one request."""
        now = self.clock()
        if call.path.startswith(("/services/oauth2/", "/id/")):
            return self.oauth.respond(call, now)
        request = hashlib.sha256(f"{now}{call.method}{call.path}{id(call)}".encode()).hexdigest()[:32]
        told = {"date": formatdate(now, usegmt=True), "x-request-id": request}
        try:
            return _with(self._api(call, told, now), told)
        except Fault as fault:
            call.changed = False
            raise Refusal(_with(fault.refusal().answer, told)) from fault
        except Refusal as error:
            call.changed = False
            raise Refusal(_with(error.answer, told)) from error

    def _api(self, call: Call, told: dict[str, str], now: float) -> Answer:
        if call.path.rstrip("/") == "/services/data":
            shown = [
                {"label": f"v{one}", "url": f"/services/data/v{one}.0", "version": f"{one}.0"} for one in _VERSIONS
            ]
            return Answer.of(shown)
        match = _BASE.fullmatch(call.path)
        if match is None:
            raise not_found()
        if int(match.group(2)) < _VERSIONS[0]:
            raise Fault("UNSUPPORTED_API_VERSION", "The requested API version is retired", status=410)
        if int(match.group(2)) not in _VERSIONS:
            raise not_found()
        token = self.access.caller(call.headers.get("authorization"), now)
        told |= self.usage.spend(now)
        user = user_of(self.world, token.username)
        if user is None:
            raise unauthenticated()
        return self._routed(call, match.group(1), match.group(3) or "/", token, user.id, now)

    def _routed(self, call: Call, base: str, path: str, token: Token, user: str, now: float) -> Answer:
        found = self._routes.find(call.method, path)
        if found is None:
            raise self._unrouted(call.method, path)
        route, call.values = found
        if token.scopes is not None and not route.open_to(token.scopes):
            raise Fault("INSUFFICIENT_ACCESS", "The session is not authorized for this resource", status=403)
        if route.handler is org.limits:
            call.headers = {"x-used": str(self.usage.used), "x-most": str(self._limits.daily)}
        return route.handler(Ask(call, self.world, user, now, base, self.index_lag))

    def _unrouted(self, method: str, path: str) -> Fault:
        others = {"GET", "POST", "PATCH", "PUT", "DELETE"} - {method}
        if any(self._routes.find(other, path) for other in others):
            return Fault("METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed", status=405)
        return not_found()


def _with(answer: Answer, headers: Mapping[str, str]) -> Answer:
    return Answer(answer.status, answer.body, {**headers, **answer.headers})
