"""`E/connections`."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.connection_terms import ConnectionChange, NewConnection, Reconnection
from gateway.admin.roles import Right
from gateway.http.admin.visit import Visit
from gateway.http.response import json_response

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

PATH = "/v1/admin/tenants/{tenant}/environments/{environment}/connections"
# A connection's name holds a slash: it may stand in a path as it is.
_ONE = f"{PATH}/{{connection:[^/]+(?:/[^/]+)?}}"


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of connections."""
    service = door.services.connections

    async def create(visit: Visit, wanted: NewConnection) -> web.StreamResponse:
        return visit.created(await service.create(visit.place, visit.by, wanted, visit.root()))

    async def listed(visit: Visit) -> web.StreamResponse:
        connector = visit.text("connector")
        return visit.listed(await service.page(visit.place, visit.slice(), connector=connector))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.place, visit.path("connection")))

    async def update(visit: Visit, change: ConnectionChange) -> web.StreamResponse:
        connection = visit.path("connection")
        return visit.found(await service.update(visit.place, visit.by, connection, change, visit.version()))

    async def test(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.test(visit.place, visit.by, visit.path("connection")))

    async def reconnect(visit: Visit, wanted: Reconnection) -> web.StreamResponse:
        connection = visit.path("connection")
        version, root = visit.version(), visit.root()
        return visit.found(await service.reconnect(visit.place, visit.by, connection, wanted, version, root))

    async def delete(visit: Visit) -> web.StreamResponse:
        connection = visit.path("connection")
        return json_response(await service.delete(visit.place, visit.by, connection, visit.version()))

    return [
        door.write("POST", PATH, Right.CONNECT, NewConnection, create),
        door.route("GET", PATH, Right.READ, listed, parameters=("limit", "cursor", "connector")),
        door.route("POST", f"{_ONE}/test", Right.CONNECT, test),
        door.write("POST", f"{_ONE}/reconnect", Right.CONNECT, Reconnection, reconnect, empty=True),
        door.route("GET", _ONE, Right.READ, get),
        door.write("PATCH", _ONE, Right.CONNECT, ConnectionChange, update),
        door.route("DELETE", _ONE, Right.CONNECT, delete),
    ]
