"""Freezes: the kill switch, in force before it is answered."""

from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping, Select, or_, select

from gateway.admin.agents import find_agent
from gateway.admin.connection_rows import find_connection
from gateway.admin.control import By, Control
from gateway.admin.rows import Page, Place, Shown, Slice, missing, newest
from gateway.admin.wanted import Reference, Text, Wanted, refused
from gateway.clock import stamp
from gateway.ids import new_id
from gateway.ledger.schema import freezes
from gateway.registry import Registry

Kind = Literal["tenant", "environment", "connector", "connection", "agent"]


class NewFreeze(Wanted):
    """What to stop. `id` may be left out for the tenant and the environment, and be a name for the others."""

    kind: Kind
    id: Reference | None = None
    reason: Annotated[Text, Field()] = ""


class FreezeSwitch:
    """Freezes and lifts. Two freezes of one target hold until both are lifted."""

    def __init__(self, control: Control, registry: Registry) -> None:
        self._control = control
        self._registry = registry

    async def create(self, place: Place, by: By, wanted: NewFreeze) -> Shown:
        """Freeze. Raises `NotFound`, `InvalidInput`, `ScopeDenied` for a tenant by who holds one environment only."""
        if wanted.kind == "tenant":
            by.admin.check_whole_tenant()
        target = await self._control.database.read(lambda rows: self._target(rows, place, wanted))
        row: dict[str, Any] = {
            "id": new_id("frz"),
            "tenant": place.tenant,
            "environment": place.environment,
            "kind": wanted.kind,
            "target": target,
            "reason": wanted.reason,
            "created_by": by.admin.token,
            "created_at": stamp(self._control.clock.now()),
            "lifted_at": None,
        }
        await self._control.change(
            lambda rows: rows.execute(freezes.insert().values(**row)).rowcount,
            by,
            "freeze.create",
            row["id"],
            tenant=place.tenant,
            environment=place.environment,
            after=shown(row),
        )
        return shown(row)

    async def page(self, place: Place, part: Slice) -> Page:
        """Return the freezes in force here, newest first; those of the tenant too."""
        query = _here(place).where(freezes.c.lifted_at.is_(None))

        def job(rows: Rows) -> Page:
            found, after = newest(rows, query, freezes.c.id, part)
            return Page([shown(row) for row in found], after)

        return await self._control.database.read(job)

    async def get(self, place: Place, id: str) -> Shown:
        """Return a freeze, also a lifted one. Raises `NotFound`."""
        return shown(await self._found(place, id))

    async def lift(self, place: Place, by: By, id: str) -> Shown:
        """Lift a freeze. Raises `NotFound`, `ScopeDenied`."""
        row = await self._found(place, id)
        if row["kind"] == "tenant":
            by.admin.check_whole_tenant()
        if row["lifted_at"] is not None:
            return shown(row)
        after = {**shown(row), "lifted_at": stamp(self._control.clock.now())}
        statement = freezes.update().where(freezes.c.id == id).values(lifted_at=after["lifted_at"])
        await self._control.change(
            lambda rows: rows.execute(statement).rowcount,
            by,
            "freeze.lift",
            id,
            tenant=place.tenant,
            environment=place.environment,
            before=shown(row),
            after=after,
        )
        return after

    def _target(self, rows: Rows, place: Place, wanted: NewFreeze) -> str:
        own = {"tenant": place.tenant, "environment": place.environment}.get(wanted.kind)
        if own is not None:
            if wanted.id not in (None, own):
                raise refused("/id", f"must be {own}, or be left out")
            return own
        if wanted.id is None:
            raise refused("/id", f"is needed: which {wanted.kind} to freeze")
        if wanted.kind == "connector":
            if wanted.id not in self._registry.connectors:
                raise missing("connector", wanted.id)
            return wanted.id
        found = (find_agent if wanted.kind == "agent" else find_connection)(rows, place, wanted.id)
        return str(found["id"])

    async def _found(self, place: Place, id: str) -> RowMapping:
        query = _here(place).where(freezes.c.id == id)
        found = await self._control.database.read(lambda rows: rows.execute(query).mappings().first())
        if found is None:
            raise missing("freeze", id)
        return found


def shown(row: "RowMapping | dict[str, Any]") -> Shown:
    """Return a freeze's public form."""
    names = ("kind", "reason", "created_by", "created_at", "lifted_at")
    return {"id": row["id"], "target": row["target"], **{name: row[name] for name in names}}


def _here(place: Place) -> Select[Any]:
    in_place = or_(freezes.c.environment == place.environment, freezes.c.kind == "tenant")
    return select(freezes).where(freezes.c.tenant == place.tenant, in_place)
