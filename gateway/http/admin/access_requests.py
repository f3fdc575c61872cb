"""`E/access-requests`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.access_requests import AccessDecision, NewAccessRequest
from gateway.admin.roles import Right
from gateway.http.admin.visit import Visit

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/access-requests"


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of access requests. Every role may ask."""
    service = door.services.access_requests

    async def create(visit: Visit, wanted: NewAccessRequest) -> web.StreamResponse:
        return visit.created(await service.create(visit.place, visit.by, wanted))

    async def listed(visit: Visit) -> web.StreamResponse:
        status = visit.text("status", ("pending", "granted", "refused"))
        return visit.listed(await service.page(visit.place, visit.slice(), status=status))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.place, visit.path("request")))

    async def decide(visit: Visit, decision: AccessDecision) -> web.StreamResponse:
        asked = visit.path("request")
        return visit.found(await service.decide(visit.place, visit.by, asked, decision, visit.version()))

    return [
        door.write("POST", PATH, Right.READ, NewAccessRequest, create),
        door.route("GET", PATH, Right.READ, listed, parameters=("limit", "cursor", "status")),
        door.route("GET", f"{PATH}/{{request}}", Right.READ, get),
        door.write("POST", f"{PATH}/{{request}}/decide", Right.WRITE, AccessDecision, decide),
    ]
