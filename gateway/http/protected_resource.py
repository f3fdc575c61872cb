"""What a client reads to find out who gives tokens for this gateway: OAuth 2.0 Protected Resource Metadata (RFC 9728).

A document is there for every environment that has registered an issuer, and for the addresses that environments share
only where one tenant's one environment has: no tenant speaks for another there.
"""

from typing import Any

import orjson
from aiohttp import web
from sqlalchemy import RowMapping

from connectors.sdk.errors import NotFound
from gateway.admin.issuer_rows import told_of
from gateway.admin.rows import Place
from gateway.http.challenge import WELL_KNOWN, Challenges
from gateway.http.response import json_response
from gateway.ledger.database import Database

_FRESH = {"Cache-Control": "max-age=60", "Access-Control-Allow-Origin": "*"}  # clients in browsers read it too


class ProtectedResources:
    """Serves the documents."""

    def __init__(self, database: Database, challenges: Challenges) -> None:
        self._database = database
        self._challenges = challenges

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        paths = (WELL_KNOWN, f"{WELL_KNOWN}/mcp", f"{WELL_KNOWN}/mcp/{{tenant}}/{{environment}}")
        return [web.get(path, self._answer, allow_head=False) for path in paths]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        parts = request.match_info
        place = Place(parts["tenant"], parts["environment"]) if "tenant" in parts else None
        found = await self._database.read(lambda rows: told_of(rows, place))
        if not found:
            raise NotFound(
                "No issuer of tokens is told of here.",
                hint="Use an agent key, or ask for the document of an environment:"
                f" {WELL_KNOWN}/mcp/<tenant>/<environment>.",
            )
        resource = self._challenges.root(request) + request.rel_url.raw_path.removeprefix(WELL_KNOWN)
        return json_response(_document(resource, found), headers=_FRESH)


def _document(resource: str, found: list[RowMapping]) -> dict[str, Any]:
    scopes = {scope for row in found if row["scopes_supported"] for scope in orjson.loads(row["scopes_supported"])}
    return {
        "resource": resource,
        "authorization_servers": list(dict.fromkeys(row["issuer"] for row in found)),
        **({"scopes_supported": sorted(scopes)} if scopes else {}),
        "bearer_methods_supported": ["header"],
        "resource_name": "Gatehouse",
    }
