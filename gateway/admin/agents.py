"""Agents: non-human callers, their limits, and whether they may call at all."""

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field
from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping

from gateway.admin.control import By, Control, check_version
from gateway.admin.rows import Page, Place, Shown, Slice, find, insert, missing, newest, scoped, update
from gateway.admin.wanted import Change, Text, Wanted, Whole, refused
from gateway.body import escape
from gateway.clock import stamp
from gateway.ids import new_id
from gateway.ledger.schema import agents
from gateway.registry import Registry


def _name(value: str) -> str:
    if value.startswith("agt_"):
        raise ValueError("must not begin like an agent's id")
    return value


AgentName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$"), AfterValidator(_name)]
Limits = dict[str, Annotated[Whole, Field(ge=1, le=1_000_000)]]
_LIMITS = ("requests_per_minute", "writes_per_minute")


class NewAgent(Wanted):
    """An agent. `limits` are per minute: `requests_per_minute`, `writes_per_minute`, `action:<name>`."""

    name: AgentName
    description: Text = ""
    limits: Limits = Field(default_factory=dict)


class AgentChange(Change):
    """What may change of an agent. A disabled one is refused at once, with all its keys."""

    name: AgentName | None = None
    description: Text | None = None
    limits: Limits | None = None
    disabled: bool | None = None


class Agents:
    """Makes, finds and changes agents."""

    def __init__(self, control: Control, registry: Registry) -> None:
        self._control = control
        self._registry = registry

    async def create(self, place: Place, by: By, wanted: NewAgent) -> Shown:
        """Make an agent. Raises `Conflict` where its name is in use."""
        self._check_limits(wanted.limits)
        row: dict[str, Any] = {
            "id": new_id("agt"),
            "tenant": place.tenant,
            "environment": place.environment,
            "name": wanted.name,
            "description": wanted.description,
            "limits": orjson.dumps(wanted.limits).decode(),
            "version": 1,
            "created_at": stamp(self._control.clock.now()),
            "disabled_at": None,
        }
        await self._control.change(
            lambda rows: insert(rows, agents, row, f"An agent is called {wanted.name} already."),
            by,
            "agent.create",
            row["id"],
            tenant=place.tenant,
            environment=place.environment,
            after=shown(row),
        )
        return shown(row)

    async def get(self, place: Place, reference: str) -> Shown:
        """Return an agent by id or name. Raises `NotFound`."""
        return shown(await self._found(place, reference))

    async def page(self, place: Place, part: Slice) -> Page:
        """Return the agents, newest first."""

        def job(rows: Rows) -> Page:
            found, after = newest(rows, scoped(agents, place), agents.c.id, part)
            return Page([shown(row) for row in found], after)

        return await self._control.database.read(job)

    async def update(self, place: Place, by: By, id: str, change: AgentChange, version: int | None) -> Shown:
        """Change an agent. Raises `NotFound`, `PreconditionFailed`, `Conflict`."""
        row = await self._found(place, id)
        check_version(row["version"], version)
        values = {name: value for name, value in change.given().items() if value is not None}
        if "limits" in values:
            self._check_limits(values["limits"])
            values["limits"] = orjson.dumps(values["limits"]).decode()
        disabled = values.pop("disabled", None)
        if disabled is not None:
            now = row["disabled_at"] or stamp(self._control.clock.now())
            values["disabled_at"] = now if disabled else None
        after = shown({**row, **values, "version": row["version"] + 1})
        await self._control.change(
            lambda rows: update(rows, agents, row, values),
            by,
            "agent.update",
            row["id"],
            tenant=place.tenant,
            environment=place.environment,
            before=shown(row),
            after=after,
        )
        return after

    async def _found(self, place: Place, reference: str) -> RowMapping:
        return await self._control.database.read(lambda rows: find_agent(rows, place, reference))

    def _check_limits(self, limits: Limits) -> None:
        for name in limits:
            action = name.removeprefix("action:")
            known = name in _LIMITS or (action != name and self._registry.action(action) is not None)
            if not known:
                raise refused(
                    f"/limits/{escape(name[:100])}",
                    "is no limit",
                    hint=f"Known are {', '.join(_LIMITS)} and action:<name>.",
                )


def find_agent(rows: Rows, place: Place, reference: str) -> RowMapping:
    """Return an agent by id or name. Raises `NotFound`."""
    if reference.startswith("agt_"):
        return find(rows, agents, place, reference, "agent")
    found = rows.execute(scoped(agents, place, agents.c.name == reference)).mappings().first()
    if found is None:
        raise missing("agent", reference)
    return found


def shown(row: "RowMapping | dict[str, Any]") -> Shown:
    """Return an agent's public form."""
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "limits": orjson.loads(row["limits"]),
        "disabled": row["disabled_at"] is not None,
        "disabled_at": row["disabled_at"],
        "version": row["version"],
        "created_at": row["created_at"],
    }
