"""`/v1/admin/tenants` and the environments in them."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.admin.roles import Right
from gateway.admin.tenants import EnvironmentChange, NewEnvironment, NewTenant, TenantChange
from gateway.http.admin.visit import Visit

if TYPE_CHECKING:
    from gateway.http.admin.door import AdminDoor

_PATH = "/v1/admin/tenants"


def routes(door: "AdminDoor") -> list[web.RouteDef]:
    """Return the routes of tenants and environments."""
    return [*_tenants(door), *_environments(door)]


def _tenants(door: "AdminDoor") -> list[web.RouteDef]:
    service = door.services.tenants

    async def create(visit: Visit, wanted: NewTenant) -> web.StreamResponse:
        return visit.created(await service.create(visit.by, wanted))

    async def listed(visit: Visit) -> web.StreamResponse:
        return visit.listed(await service.page(visit.admin, visit.slice()))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get(visit.place.tenant))

    async def update(visit: Visit, change: TenantChange) -> web.StreamResponse:
        return visit.found(await service.update(visit.by, visit.place.tenant, change, visit.version()))

    return [
        door.write("POST", _PATH, Right.OPERATE, NewTenant, create),
        door.route("GET", _PATH, Right.READ, listed, parameters=("limit", "cursor")),
        door.route("GET", f"{_PATH}/{{tenant}}", Right.READ, get),
        door.write("PATCH", f"{_PATH}/{{tenant}}", Right.OWN, TenantChange, update),
    ]


def _environments(door: "AdminDoor") -> list[web.RouteDef]:
    service = door.services.tenants
    path = f"{_PATH}/{{tenant}}/environments"

    async def create(visit: Visit, wanted: NewEnvironment) -> web.StreamResponse:
        return visit.created(await service.create_environment(visit.by, visit.place.tenant, wanted))

    async def listed(visit: Visit) -> web.StreamResponse:
        return visit.listed(await service.list_environments(visit.admin, visit.place.tenant, visit.slice()))

    async def get(visit: Visit) -> web.StreamResponse:
        return visit.found(await service.get_environment(visit.place))

    async def update(visit: Visit, change: EnvironmentChange) -> web.StreamResponse:
        return visit.found(await service.update_environment(visit.by, visit.place, change, visit.version()))

    return [
        door.write("POST", path, Right.OWN, NewEnvironment, create),
        door.route("GET", path, Right.READ, listed, parameters=("limit", "cursor")),
        door.route("GET", f"{path}/{{environment}}", Right.READ, get),
        door.write("PATCH", f"{path}/{{environment}}", Right.OWN, EnvironmentChange, update),
    ]
