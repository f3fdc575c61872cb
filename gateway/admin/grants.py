"""Grants: which agent may do what on which connection, and how much of it alone."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field
from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping

from connectors.sdk.errors import Conflict, InvalidInput, Issue
from gateway.admin.agents import find_agent
from gateway.admin.connection_rows import find_connection
from gateway.admin.control import By, Control, check_version
from gateway.admin.rows import Page, Place, Shown, Slice, find, newest, scoped, update
from gateway.admin.wanted import Change, Moment, Reference, Wanted, Whole, future, refused
from gateway.clock import stamp
from gateway.ids import new_id
from gateway.ledger.schema import grants
from gateway.registry import Registry
from scopes.constraint import Constraints, ConstraintSyntaxError
from scopes.grant import Autonomy
from scopes.scope import ScopeSyntaxError, UnknownScope, expand

Patterns = Annotated[list[Reference], Field(min_length=1, max_length=200)]
Rollout = Annotated[Whole, Field(ge=0, le=100)]
Days = Annotated[Whole, Field(ge=1, le=30)]


class GrantTerms(Wanted):
    """How a grant holds. `rollout` N: of 100 runs, N get `auto` and the others `approve`."""

    constraints: dict[str, Any] = Field(default_factory=dict)
    autonomy: Autonomy = Autonomy.APPROVE
    rollout: Rollout | None = None
    idempotency: Literal["required", "derive"] = "required"
    idempotency_days: Days = 1
    expires_at: Moment | None = None


class NewGrant(GrantTerms):
    """A grant. `agent` and `connection` are ids or names; `scopes` may hold patterns, which are expanded now."""

    agent: Reference
    connection: Reference
    scopes: Patterns


class GrantChange(Change):
    """What may change of a grant. Scopes that are given are expanded again, as of today."""

    scopes: Patterns | None = None
    constraints: dict[str, Any] | None = None
    autonomy: Autonomy | None = None
    rollout: Rollout | None = None
    idempotency: Literal["required", "derive"] | None = None
    idempotency_days: Days | None = None
    expires_at: Moment | None = None


class Grants:
    """Makes, changes and revokes grants."""

    def __init__(self, control: Control, registry: Registry) -> None:
        self._control = control
        self._registry = registry

    async def create(self, place: Place, by: By, wanted: NewGrant) -> Shown:
        """Make a grant. Raises `NotFound` for agent or connection, `InvalidInput` for scopes and constraints."""
        row = await self._control.database.read(lambda rows: self.row(rows, place, wanted))
        await self._change(
            lambda rows: insert_grant(rows, place, row), place, by, "grant.create", row["id"], None, shown(row)
        )
        return shown(row)

    async def get(self, place: Place, id: str) -> Shown:
        """Return a grant. Raises `NotFound`."""
        return shown(await self._found(place, id))

    async def page(self, place: Place, part: Slice, *, agent: str | None = None, connection: str | None = None) -> Page:
        """Return the grants in force or expired, newest first; revoked ones are left out."""

        def job(rows: Rows) -> Page:
            query = scoped(grants, place, grants.c.revoked_at.is_(None))
            if agent is not None:
                query = query.where(grants.c.agent == find_agent(rows, place, agent)["id"])
            if connection is not None:
                query = query.where(grants.c.connection == find_connection(rows, place, connection)["id"])
            found, after = newest(rows, query, grants.c.id, part)
            return Page([shown(row) for row in found], after)

        return await self._control.database.read(job)

    async def update(self, place: Place, by: By, id: str, change: GrantChange, version: int | None) -> Shown:
        """Change a grant. Raises `NotFound`, `PreconditionFailed`, `Conflict` for a revoked one, `InvalidInput`."""
        row = await self._found(place, id)
        check_version(row["version"], version)
        _check_not_revoked(row)
        values = await self._changed(place, row, change)
        after = shown({**row, **values, "version": row["version"] + 1})
        await self._change(
            lambda rows: update(rows, grants, row, values), place, by, "grant.update", id, shown(row), after
        )
        return after

    async def revoke(self, place: Place, by: By, id: str, version: int | None) -> Shown:
        """End a grant at once. Raises `NotFound`, `PreconditionFailed`."""
        row = await self._found(place, id)
        check_version(row["version"], version)
        if row["revoked_at"] is not None:
            return shown(row)
        values = {"revoked_at": stamp(self._control.clock.now())}
        after = shown({**row, **values, "version": row["version"] + 1})
        await self._change(
            lambda rows: update(rows, grants, row, values), place, by, "grant.revoke", id, shown(row), after
        )
        return after

    def row(self, rows: Rows, place: Place, wanted: NewGrant) -> dict[str, Any]:
        """Return the row of a new grant. Raises `NotFound`, `InvalidInput`."""
        agent = find_agent(rows, place, wanted.agent)
        connection = find_connection(rows, place, wanted.connection)
        return {
            "id": new_id("grt"),
            "tenant": place.tenant,
            "environment": place.environment,
            "agent": agent["id"],
            "connection": connection["id"],
            "patterns": _dumped(wanted.scopes),
            "scopes": _dumped(self.expanded(connection["connector"], wanted.scopes)),
            "constraints": _dumped(_constraints(wanted.constraints)),
            "autonomy": wanted.autonomy.value,
            "rollout": wanted.rollout,
            "idempotency": wanted.idempotency,
            "idempotency_days": wanted.idempotency_days,
            "expires_at": future(wanted.expires_at, self._control.clock),
            "revoked_at": None,
            "version": 1,
            "created_at": stamp(self._control.clock.now()),
        }

    def expanded(self, connector: str, patterns: list[str]) -> list[str]:
        """Return the scopes of the connector that patterns mean today. Raises `InvalidInput`."""
        known = self._registry.connectors.get(connector)
        if known is None:
            raise refused("/connection", f"is of the connector {connector}, which is not installed")
        try:
            return sorted(expand(patterns, known.scopes))
        except (ScopeSyntaxError, UnknownScope) as error:
            raise InvalidInput(str(error), issues=[Issue(str(error), pointer="/scopes")]) from error

    async def _changed(self, place: Place, row: RowMapping, change: GrantChange) -> dict[str, Any]:
        given = change.given()
        values: dict[str, Any] = {}
        if change.scopes is not None:
            connection = await self._control.database.read(lambda rows: find_connection(rows, place, row["connection"]))
            values["patterns"] = _dumped(change.scopes)
            values["scopes"] = _dumped(self.expanded(connection["connector"], change.scopes))
        if change.constraints is not None:
            values["constraints"] = _dumped(_constraints(change.constraints))
        if change.autonomy is not None:
            values["autonomy"] = change.autonomy.value
        if "expires_at" in given:
            values["expires_at"] = future(change.expires_at, self._control.clock)
        if "rollout" in given:
            values["rollout"] = change.rollout
        for name in ("idempotency", "idempotency_days"):
            if given.get(name) is not None:
                values[name] = given[name]
        return values

    async def _found(self, place: Place, id: str) -> RowMapping:
        return await self._control.database.read(lambda rows: find(rows, grants, place, id, "grant"))

    async def _change(
        self,
        job: Callable[[Rows], object],
        place: Place,
        by: By,
        what: str,
        id: str,
        before: Shown | None,
        after: Shown,
    ) -> None:
        where = {"tenant": place.tenant, "environment": place.environment}
        await self._control.change(job, by, what, id, before=before, after=after, **where)


def insert_grant(rows: Rows, place: Place, row: dict[str, Any]) -> None:
    """Insert a grant whose connection is still there. Raises `NotFound`."""
    find_connection(rows, place, row["connection"])
    rows.execute(grants.insert().values(**row))


def shown(row: "RowMapping | dict[str, Any]") -> Shown:
    """Return a grant's public form: `scopes` as they were asked for, `expanded` as they hold."""
    return {
        "id": row["id"],
        "agent": row["agent"],
        "connection": row["connection"],
        "scopes": orjson.loads(row["patterns"]),
        "expanded": orjson.loads(row["scopes"]),
        "constraints": orjson.loads(row["constraints"]),
        "autonomy": row["autonomy"],
        "rollout": row["rollout"],
        "idempotency": row["idempotency"],
        "idempotency_days": row["idempotency_days"],
        "expires_at": row["expires_at"],
        "revoked_at": row["revoked_at"],
        "version": row["version"],
        "created_at": row["created_at"],
    }


def _constraints(value: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(Constraints.from_json(value).to_json())
    except ConstraintSyntaxError as error:
        issues = [Issue(fault.message, pointer=f"/constraints{fault.pointer}") for fault in error.faults]
        first = issues[0]
        raise InvalidInput(f"{first.pointer} {first.message}.", issues=issues) from error


def _dumped(value: object) -> str:
    return orjson.dumps(value).decode()


def _check_not_revoked(row: RowMapping) -> None:
    if row["revoked_at"] is not None:
        raise Conflict("This grant was revoked.", hint="Make a new grant.")
