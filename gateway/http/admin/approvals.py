"""`E/approvals`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.decisions import Decision
from gateway.admin.roles import Right
from gateway.http.admin.visit import Visit

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/approvals"
_STATUSES = ("pending", "approved", "denied", "expired", "cancelled")


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of approvals."""
    service = door.services.decisions

    async def listed(visit: Visit) -> web.StreamResponse:
        status = visit.text("status", _STATUSES)
        return visit.listed(await service.page(visit.place, visit.slice(), status=status))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.place, visit.path("approval")))

    async def decide(visit: Visit, decision: Decision) -> web.StreamResponse:
        return visit.found(await service.decide(visit.place, visit.by, visit.path("approval"), decision))

    return [
        door.route("GET", PATH, Right.READ, listed, parameters=("limit", "cursor", "status")),
        door.route("GET", f"{PATH}/{{approval}}", Right.READ, get),
        door.write("POST", f"{PATH}/{{approval}}/decide", Right.DECIDE, Decision, decide),
    ]
