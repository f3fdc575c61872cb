"""The edge that every request passes: the intake limit in front of everything, problems for what is refused here."""

import os
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from connectors.sdk.errors import ActionError, Internal, MalformedRequest, MethodNotAllowed, NotFound, PayloadTooLarge
from connectors.sdk.hosts import Network
from gateway.fault import log_fault
from gateway.http.request import address_of
from gateway.http.response import problem_response
from gateway.limits import Bill, Charge, Limiter, Policy, refuse
from gateway.telemetry import Metrics

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]

ADDRESS: web.RequestKey[str] = web.RequestKey("address", str)


def edge(limiter: Limiter, intake: Policy, proxies: tuple[Network, ...], metrics: Metrics) -> Middleware:
    """Return the middleware. It puts the caller's address into the request under `ADDRESS`."""

    @web.middleware
    async def pass_edge(request: web.Request, handler: Handle) -> web.StreamResponse:
        address = request[ADDRESS] = address_of(request, proxies)
        refusal = await limiter.take(Bill("", [Charge(intake, f"address:{address}")]))
        if refusal is not None:
            metrics.refused_intake.inc()
            return problem_response(refuse(refusal))
        return await _answered(request, handler)

    return pass_edge


Sign = Callable[[web.BaseRequest, web.StreamResponse], Awaitable[None]]


def sign_answer(draining: Callable[[], bool]) -> Sign:
    """Return what gives every answer a trace, and keeps aiohttp from naming itself and Python with their versions.

    While the gateway drains, an answer says that it is the last one on its connection.
    """

    async def sign(request: web.BaseRequest, response: web.StreamResponse) -> None:
        del request
        response.headers["Server"] = "gatehouse"
        if "Gatehouse-Trace" not in response.headers:
            response.headers["Gatehouse-Trace"] = os.urandom(16).hex()
        if draining():
            response.headers["Connection"] = "close"  # aiohttp has looked by now whether to say so
            response.force_close()

    return sign


async def _answered(request: web.Request, handler: Handle) -> web.StreamResponse:
    """Turn what the server itself refuses into problem documents."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as refused:
        allowed = ", ".join(sorted(refused.allowed_methods))
        error = MethodNotAllowed(f"{request.method} is not allowed here.", hint=f"Allowed are: {allowed}.")
        return problem_response(error, {"Allow": allowed})
    except web.HTTPNotFound:
        return problem_response(NotFound("There is nothing at this path.", hint="`GET /openapi.json` lists the paths."))
    except web.HTTPRequestEntityTooLarge:
        return problem_response(PayloadTooLarge("The body is too large."))
    except web.HTTPException as refused:
        if refused.status < 400:
            raise
        return problem_response(MalformedRequest(f"The request cannot be read: {refused.reason}."))
    except ActionError as error:
        return problem_response(error)
    except Exception as error:
        log_fault(error, "")
        return problem_response(Internal("Something failed on our side."))
