"""A run's timeline: its events in order, each with its number in the run."""

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.sdk.errors import CallNotFound
from gateway.call import Principal
from gateway.ledger.bodies import Bodies, Unreadable
from gateway.ledger.database import Database
from gateway.looks import Looks
from scopes.constraint import drop_fields, redact_fields
from scopes.grant import Combined

_BODIES = ("body", "body_base64")


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of a run. `seq` counts from 1; `place` is its number in the chain, for paging."""

    id: str
    seq: int
    place: int
    at: str
    type: str
    call: str | None
    data: dict[str, Any]

    def shown(self) -> dict[str, Any]:
        """Return the public form."""
        base: dict[str, Any] = {"id": self.id, "seq": self.seq, "at": self.at, "type": self.type}
        if self.call:
            base["call"] = self.call
        return base | {"data": self.data}


class Timeline:
    """Reads timelines."""

    def __init__(self, database: Database, bodies: Bodies, looks: Looks) -> None:
        self._database = database
        self._bodies = bodies
        self._looks = looks

    async def page(
        self, tenant: str, environment: str, run: str, *, after: int, count: int, limit: int
    ) -> list[Moment]:
        """Return events of a run after a place in the chain, `count` of which came before; everything in them."""
        rows = await self._database.read(
            lambda connection: _events(connection, tenant, environment, run, after, limit), tenant=tenant
        )
        return [
            Moment(id, count + number, seq, at, type, call or None, self._opened(tenant, id, body))
            for number, (seq, id, at, type, call, body) in enumerate(rows, 1)
        ]

    async def of_call(self, tenant: str, environment: str, call: str, *, limit: int = 500) -> list[Moment]:
        """Return the events of one call, with everything in them; none where there is no such call."""

        def run_of(rows: Rows) -> str | None:
            query = text("SELECT run FROM calls WHERE id=:call AND tenant=:tenant AND environment=:environment")
            found = rows.execute(query, {"call": call, "tenant": tenant, "environment": environment}).first()
            return str(found[0]) if found else None

        run = await self._database.read(run_of)
        if run is None:
            return []
        moments = await self.page(tenant, environment, run, after=0, count=0, limit=limit)
        return [moment for moment in moments if moment.call == call]

    async def for_agent(self, principal: Principal, run: str, *, after: int, count: int, limit: int) -> list[Moment]:
        """Return what the run's agent may see: no vendor bodies, today's redactions on all else.

        Raises where a call's grant was taken back.
        """
        agent = principal.agent
        moments = await self.page(agent.tenant, agent.environment, run, after=after, count=count, limit=limit)
        rules: dict[str, Combined | None] = {}
        for moment in moments:
            if moment.call is not None and moment.call not in rules:
                rules[moment.call] = await self._rules(principal, moment.call)
        return [_for_agent(moment, rules.get(moment.call or "")) for moment in moments]

    async def _rules(self, principal: Principal, call: str) -> Combined | None:
        try:
            stored = await self._looks.mine(principal.agent, call)
        except CallNotFound:
            return None  # a preview reads, and leaves no call
        return self._looks.check(principal, stored)

    def _opened(self, tenant: str, id: str, body: bytes) -> dict[str, Any]:
        try:
            data: dict[str, Any] = self._bodies.open(tenant, id, body)
        except Unreadable:
            return {"erased": True}
        return data


def _for_agent(moment: Moment, rules: Combined | None) -> Moment:
    data = moment.data
    if moment.type in {"upstream_request", "upstream_response"}:
        data = {name: value for name, value in data.items() if name not in _BODIES and name != "headers"}
    if rules is not None:
        data = cast("dict[str, Any]", redact_fields(drop_fields(data, rules.denied_fields), rules.redacted_fields))
    return Moment(moment.id, moment.seq, moment.place, moment.at, moment.type, moment.call, data)


def _events(
    connection: Rows, tenant: str, environment: str, run: str, after: int, limit: int
) -> list[tuple[int, str, str, str, str, bytes]]:
    rows = connection.execute(
        text(
            # The second condition lets the index of events that have a run serve, whatever the plan knows of the first.
            "SELECT seq, id, at, type, call, body FROM events WHERE run=:run AND run != '' AND seq>:after"
            " AND tenant=:tenant AND environment=:environment ORDER BY seq LIMIT :limit"
        ),
        {"run": run, "after": after, "tenant": tenant, "environment": environment, "limit": limit},
    )
    return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in rows]
