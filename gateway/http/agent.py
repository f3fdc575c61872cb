"""What every agent route shares: intake limit, authentication, problems, headers. Holds no logic of calls."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from aiohttp import web

from connectors.sdk.errors import ActionError, Internal, Overloaded, Unauthenticated
from gateway.allowance import Allowances
from gateway.answers import problem
from gateway.call import Principal
from gateway.fault import log_fault
from gateway.freeze import Freezes
from gateway.http.callers import Callers
from gateway.http.challenge import Challenges
from gateway.http.edge import ADDRESS
from gateway.http.response import problem_response
from gateway.limits import Bill, Charge, Limiter, Policy, headers
from gateway.limits import refuse as over
from gateway.telemetry import CallTrace, Telemetry


@dataclass(slots=True)
class Visit:
    """One authenticated request. `headers` gives those of an answer that is sent while it is made.

    `until` is when its credential ends (Unix seconds), `lacking` the headers of a problem that a token with more scopes
    would not have had. One that only listens may `step_aside`: it is not counted among the requests at work any more.
    """

    request: web.Request
    principal: Principal
    address: str
    trace: CallTrace
    headers: Callable[[], Mapping[str, str]]
    step_aside: Callable[[], None]
    until: float | None
    lacking: Callable[[Mapping[str, Any]], Mapping[str, str]]


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]
Refuse = Callable[[ActionError, Mapping[str, str]], web.StreamResponse]


class AgentDoor:
    """Lets agents in."""

    def __init__(
        self,
        *,
        callers: Callers,
        challenges: Challenges,
        freezes: Freezes,
        limiter: Limiter,
        allowances: Allowances,
        telemetry: Telemetry,
        intake: Policy,
        concurrency: int,
    ) -> None:
        self._callers = callers
        self._challenges = challenges
        self._freezes = freezes
        self._limiter = limiter
        self._allowances = allowances
        self._telemetry = telemetry
        self._intake = intake
        self._concurrency = concurrency
        self._inside: set[asyncio.Task[object]] = set()
        self._aside: set[asyncio.Task[object]] = set()

    def dismiss(self) -> bool:
        """End all requests that are under way: each says what it knows. Whether there were any."""
        there = self._inside | self._aside
        for task in there:
            task.cancel()
        return bool(there)

    def route(
        self, handler: Handler, *, records_freezes: bool = False, refuse: Refuse = problem_response
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Wrap a handler of authenticated requests. One that `records_freezes` asks for them itself.

        `refuse` writes what keeps a request out, and what a handler raises.
        """

        async def handle(request: web.Request) -> web.StreamResponse:
            trace = self._telemetry.trace(request.headers.get("traceparent"))
            extra = {"Gatehouse-Trace": trace.id}
            task = cast("asyncio.Task[object]", asyncio.current_task())
            self._inside.add(task)
            try:
                visit = await self._admit(request, trace)
                if not records_freezes:
                    agent = visit.principal.agent
                    self._freezes.check_caller(agent.tenant, agent.environment, agent.id)
            except ActionError as error:
                if error.status == 401:
                    extra |= self._challenges.unauthenticated(request)
                return refuse(error, extra)
            else:
                response = await self._handled(handler, refuse, visit, extra)
            finally:
                self._inside.discard(task)
                self._aside.discard(task)
            return response

        return handle

    async def _handled(
        self, handler: Handler, refuse: Refuse, visit: Visit, extra: dict[str, str]
    ) -> web.StreamResponse:
        try:
            response = await handler(visit)
        except ActionError as error:
            response = refuse(error, {**extra, **visit.lacking(problem(error))})
        except Exception as error:
            log_fault(error, visit.trace.id)
            response = refuse(Internal("Something failed on our side.", hint="Name the trace to support."), extra)
        if not response.prepared:
            response.headers.update(extra)
            response.headers.update(self._standing(visit.principal))
        return response

    async def _admit(self, request: web.Request, trace: CallTrace) -> Visit:
        """Learn who it is, then take the share of its key, or of its issuer and agent, of the intake."""
        address = request[ADDRESS]
        if len(self._inside) > self._concurrency:
            raise Overloaded("The gateway is at its bound of calls at work.", retry_after_ms=1000)
        try:
            caller = await self._callers.of(request, address)
        except Unauthenticated:
            self._telemetry.metrics.unauthenticated.inc()
            raise
        principal = caller.principal
        await self._take(f"key:{principal.key}")
        return Visit(
            request,
            principal,
            address,
            trace,
            partial(self._standing, principal),
            self._step_aside,
            caller.until,
            partial(self._challenges.lacking, request, principal),
        )

    def _step_aside(self) -> None:
        task = cast("asyncio.Task[object]", asyncio.current_task())
        if task in self._inside:
            self._inside.discard(task)
            self._aside.add(task)

    def _standing(self, principal: Principal) -> Mapping[str, str]:
        return headers(self._allowances.standings(principal.agent))

    async def _take(self, key: str) -> None:
        refusal = await self._limiter.take(Bill("", [Charge(self._intake, key)]))
        if refusal is not None:
            self._telemetry.metrics.refused_intake.inc()
            raise over(refusal)
