"""`/v1/admin/tokens`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.roles import Right
from gateway.admin.tokens import NewToken
from gateway.http.admin.visit import Visit
from gateway.http.response import json_response

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of admin tokens."""
    service = door.services.tokens
    path = "/v1/admin/tokens"

    async def create(visit: Visit, wanted: NewToken) -> web.StreamResponse:
        visit.admin.check(Right.OWN, wanted.tenant, wanted.environment)
        return visit.created(await service.create(visit.by, wanted))

    async def listed(visit: Visit) -> web.StreamResponse:
        return visit.listed(await service.page(visit.admin, visit.slice()))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.admin, visit.path("token")))

    async def revoke(visit: Visit) -> web.StreamResponse:
        gone = await service.revoke(visit.by, visit.path("token"), visit.version())
        return json_response({"deleted": True, **gone})

    return [
        door.write("POST", path, Right.OWN, NewToken, create),
        door.route("GET", path, Right.OWN, listed, parameters=("limit", "cursor")),
        door.route("GET", f"{path}/{{token}}", Right.OWN, get),
        door.route("DELETE", f"{path}/{{token}}", Right.OWN, revoke),
    ]
