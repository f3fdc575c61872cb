"""`E/freezes`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.freezes import NewFreeze
from gateway.admin.roles import Right
from gateway.http.admin.visit import Visit
from gateway.http.response import json_response

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/freezes"


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of freezes."""
    service = door.services.freezes

    async def create(visit: Visit, wanted: NewFreeze) -> web.StreamResponse:
        return visit.created(await service.create(visit.place, visit.by, wanted))

    async def listed(visit: Visit) -> web.StreamResponse:
        return visit.listed(await service.page(visit.place, visit.slice()))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.place, visit.path("freeze")))

    async def lift(visit: Visit) -> web.StreamResponse:
        gone = await service.lift(visit.place, visit.by, visit.path("freeze"))
        return json_response({"deleted": True, **gone})

    return [
        door.write("POST", PATH, Right.FREEZE, NewFreeze, create),
        door.route("GET", PATH, Right.READ, listed, parameters=("limit", "cursor")),
        door.route("GET", f"{PATH}/{{freeze}}", Right.READ, get),
        door.route("DELETE", f"{PATH}/{{freeze}}", Right.FREEZE, lift),
    ]
