"""What every admin route shares: authentication, rights, problems. Each resource has a file beside this one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from connectors.sdk.errors import ActionError, Internal
from connectors.sdk.hosts import Network
from gateway.admin.access_requests import AccessRequests
from gateway.admin.agents import Agents
from gateway.admin.audit import Audit
from gateway.admin.calls import Calls
from gateway.admin.connections import Connections
from gateway.admin.control import By
from gateway.admin.decisions import Decisions
from gateway.admin.freezes import FreezeSwitch
from gateway.admin.grants import Grants
from gateway.admin.issuers import Issuers
from gateway.admin.keys import Keys
from gateway.admin.resolution import Resolver
from gateway.admin.roles import Admin, Right
from gateway.admin.rows import Place
from gateway.admin.tenants import Tenants
from gateway.admin.timelines import Timelines
from gateway.admin.tokens import AdminTokens
from gateway.admin.usage import Usage
from gateway.clock import Clock
from gateway.cursor import Cursors
from gateway.fault import log_fault
from gateway.http.admin import (
    access_requests,
    agents,
    approvals,
    audit,
    calls,
    connections,
    freezes,
    grants,
    issuers,
    keys,
    runs,
    tenants,
    tokens,
    usage,
)
from gateway.http.admin.visit import Visit
from gateway.http.request import address_of, bearer, check_parameters, read_object, typed
from gateway.http.response import problem_response
from gateway.ids import new_id

BodyT = TypeVar("BodyT", bound=BaseModel)
Handler = Callable[[Visit], Awaitable[web.StreamResponse]]
BodyHandler = Callable[[Visit, BodyT], Awaitable[web.StreamResponse]]
Route = Callable[[web.Request], Awaitable[web.StreamResponse]]
Intake = Callable[[str], None]
ROOT = "/v1/admin"
TENANT = f"{ROOT}/tenants/{{tenant}}"
PLACE = f"{TENANT}/environments/{{environment}}"
_GROUPS = (
    tokens,
    tenants,
    agents,
    keys,
    connections,
    grants,
    issuers,
    access_requests,
    freezes,
    approvals,
    calls,
    runs,
    audit,
    usage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the routes ask."""

    tokens: AdminTokens
    tenants: Tenants
    agents: Agents
    keys: Keys
    connections: Connections
    grants: Grants
    issuers: Issuers
    access_requests: AccessRequests
    freezes: FreezeSwitch
    decisions: Decisions
    calls: Calls
    resolver: Resolver
    timelines: Timelines
    audit: Audit
    usage: Usage


@dataclass(frozen=True, slots=True)
class Described:
    """A route as the API's document tells of it. `does` is a verb."""

    method: str
    path: str
    right: Right
    does: str
    parameters: tuple[str, ...] = ()
    body: type[BaseModel] | None = None


class AdminDoor:
    """Lets admins in. `intake` takes a caller's share before all else, by a name, and raises `RateLimited`."""

    def __init__(
        self,
        services: Services,
        cursors: Cursors,
        clock: Clock,
        proxies: tuple[Network, ...] = (),
        intake: Intake | None = None,
    ) -> None:
        self.services = services
        self._cursors = cursors
        self._clock = clock
        self._proxies = proxies
        self._intake = intake
        self.described: list[Described] = []

    def routes(self) -> list[web.RouteDef]:
        """Return all routes below `/v1/admin`."""
        return [route for group in _GROUPS for route in group.routes(self)]

    def write(
        self,
        method: str,
        path: str,
        right: Right,
        model: type[BodyT],
        handler: BodyHandler[BodyT],
        *,
        empty: bool = False,
    ) -> web.RouteDef:
        """Return a route that reads a typed body; `empty` lets a missing one stand for `{}`."""

        async def read(visit: Visit) -> web.StreamResponse:
            return await handler(visit, typed(model, await read_object(visit.request, empty=empty)))

        return self._route(Described(method, path, right, handler.__name__, body=model), read)

    def route(
        self, method: str, path: str, right: Right, handler: Handler, *, parameters: tuple[str, ...] = ()
    ) -> web.RouteDef:
        """Return a route that asks for a right where its path says. `parameters` may stand in its query."""
        return self._route(Described(method, path, right, handler.__name__, parameters), handler)

    def _route(self, described: "Described", handler: Handler) -> web.RouteDef:
        self.described.append(described)

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._answered(request, described.right, handler, described.parameters)

        return web.route(described.method, described.path, handle)

    async def _answered(
        self, request: web.Request, right: Right, handler: Handler, parameters: tuple[str, ...]
    ) -> web.StreamResponse:
        try:
            visit = await self._admit(request, right)
            check_parameters(request, parameters)
            return await handler(visit)
        except ActionError as error:
            return problem_response(error)
        except Exception as error:
            trace = new_id("trace").removeprefix("trace_")
            log_fault(error, trace)
            fault = Internal("Something failed on our side.", hint=f"Name the trace {trace} to support.")
            return problem_response(fault, {"Gatehouse-Trace": trace})

    async def _admit(self, request: web.Request, right: Right) -> Visit:
        """Learn who asks, and whether they may here. What they may not see is not there."""
        address = address_of(request, self._proxies)
        if self._intake is not None:
            self._intake(f"address:{address}")
        admin = await self.services.tokens.authenticate(bearer(request))
        tenant, environment = request.match_info.get("tenant"), request.match_info.get("environment")
        _check_right(admin, right, tenant, environment, request.method)
        place = Place(tenant or "", environment or "")
        if environment is not None:
            await self.services.tenants.get_environment(place)
        elif tenant is not None:
            await self.services.tenants.get(tenant)
        return Visit(request, By(admin, address), place, self._cursors, self._clock)


def described(clock: Clock) -> list[Described]:
    """Return all routes as the API's document tells of them. Nothing behind them is opened."""
    nothing: Any = SimpleNamespace(**dict.fromkeys(Services.__dataclass_fields__))
    door = AdminDoor(nothing, Cursors(bytes(32), lambda: 0.0), clock)
    door.routes()
    return door.described


def _check_right(admin: Admin, right: Right, tenant: str | None, environment: str | None, method: str) -> None:
    if tenant is None:
        admin.check(right, admin.tenant, admin.environment)
        return
    admin.check(right, tenant, environment)
    if environment is None and method != "GET":
        admin.check_whole_tenant()
