"""`E/grants`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.grants import GrantChange, NewGrant
from gateway.admin.roles import Right
from gateway.http.admin.visit import Visit
from gateway.http.response import json_response

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/grants"


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of grants."""
    service = door.services.grants

    async def create(visit: Visit, wanted: NewGrant) -> web.StreamResponse:
        return visit.created(await service.create(visit.place, visit.by, wanted))

    async def listed(visit: Visit) -> web.StreamResponse:
        agent, connection = visit.text("agent"), visit.text("connection")
        found = await service.page(visit.place, visit.slice(), agent=agent, connection=connection)
        return visit.listed(found)

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.place, visit.path("grant")))

    async def update(visit: Visit, change: GrantChange) -> web.StreamResponse:
        grant = visit.path("grant")
        return visit.found(await service.update(visit.place, visit.by, grant, change, visit.version()))

    async def revoke(visit: Visit) -> web.StreamResponse:
        gone = await service.revoke(visit.place, visit.by, visit.path("grant"), visit.version())
        return json_response({"deleted": True, **gone})

    return [
        door.write("POST", PATH, Right.WRITE, NewGrant, create),
        door.route("GET", PATH, Right.READ, listed, parameters=("limit", "cursor", "agent", "connection")),
        door.route("GET", f"{PATH}/{{grant}}", Right.READ, get),
        door.write("PATCH", f"{PATH}/{{grant}}", Right.WRITE, GrantChange, update),
        door.route("DELETE", f"{PATH}/{{grant}}", Right.WRITE, revoke),
    ]
