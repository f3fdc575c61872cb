"""The simulated Zendesk: from a request to its answer, in the order that Zendesk checks things."""

import hashlib
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, ClassVar

import orjson

from connectors.sdk.simulator import Answer, Call, Consent, Refusal, Routes, Simulator, Throttle
from connectors.zendesk.simulator import attachments, configured, people, search, tickets
from connectors.zendesk.simulator.access import AGENT_EMAIL, Access, OAuthClient, Token
from connectors.zendesk.simulator.ask import Ask
from connectors.zendesk.simulator.idempotency import Keys
from connectors.zendesk.simulator.limits import Limits, RateLimits
from connectors.zendesk.simulator.oauth import OAuth
from connectors.zendesk.simulator.refusals import forbidden, invalid, no_endpoint, rate_limited, unauthenticated
from connectors.zendesk.simulator.routing import Route
from connectors.zendesk.simulator.seed import seeded
from connectors.zendesk.simulator.world import World

SANDBOX_TOKEN = "zendesk_sandbox"
_CONSENTED = OAuthClient("consented", "consented-secret", "https://gatehouse.example/callback")
_RESOURCES = (attachments, configured, people, search, tickets)
_ANONYMOUS = {"id": None, "name": "Anonymous user", "email": "invalid@example.com", "role": "end-user"}


class ZendeskSimulator(Simulator):
    """Zendesk's Ticketing API and OAuth endpoints, paths with and without `.json`.

    `zendesk_sandbox` is an API token of `agent@acme.example`; `tokens` and `clients` add others. `index_lag` is how
    many seconds searches are behind. `world` is the state: a test may look into it, and change it without that
    counting as an effect.
    """

    credential: ClassVar[Mapping[str, str]] = {"username": f"{AGENT_EMAIL}/token", "token": SANDBOX_TOKEN}

    world: World

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        tokens: Sequence[Token] = (),
        clients: Sequence[OAuthClient] = (),
        limits: Limits | None = None,
        index_lag: float = 0.0,
    ) -> None:
        super().__init__(ssl_context=ssl_context, clock=clock)
        self.index_lag = index_lag
        self._tokens = {token.value: token for token in (Token(SANDBOX_TOKEN), *tokens)}
        self._clients = {client.client_id: client for client in (_CONSENTED, *clients)}
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
        self.oauth = OAuth(self._clients, self.access)
        self.keys = Keys()

    def vendor_path(self, path: str) -> str:
        """Leave the ending out that older clients write."""
        return path.removesuffix(".json")

    def marker_of(self, call: Call) -> str | None:
        """Return what tells whose request this was: its idempotency key, or a ticket's first metadata."""
        key = call.headers.get("idempotency-key")
        if key or b'"metadata"' not in call.body:
            return key or super().marker_of(call)
        try:
            ticket: Any = orjson.loads(call.body).get("ticket")
        except (orjson.JSONDecodeError, AttributeError):
            return None
        left = ticket.get("metadata") if isinstance(ticket, dict) else None
        return str(next(iter(left.values()))) if isinstance(left, dict) and left else None

    def broken(self, status: int) -> Answer:
        """Answer a fault as Zendesk would."""
        if status == 401:
            return unauthenticated().answer
        if status == 403:
            return forbidden().answer
        if status == 422:
            return invalid("base", "is not valid").answer
        if status == 429:
            return rate_limited({"retry-after": "1"}).answer
        if status >= 500:
            text = "We're sorry, something went wrong."
            return Answer.of({"error": "InternalError", "description": text}, status)
        phrase = HTTPStatus(status).phrase
        return Answer.of({"error": phrase.replace(" ", ""), "description": phrase}, status)

    def throttles(self) -> Sequence[Throttle]:
        """Answer a 429, which says how many seconds to wait, in plain text as Zendesk does."""
        return [Throttle(rate_limited({"retry-after": "7"}).answer, 7)]

    def consent(self) -> Consent:
        """Give a pair of tokens for the agent."""
        pair = self.oauth.issue(_CONSENTED, frozenset({"read", "write"}), self.clock())
        client = {"client_id": _CONSENTED.client_id, "client_secret": _CONSENTED.client_secret}
        return Consent({**{name: str(pair[name]) for name in ("access_token", "refresh_token")}, **client})

    def respond(self, call: Call) -> Answer:
        """Answer one request."""
        now = self.clock()
        if call.path.startswith("/oauth/"):
            return self.oauth.respond(call, now)
        request = hashlib.sha256(f"{now}{call.method}{call.path}{id(call)}".encode()).hexdigest()[:32]
        told = {"date": formatdate(now, usegmt=True), "x-request-id": request}
        try:
            answer = self._api(call, self.vendor_path(call.path), told, now)
        except Refusal as error:
            call.changed = False
            raise Refusal(_with(error.answer, told)) from error
        return _with(answer, told)

    def _api(self, call: Call, path: str, told: dict[str, str], now: float) -> Answer:
        token = self.access.caller(call.headers.get("authorization"), now)
        told |= self.rates.spend(call.method, path, token.email if token else "", now)
        if token is None:
            if path == "/api/v2/users/me" and call.method == "GET":
                return Answer.of({"user": _ANONYMOUS})
            raise unauthenticated()
        if path == "/api/v2/oauth/tokens/current" and call.method == "DELETE":
            self.oauth.revoke(token.value)
            return Answer(204)
        found = self._routes.find(call.method, path)
        if found is None:
            raise no_endpoint()
        route, call.values = found
        if token.scopes is not None and not route.open_to(token.scopes):
            raise forbidden()
        user = self.world.user_of(token.email)
        if user is None:
            raise unauthenticated()
        return self._once(Ask(call, self.world, user, now, self.index_lag), route)

    def _once(self, ask: Ask, route: Route) -> Answer:
        """Handle a request; one for a new ticket under a key only if it is the first."""
        key = ask.call.headers.get("idempotency-key")
        if not key or route.handler is not tickets.create_ticket:
            return route.handler(ask)
        request = (ask.call.path, ask.call.body)
        kept = self.keys.look(ask.user.id, key, request, ask.now)
        return kept or self.keys.keep(ask.user.id, key, request, route.handler(ask), ask.now)


def _with(answer: Answer, headers: Mapping[str, str]) -> Answer:
    return Answer(answer.status, answer.body, {**headers, **answer.headers})
