"""`E/agents/{a}/keys`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.keys import KeyChange, NewKey, Rotation
from gateway.admin.roles import Right
from gateway.http.admin.agents import PATH as AGENTS
from gateway.http.admin.visit import Visit
from gateway.http.response import json_response

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = f"{AGENTS}/{{agent}}/keys"


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of agents' keys."""
    service = door.services.keys

    async def create(visit: Visit, wanted: NewKey) -> web.StreamResponse:
        return visit.created(await service.create(visit.place, visit.by, visit.path("agent"), wanted))

    async def listed(visit: Visit) -> web.StreamResponse:
        return visit.listed(await service.page(visit.place, visit.path("agent"), visit.slice()))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.place, visit.path("agent"), visit.path("key")))

    async def update(visit: Visit, change: KeyChange) -> web.StreamResponse:
        agent, key = visit.path("agent"), visit.path("key")
        return visit.found(await service.update(visit.place, visit.by, agent, key, change, visit.version()))

    async def rotate(visit: Visit, rotation: Rotation) -> web.StreamResponse:
        agent, key = visit.path("agent"), visit.path("key")
        fresh = await service.rotate(visit.place, visit.by, agent, key, rotation, visit.version())
        location = visit.request.path.removesuffix(f"/{key}/rotate") + f"/{fresh['id']}"
        return json_response(fresh, 201, {"Location": location, "ETag": f'"{fresh["version"]}"'})

    async def revoke(visit: Visit) -> web.StreamResponse:
        agent, key = visit.path("agent"), visit.path("key")
        gone = await service.revoke(visit.place, visit.by, agent, key, visit.version())
        return json_response({"deleted": True, **gone})

    return [
        door.write("POST", PATH, Right.WRITE, NewKey, create, empty=True),
        door.route("GET", PATH, Right.READ, listed, parameters=("limit", "cursor")),
        door.route("GET", f"{PATH}/{{key}}", Right.READ, get),
        door.write("PATCH", f"{PATH}/{{key}}", Right.WRITE, KeyChange, update),
        door.write("POST", f"{PATH}/{{key}}/rotate", Right.WRITE, Rotation, rotate, empty=True),
        door.route("DELETE", f"{PATH}/{{key}}", Right.WRITE, revoke),
    ]
