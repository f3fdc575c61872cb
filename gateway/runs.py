"""Runs: the chain of calls and events of one piece of agent work."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from connectors.sdk.errors import RunClosed, RunNotFound
from gateway.call import Agent, Opened
from gateway.clock import Clock, stamp
from gateway.ids import new_id
from gateway.ledger.bodies import Bodies
from gateway.ledger.database import Database
from gateway.ledger.events import Events
from gateway.ledger.record import EventRow, Record, RunRow

_REMEMBERED = 20_000
_FIND = (
    "SELECT id, agent, actor, opened_at, closed_at, details, outcome FROM runs"
    " WHERE id=? AND tenant=? AND environment=?"
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `outcome` is set once it is closed."""

    id: str
    agent: str
    actor: str | None
    opened_at: str
    closed_at: str | None
    details: Mapping[str, Any]
    outcome: Mapping[str, Any] | None


class Runs:
    """Opens, joins and closes runs. Open ones that were seen lately are known without asking the ledger."""

    def __init__(self, database: Database, bodies: Bodies, events: Events, clock: Clock) -> None:
        self._database = database
        self._bodies = bodies
        self._events = events
        self._clock = clock
        self._open: OrderedDict[str, str] = OrderedDict()

    async def join(self, call: Opened) -> None:
        """Check the run that a call names, or give it one of its own. Raises `RunNotFound`, `RunClosed`."""
        named = call.asked.options.run
        if named is None:
            return
        if self._open.get(named) != call.agent.id:
            run = await self.find(call.agent, named)
            _check_open(run)
            self._remember(run.id, call.agent.id)
        call.run, call.opens_run = named, False

    async def open(self, agent: Agent, actor: str | None, details: Mapping[str, Any]) -> Run:
        """Open a run before its first call."""
        id, now = new_id("run"), stamp(self._clock.now())
        sealed = self._bodies.seal(agent.tenant, f"{id}/details", details)
        row = RunRow(id, agent.tenant, agent.environment, agent.id, actor, now, sealed)
        await self._database.commit(Record(run=row))
        self._remember(id, agent.id)
        return Run(id, agent.id, actor, now, None, details, None)

    async def find(self, agent: Agent, id: str) -> Run:
        """Return a run of the agent. Raises `RunNotFound`."""
        run = await self.find_any(agent.tenant, agent.environment, id)
        if run.agent != agent.id:
            raise _missing(id)
        return run

    async def find_any(self, tenant: str, environment: str, id: str) -> Run:
        """Return a run of any agent of the environment. Raises `RunNotFound`."""
        row = await self._database.fetch(_FIND, (id, tenant, environment), tenant=tenant)
        if row is None:
            raise _missing(id)
        details = self._bodies.open(tenant, f"{id}/details", row[5]) if row[5] else {}
        outcome = self._bodies.open(tenant, f"{id}/outcome", row[6]) if row[6] else None
        return Run(row[0], row[1], row[2], row[3], row[4], details, outcome)

    async def note(self, agent: Agent, id: str, type: str, data: Mapping[str, Any], at: str | None) -> EventRow:
        """Add one of the agent's own links. Raises `RunNotFound`, `RunClosed`."""
        _check_open(await self.find(agent, id))
        said: dict[str, Any] = {"data": data} if at is None else {"data": data, "at": at}
        event = self._events.make(
            type, self._clock.now(), said, tenant=agent.tenant, environment=agent.environment, run=id
        )
        await self._database.write(lambda rows: _still_open(rows, id), event)
        return event

    async def close(self, agent: Agent, id: str, outcome: Mapping[str, Any]) -> Run:
        """Close a run with its outcome. Raises `RunNotFound`, `RunClosed`."""
        run = await self.find(agent, id)
        _check_open(run)
        now = self._clock.now()
        sealed = self._bodies.seal(agent.tenant, f"{id}/outcome", outcome)
        event = self._events.make(
            "outcome", now, {"data": outcome}, tenant=agent.tenant, environment=agent.environment, run=id
        )

        def job(rows: Connection) -> None:
            _still_open(rows, id)
            rows.execute(
                text("UPDATE runs SET closed_at=:at, outcome=:outcome WHERE id=:id"),
                {"at": stamp(now), "outcome": sealed, "id": id},
            )

        await self._database.write(job, event)
        self._open.pop(id, None)
        return Run(run.id, run.agent, run.actor, run.opened_at, stamp(now), run.details, outcome)

    def _remember(self, id: str, agent: str) -> None:
        self._open[id] = agent
        if len(self._open) > _REMEMBERED:
            self._open.popitem(last=False)


def _check_open(run: Run) -> None:
    if run.closed_at is not None:
        raise RunClosed(f"The run {run.id} has its outcome since {run.closed_at}.", hint="Open a new run.")


def _still_open(rows: Connection, id: str) -> None:
    if rows.execute(text("SELECT closed_at FROM runs WHERE id=:id"), {"id": id}).scalar() is not None:
        raise RunClosed(f"The run {id} has its outcome.", hint="Open a new run.")


def _missing(id: str) -> RunNotFound:
    return RunNotFound(f"There is no run {id[:60]!r} of this agent.", hint="`POST /v1/runs` opens one.")
