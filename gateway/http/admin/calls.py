"""`E/calls`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.calls import CallQuery
from gateway.admin.resolution import Resolution
from gateway.admin.roles import Right
from gateway.ending import TERMINAL
from gateway.http.admin.visit import Visit

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/calls"
_FILTERS = ("agent", "action", "status", "connection", "run", "since", "until")
_STATUSES = (*sorted(TERMINAL), "pending_approval", "queued", "running")


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of calls."""
    service, resolver = door.services.calls, door.services.resolver

    async def search(visit: Visit) -> web.StreamResponse:
        wanted = CallQuery(
            agent=visit.text("agent"),
            action=visit.text("action"),
            status=visit.text("status", _STATUSES),
            connection=visit.text("connection"),
            run=visit.text("run"),
            since=visit.time("since"),
            until=visit.time("until"),
        )
        return visit.listed(await service.search(visit.place, wanted, visit.slice()))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.place, visit.path("call")))

    async def resolve(visit: Visit, said: Resolution) -> web.StreamResponse:
        await resolver.resolve(visit.place, visit.by, visit.path("call"), said)
        return visit.found(await service.get(visit.place, visit.path("call")))

    return [
        door.route("GET", PATH, Right.READ, search, parameters=("limit", "cursor", *_FILTERS)),
        door.route("GET", f"{PATH}/{{call}}", Right.READ, get),
        door.write("POST", f"{PATH}/{{call}}/resolve", Right.WRITE, Resolution, resolve),
    ]
