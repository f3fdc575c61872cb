"""`E/issuers`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.issuers import IssuerChange, NewIssuer
from gateway.admin.roles import Right
from gateway.http.admin.visit import Visit
from gateway.http.response import json_response

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/issuers"


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of issuers."""
    service = door.services.issuers

    async def create(visit: Visit, wanted: NewIssuer) -> web.StreamResponse:
        return visit.created(await service.create(visit.place, visit.by, wanted))

    async def listed(visit: Visit) -> web.StreamResponse:
        return visit.listed(await service.page(visit.place, visit.slice()))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.place, visit.path("issuer")))

    async def test(visit: Visit) -> web.StreamResponse:
        return json_response(await service.test(visit.place, visit.path("issuer")))

    async def update(visit: Visit, change: IssuerChange) -> web.StreamResponse:
        issuer = visit.path("issuer")
        return visit.found(await service.update(visit.place, visit.by, issuer, change, visit.version()))

    async def delete(visit: Visit) -> web.StreamResponse:
        gone = await service.delete(visit.place, visit.by, visit.path("issuer"), visit.version())
        return json_response({"deleted": True, **gone})

    return [
        door.write("POST", PATH, Right.WRITE, NewIssuer, create),
        door.route("GET", PATH, Right.READ, listed, parameters=("limit", "cursor")),
        door.route("GET", f"{PATH}/{{issuer}}", Right.READ, get),
        door.route("POST", f"{PATH}/{{issuer}}/test", Right.WRITE, test),
        door.write("PATCH", f"{PATH}/{{issuer}}", Right.WRITE, IssuerChange, update),
        door.route("DELETE", f"{PATH}/{{issuer}}", Right.WRITE, delete),
    ]
