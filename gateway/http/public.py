"""What needs no credential: the API's document, health, readiness."""

from collections.abc import Callable, Mapping

from aiohttp import web

from connectors.sdk.errors import ActionError
from gateway.http.response import json_response
from gateway.ledger.database import Database
from gateway.openapi import document_bytes
from gateway.registry import Registry


class PublicRoutes:
    """The open routes."""

    def __init__(
        self,
        registry: Registry,
        database: Database,
        draining: Callable[[], bool],
        redis: Callable[[], bool] | None = None,
        keys: Callable[[], Mapping[str, bool]] | None = None,
    ) -> None:
        """Take what readiness asks: whether Redis answers, and what of Vault's keys is well, where there are such."""
        self._registry = registry
        self._database = database
        self._draining = draining
        self._redis = redis
        self._keys = keys
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
        """Ask each dependency; the ledger by a look-up, because nothing is sent without it.

        Without Redis the gateway serves on, under local limits: it is degraded, not out. So it is while Vault is away:
        checkpoints wait, and what cannot be unwrapped since the start.
        """
        del request
        checks = {"ledger": "ok", "serving": "draining" if self._draining() else "ok"}
        try:
            await self._database.fetch("SELECT value FROM meta WHERE name=?", ("epoch",))
        except ActionError as error:
            checks["ledger"] = error.code
        ready = all(state == "ok" for state in checks.values())
        status = "ready" if ready else "not ready"
        beside = {name: "ok" if well else "waits for Vault" for name, well in (self._keys or dict)().items()}
        if self._redis is not None:
            beside["redis"] = "ok" if self._redis() else "away"
        if ready and any(state != "ok" for state in beside.values()):
            status = "degraded"
        checks |= beside
        return json_response({"status": status, "checks": checks}, 200 if ready else 503)
