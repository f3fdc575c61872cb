"""What needs no credential: the API's document, health, readiness; and the edge that every answer passes."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from connectors.sdk.errors import ActionError, Internal, MalformedRequest, MethodNotAllowed, NotFound, PayloadTooLarge
from gateway.http.agent import log_fault
from gateway.http.response import json_response, problem_response
from gateway.ledger.database import Database
from gateway.openapi import document_bytes
from gateway.registry import Registry

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def edge(request: web.Request, handler: Handle) -> web.StreamResponse:
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


class PublicRoutes:
    """The open routes."""

    def __init__(self, registry: Registry, database: Database, draining: Callable[[], bool]) -> None:
        self._registry = registry
        self._database = database
        self._draining = draining
        self._document: bytes | None = None

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/openapi.json", self._openapi, allow_head=False),
            web.get("/healthz", self._healthz, allow_head=False),
            web.get("/readyz", self._readyz, allow_head=False),
        ]

    async def _openapi(self, request: web.Request) -> web.Response:
        del request
        if self._document is None:
            self._document = document_bytes(self._registry)
        return web.Response(body=self._document, content_type="application/json")

    async def _healthz(self, request: web.Request) -> web.Response:
        del request
        return json_response({"status": "ok"})

    async def _readyz(self, request: web.Request) -> web.Response:
        """Ask each dependency; the ledger by a look-up, because nothing is sent without it."""
        del request
        checks = {"ledger": "ok", "serving": "draining" if self._draining() else "ok"}
        try:
            await self._database.fetch("SELECT value FROM meta WHERE name=?", ("epoch",))
        except ActionError as error:
            checks["ledger"] = error.code
        ready = all(state == "ok" for state in checks.values())
        return json_response({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)
