"""`E/usage`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.roles import Right
from gateway.http.admin.visit import Visit
from gateway.http.response import json_response

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/usage"


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the route of usage: of the last 30 days, unless it is asked otherwise."""
    service = door.services.usage

    async def report(visit: Visit) -> web.StreamResponse:
        since, until = visit.window(30)
        return json_response(await service.report(visit.place, since, until))

    return [door.route("GET", PATH, Right.READ, report, parameters=("since", "until"))]
