"""Tenants and their environments."""

from typing import Any, Literal

import orjson
from pydantic import Field
from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping, select

from connectors.sdk.errors import Conflict
from gateway.admin.control import By, Control, check_version
from gateway.admin.data_keys import DataKeys, keep
from gateway.admin.roles import Admin
from gateway.admin.rows import Page, Place, Shown, Slice, in_order, insert, missing, update
from gateway.admin.wanted import Change, Domain, Slug, Title, Wanted
from gateway.clock import stamp
from gateway.ledger.schema import environments, tenants

WhenStateIsGone = Literal["continue", "stop"]


class NewTenant(Wanted):
    """A tenant. `domains` are its own: mail to them stays in the company. `when_state_is_gone` says what its writes do
    while replicas cannot share limits: go on under each replica's share of them, or stop.
    """

    id: Slug
    title: Title | None = None
    domains: list[Domain] = Field(default_factory=list)
    when_state_is_gone: WhenStateIsGone = "continue"


class TenantChange(Change):
    """What may change of a tenant."""

    title: Title | None = None
    domains: list[Domain] | None = None
    when_state_is_gone: WhenStateIsGone | None = None


class NewEnvironment(Wanted):
    """An environment."""

    id: Slug
    title: Title | None = None


class EnvironmentChange(Change):
    """What may change of an environment."""

    title: Title


class Tenants:
    """Makes tenants with their data keys, and environments in them."""

    def __init__(self, control: Control, data_keys: DataKeys) -> None:
        self._control = control
        self._data_keys = data_keys

    async def create(self, by: By, wanted: NewTenant) -> Shown:
        """Make a tenant and its data key. Raises `Conflict` where it is there, `SecretStoreUnavailable`."""
        row = {
            "id": wanted.id,
            "title": wanted.title or wanted.id,
            "domains": orjson.dumps(wanted.domains).decode(),
            "when_state_is_gone": wanted.when_state_is_gone,
            "version": 1,
            "created_at": stamp(self._control.clock.now()),
        }
        async with self._data_keys.lock:
            if await self._row(wanted.id) is not None:
                raise Conflict(f"The tenant {wanted.id} is there already.")
            key = await self._data_keys.make(wanted.id)

            def job(rows: Rows) -> None:
                insert(rows, tenants, row, f"The tenant {wanted.id} is there already.")
                keep(rows, key)

            try:
                await self._control.change(job, by, "tenant.create", wanted.id, tenant=wanted.id, after=_tenant(row))
            except Conflict:  # another replica was first, and its key is the one that counts
                await self._data_keys.load()
                raise
        return _tenant(row)

    async def get(self, id: str) -> Shown:
        """Return a tenant. Raises `NotFound`."""
        return _tenant(await self._found(id))

    async def page(self, admin: Admin, part: Slice) -> Page:
        """Return the tenants that the admin sees, by id."""
        query = select(tenants) if admin.tenant is None else select(tenants).where(tenants.c.id == admin.tenant)

        def job(rows: Rows) -> Page:
            found, after = in_order(rows, query, tenants.c.id, part)
            return Page([_tenant(row) for row in found], after)

        return await self._control.database.read(job)

    async def update(self, by: By, id: str, change: TenantChange, version: int | None) -> Shown:
        """Change title, domains or what writes do while state is gone. Raises `NotFound`, `PreconditionFailed`."""
        row = await self._found(id)
        check_version(row["version"], version)
        given = {name: value for name, value in change.given().items() if value is not None}
        values = {**given, "domains": orjson.dumps(given.get("domains", orjson.loads(row["domains"]))).decode()}
        after = {**_tenant(row), **given, "version": row["version"] + 1}
        await self._control.change(
            lambda rows: update(rows, tenants, row, values),
            by,
            "tenant.update",
            id,
            tenant=id,
            before=_tenant(row),
            after=after,
        )
        return after

    async def create_environment(self, by: By, tenant: str, wanted: NewEnvironment) -> Shown:
        """Make an environment. Raises `Conflict` where it is there."""
        row = {
            "tenant": tenant,
            "environment": wanted.id,
            "title": wanted.title or wanted.id,
            "version": 1,
            "created_at": stamp(self._control.clock.now()),
        }
        await self._control.change(
            lambda rows: insert(rows, environments, row, f"The environment {wanted.id} is there already."),
            by,
            "environment.create",
            wanted.id,
            tenant=tenant,
            environment=wanted.id,
            after=_environment(row),
        )
        return _environment(row)

    async def get_environment(self, place: Place) -> Shown:
        """Return an environment. Raises `NotFound`."""
        return _environment(await self._found_environment(place))

    async def list_environments(self, admin: Admin, tenant: str, part: Slice) -> Page:
        """Return the environments of a tenant that the admin sees, by id."""
        query = select(environments).where(environments.c.tenant == tenant)
        if admin.environment is not None:
            query = query.where(environments.c.environment == admin.environment)

        def job(rows: Rows) -> Page:
            found, after = in_order(rows, query, environments.c.environment, part)
            return Page([_environment(row) for row in found], after)

        return await self._control.database.read(job)

    async def update_environment(self, by: By, place: Place, change: EnvironmentChange, version: int | None) -> Shown:
        """Change the title. Raises `NotFound`, `PreconditionFailed`."""
        row = await self._found_environment(place)
        check_version(row["version"], version)
        after = {**_environment(row), "title": change.title, "version": row["version"] + 1}

        def job(rows: Rows) -> None:
            c = environments.c
            where = (c.tenant == place.tenant, c.environment == place.environment, c.version == row["version"])
            statement = environments.update().where(*where).values(title=change.title, version=row["version"] + 1)
            if rows.execute(statement).rowcount == 0:
                raise Conflict("It changed while this change was made.", hint="Read it again.")

        await self._control.change(
            job,
            by,
            "environment.update",
            place.environment,
            tenant=place.tenant,
            environment=place.environment,
            before=_environment(row),
            after=after,
        )
        return after

    async def _row(self, id: str) -> RowMapping | None:
        query = select(tenants).where(tenants.c.id == id)
        return await self._control.database.read(lambda rows: rows.execute(query).mappings().first())

    async def _found(self, id: str) -> RowMapping:
        row = await self._row(id)
        if row is None:
            raise missing("tenant", id)
        return row

    async def _found_environment(self, place: Place) -> RowMapping:
        c = environments.c
        query = select(environments).where(c.tenant == place.tenant, c.environment == place.environment)
        row = await self._control.database.read(lambda rows: rows.execute(query).mappings().first())
        if row is None:
            raise missing("environment", place.environment)
        return row


def _tenant(row: "RowMapping | dict[str, Any]") -> Shown:
    return {
        "id": row["id"],
        "title": row["title"],
        "domains": orjson.loads(row["domains"]),
        "when_state_is_gone": row["when_state_is_gone"],
        "version": row["version"],
        "created_at": row["created_at"],
    }


def _environment(row: "RowMapping | dict[str, Any]") -> Shown:
    return {
        "id": row["environment"],
        "tenant": row["tenant"],
        "title": row["title"],
        "version": row["version"],
        "created_at": row["created_at"],
    }
