"""`E/access-requests`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.access_requests import AccessDecision, NewAccessRequest
from gateway.admin.roles import Right
from gateway.http.admin.visit import Visit
from gateway.http.request import read_object, typed

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/access-requests"


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of access requests. Every role may ask."""
    service = door.services.access_requests

    async def create(visit: Visit) -> web.StreamResponse:
        wanted = typed(NewAccessRequest, await read_object(visit.request))
        return visit.created(await service.create(visit.place, visit.by, wanted))

    async def listed(visit: Visit) -> web.StreamResponse:
        status = visit.text("status", ("pending", "granted", "refused"))
        return visit.listed(await service.page(visit.place, visit.slice(), status=status))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.place, visit.path("request")))

    async def decide(visit: Visit) -> web.StreamResponse:
        decision = typed(AccessDecision, await read_object(visit.request))
        asked = visit.path("request")
        return visit.found(await service.decide(visit.place, visit.by, asked, decision, visit.version()))

    return [
        door.route("POST", PATH, Right.READ, create),
        door.route("GET", PATH, Right.READ, listed, parameters=("limit", "cursor", "status")),
        door.route("GET", f"{PATH}/{{request}}", Right.READ, get),
        door.route("POST", f"{PATH}/{{request}}/decide", Right.WRITE, decide),
    ]
