"""Calls as admins see them: searched, and one whole with what was asked, answered and done."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping, Select, select

from connectors.sdk.errors import CallNotFound
from gateway.admin.agents import find_agent
from gateway.admin.records import Records, events_of_run
from gateway.admin.rows import Page, Place, Shown, Slice, newest, scoped
from gateway.ledger.database import Database
from gateway.ledger.schema import agents, approvals, calls, connections, events


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Which calls to find. Agent and connection are ids or names; times as they are stored."""

    agent: str | None = None
    action: str | None = None
    status: str | None = None
    connection: str | None = None
    run: str | None = None
    since: str | None = None
    until: str | None = None


class Calls:
    """Searches calls."""

    def __init__(self, database: Database, records: Records) -> None:
        self._database = database
        self._records = records

    async def search(self, place: Place, wanted: CallQuery, part: Slice) -> Page:
        """Return calls without bodies, newest first. Raises `NotFound` for an agent or connection that is none."""

        def job(rows: Rows) -> Page:
            found, after = newest(rows, _query(rows, place, wanted), calls.c.id, part)
            names = _names(rows, place, found)
            return Page([_listed(row, names) for row in found], after)

        return await self._database.read(job, tenant=place.tenant)

    async def get(self, place: Place, id: str) -> Shown:
        """Return one call: what was asked, what was answered, and its events in order. Raises `CallNotFound`."""

        def job(rows: Rows) -> tuple[RowMapping, list[RowMapping], dict[str, str], str | None]:
            row = rows.execute(scoped(calls, place, calls.c.id == id)).mappings().first()
            if row is None:
                raise CallNotFound(f"There is no call {id[:60]!r} here.")
            query = events_of_run(row["run"]).where(events.c.call == id).order_by(events.c.seq)
            links = list(rows.execute(query).mappings())
            approval = rows.execute(select(approvals.c.id).where(approvals.c.call == id)).scalar()
            return row, links, _names(rows, place, [row]), approval

        row, links, names, approval = await self._database.read(job, tenant=place.tenant)
        request: dict[str, Any] = self._records.opened(place.tenant, id, row["request"]) or {}
        answer: dict[str, Any] = self._records.opened(place.tenant, f"{id}/answer", row["answer"]) or {}
        body: dict[str, Any] = answer.get("body") or {}
        return {
            **_listed(row, names),
            "key": row["key"],
            "approval": approval,
            "input": request.get("input"),
            "options": request.get("options"),
            "resource": request.get("resource"),
            "trace": request.get("trace"),
            "http_status": answer.get("http"),
            "answer": body or None,
            "output": body.get("output"),
            "error": body if row["code"] else None,
            "events": [self._records.event(link) for link in links],
        }


def _query(rows: Rows, place: Place, wanted: CallQuery) -> Select[Any]:
    query = scoped(calls, place)
    if wanted.agent is not None:
        query = query.where(calls.c.agent == find_agent(rows, place, wanted.agent)["id"])
    if wanted.connection is not None:
        query = query.where(calls.c.connection.in_(_connections(rows, place, wanted.connection)))
    for column, value in (
        (calls.c.action, wanted.action),
        (calls.c.status, wanted.status),
        (calls.c.run, wanted.run),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(calls.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(calls.c.created_at < wanted.until)
    return query


def _connections(rows: Rows, place: Place, reference: str) -> list[str]:
    """Return the ids that a reference means, also of deleted connections: their calls stay."""
    if reference.startswith("conn_"):
        return [reference]
    query = select(connections.c.id).where(
        connections.c.tenant == place.tenant,
        connections.c.environment == place.environment,
        connections.c.name == reference,
    )
    return [row[0] for row in rows.execute(query)]


def _names(rows: Rows, place: Place, found: list[RowMapping]) -> dict[str, str]:
    """Return the names of the agents and connections of some calls."""
    names: dict[str, str] = {}
    for table, column in ((agents, "agent"), (connections, "connection")):
        ids = {row[column] for row in found if row[column] is not None}
        query = select(table.c.id, table.c.name).where(table.c.id.in_(ids), table.c.tenant == place.tenant)
        names |= {row[0]: row[1] for row in rows.execute(query)}
    return names


def _listed(row: RowMapping, names: dict[str, str]) -> Shown:
    return {
        "id": row["id"],
        "action": row["action"],
        "status": row["status"],
        "code": row["code"],
        "agent": {"id": row["agent"], "name": names.get(row["agent"])},
        "connection": {"id": row["connection"], "name": names.get(row["connection"])} if row["connection"] else None,
        "run": row["run"],
        "created_at": row["created_at"],
        "finished_at": row["finished_at"],
    }
