"""`E/audit`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.roles import Right
from gateway.http.admin.visit import Visit
from gateway.http.request import read_object
from gateway.http.response import json_response

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/audit"


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of the audit trail."""
    service = door.services.audit

    async def listed(visit: Visit) -> web.StreamResponse:
        type, since = visit.text("type"), visit.time("since")
        return visit.listed(await service.page(visit.admin, visit.place, visit.slice(), type=type, since=since))

    async def verify(visit: Visit) -> web.StreamResponse:
        await read_object(visit.request, empty=True)
        return json_response(await service.verify(visit.admin, visit.place))

    return [
        door.route("GET", PATH, Right.READ, listed, parameters=("limit", "cursor", "type", "since")),
        door.route("POST", f"{PATH}/verify", Right.READ, verify),
    ]
