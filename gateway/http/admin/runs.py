"""`E/runs`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.roles import Right
from gateway.admin.timelines import RunQuery
from gateway.http.admin.visit import Visit
from gateway.http.response import json_response

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/runs"
_FILTERS = ("agent", "actor", "status", "since", "until")


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of runs."""
    service = door.services.timelines

    async def search(visit: Visit) -> web.StreamResponse:
        status = visit.text("status", ("open", "closed"))
        wanted = RunQuery(
            agent=visit.text("agent"),
            actor=visit.text("actor"),
            open=None if status is None else status == "open",
            since=visit.time("since"),
            until=visit.time("until"),
        )
        return visit.listed(await service.search(visit.place, wanted, visit.slice()))

    async def timeline(visit: Visit) -> web.StreamResponse:
        run, after = await service.get(visit.place, visit.path("run"), visit.slice())
        return json_response({**run, "next_cursor": visit.sealed(after)})

    return [
        door.route("GET", PATH, Right.READ, search, parameters=("limit", "cursor", *_FILTERS)),
        door.route("GET", f"{PATH}/{{run}}", Right.READ, timeline, parameters=("limit", "cursor")),
    ]
