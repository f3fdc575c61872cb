"""`E/agents`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.agents import AgentChange, NewAgent
from gateway.admin.roles import Right
from gateway.http.admin.visit import Visit

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/agents"


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of agents."""
    service = door.services.agents

    async def create(visit: Visit, wanted: NewAgent) -> web.StreamResponse:
        return visit.created(await service.create(visit.place, visit.by, wanted))

    async def listed(visit: Visit) -> web.StreamResponse:
        return visit.listed(await service.page(visit.place, visit.slice()))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.place, visit.path("agent")))

    async def update(visit: Visit, change: AgentChange) -> web.StreamResponse:
        agent = visit.path("agent")
        return visit.found(await service.update(visit.place, visit.by, agent, change, visit.version()))

    return [
        door.write("POST", PATH, Right.WRITE, NewAgent, create),
        door.route("GET", PATH, Right.READ, listed, parameters=("limit", "cursor")),
        door.route("GET", f"{PATH}/{{agent}}", Right.READ, get),
        door.write("PATCH", f"{PATH}/{{agent}}", Right.WRITE, AgentChange, update),
    ]
