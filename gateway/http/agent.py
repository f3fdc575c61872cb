"""What every agent route shares: intake limit, authentication, problems, headers. Holds no logic of calls."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aiohttp import web

from connectors.sdk.errors import ActionError, Internal, Overloaded, Unauthenticated
from connectors.sdk.hosts import Network
from gateway.admin.directory import Directory
from gateway.allowance import Allowances
from gateway.call import Principal
from gateway.http.request import address_of, bearer
from gateway.http.response import problem_response
from gateway.limits import Charge, Limiter, Policy, headers, refuse
from gateway.telemetry import CallTrace, Telemetry

_log = structlog.get_logger("gatehouse.http")


@dataclass(slots=True)
class Visit:
    """One authenticated request."""

    request: web.Request
    principal: Principal
    address: str
    trace: CallTrace


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]


class AgentDoor:
    """Lets agents in."""

    def __init__(
        self,
        *,
        directory: Directory,
        limiter: Limiter,
        allowances: Allowances,
        telemetry: Telemetry,
        proxies: tuple[Network, ...],
        intake_per_second: int,
        concurrency: int,
    ) -> None:
        self._directory = directory
        self._limiter = limiter
        self._allowances = allowances
        self._telemetry = telemetry
        self._proxies = proxies
        self._intake = Policy("intake", intake_per_second, 1)
        self._concurrency = concurrency
        self._inside = 0

    def route(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Wrap a handler of authenticated requests."""

        async def handle(request: web.Request) -> web.StreamResponse:
            trace = self._telemetry.trace(request.headers.get("traceparent"))
            extra = {"Gatehouse-Trace": trace.id}
            self._inside += 1
            try:
                visit = await self._admit(request, trace)
            except ActionError as error:
                return problem_response(error, extra)
            else:
                response = await self._handled(handler, visit, extra)
            finally:
                self._inside -= 1
            return response

        return handle

    async def _handled(self, handler: Handler, visit: Visit, extra: dict[str, str]) -> web.StreamResponse:
        try:
            response = await handler(visit)
        except ActionError as error:
            response = problem_response(error, extra)
        except Exception as error:
            log_fault(error, visit.trace.id)
            response = problem_response(
                Internal("Something failed on our side.", hint="Name the trace to support."), extra
            )
        if not response.prepared:
            response.headers.update(extra)
            response.headers.update(headers(self._allowances.standings(visit.principal.agent)))
        return response

    async def _admit(self, request: web.Request, trace: CallTrace) -> Visit:
        """Take the caller's share of the intake, then learn who it is."""
        address = address_of(request, self._proxies)
        self._take(f"address:{address}")
        if self._inside > self._concurrency:
            raise Overloaded("The gateway is at its bound of calls at work.", retry_after_ms=1000)
        try:
            principal = await self._directory.authenticate(bearer(request), address)
        except Unauthenticated:
            self._telemetry.metrics.unauthenticated.inc()
            raise
        self._take(f"key:{principal.key}")
        return Visit(request, principal, address, trace)

    def _take(self, key: str) -> None:
        refusal = self._limiter.take([Charge(self._intake, key)])
        if refusal is not None:
            self._telemetry.metrics.refused_intake.inc()
            raise refuse(refusal)


def log_fault(error: BaseException, trace: str) -> None:
    """Log where a fault of ours is, without its text: that may hold what a caller sent."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_qualname}:{place.tb_lineno}" if place is not None else "?"
    _log.error("internal_error", kind=type(error).__name__, where=where, trace=trace)
