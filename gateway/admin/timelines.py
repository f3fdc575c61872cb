"""Runs as admins see them: searched, and one as a timeline with all data."""

from dataclasses import dataclass

from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping, func, select

from connectors.sdk.errors import RunNotFound
from gateway.admin.agents import find_agent
from gateway.admin.records import Records, events_of_run
from gateway.admin.rows import Page, Place, Shown, Slice, in_order, newest, scoped
from gateway.ledger.database import Database
from gateway.ledger.schema import calls, events, runs


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs to find. `open` is None for both kinds; times as they are stored."""

    agent: str | None = None
    actor: str | None = None
    open: bool | None = None
    since: str | None = None
    until: str | None = None


class Timelines:
    """Searches runs and tells what happened in one."""

    def __init__(self, database: Database, records: Records) -> None:
        self._database = database
        self._records = records

    async def search(self, place: Place, wanted: RunQuery, part: Slice) -> Page:
        """Return runs, newest first. Raises `NotFound` for an agent that is none."""

        def job(rows: Rows) -> Page:
            query = scoped(runs, place)
            if wanted.agent is not None:
                query = query.where(runs.c.agent == find_agent(rows, place, wanted.agent)["id"])
            if wanted.actor is not None:
                query = query.where(runs.c.actor == wanted.actor)
            if wanted.open is not None:
                closed = runs.c.closed_at
                query = query.where(closed.is_(None) if wanted.open else closed.is_not(None))
            if wanted.since is not None:
                query = query.where(runs.c.opened_at >= wanted.since)
            if wanted.until is not None:
                query = query.where(runs.c.opened_at < wanted.until)
            found, after = newest(rows, query, runs.c.id, part)
            counted = _counts(rows, [row["id"] for row in found])
            return Page([{**self._run(row), "calls": counted.get(row["id"], 0)} for row in found], after)

        return await self._database.read(job, tenant=place.tenant)

    async def get(self, place: Place, id: str, part: Slice) -> tuple[Shown, str | None]:
        """Return a run with one part of its events, oldest first. Raises `RunNotFound`."""

        def job(rows: Rows) -> tuple[RowMapping, list[RowMapping], str | None]:
            row = rows.execute(scoped(runs, place, runs.c.id == id)).mappings().first()
            if row is None:
                raise RunNotFound(f"There is no run {id[:60]!r} here.")
            query = events_of_run(id).where(events.c.tenant == place.tenant, events.c.environment == place.environment)
            by_number = Slice(part.limit, None)
            if part.after is not None:
                query = query.where(events.c.seq > int(part.after))
            found, after = in_order(rows, query, events.c.seq, by_number)
            return row, found, after

        row, found, after = await self._database.read(job, tenant=place.tenant)
        return {**self._run(row), "items": [self._records.event(link) for link in found]}, after

    def _run(self, row: RowMapping) -> Shown:
        outcome = self._records.opened(row["tenant"], f"{row['id']}/outcome", row["outcome"])
        details = self._records.opened(row["tenant"], f"{row['id']}/details", row["details"])
        return {
            "id": row["id"],
            "agent": row["agent"],
            "actor": row["actor"],
            "status": "open" if row["closed_at"] is None else "closed",
            "outcome": outcome,
            "details": details,
            "opened_at": row["opened_at"],
            "closed_at": row["closed_at"],
        }


def _counts(rows: Rows, ids: list[str]) -> dict[str, int]:
    query = select(calls.c.run, func.count()).where(calls.c.run.in_(ids)).group_by(calls.c.run)
    return {row[0]: row[1] for row in rows.execute(query)}
