"""The audit trail: every event of an environment, and whether the chain is whole."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import Connection as Rows
from sqlalchemy import func, select, text

from gateway.admin.records import Records
from gateway.admin.roles import Admin
from gateway.admin.rows import Page, Place, Shown, Slice, newest, scoped
from gateway.ledger.database import Database
from gateway.ledger.schema import calls, events

Verify = Callable[[], Awaitable[Mapping[str, Any]]]
_WITHOUT_RUN = ("admin", "connection_health")


class Audit:
    """Reads the trail. `verify` walks the whole chain of the ledger and reports."""

    def __init__(self, database: Database, records: Records, verify: Verify) -> None:
        self._database = database
        self._records = records
        self._verify = verify

    async def page(
        self, admin: Admin, place: Place, part: Slice, *, type: str | None = None, since: str | None = None
    ) -> Page:
        """Return events with their data, newest first; those of the whole tenant for who holds all of it."""
        c = events.c
        environments = [place.environment] if admin.environment is not None else [place.environment, ""]
        query = select(events).where(c.tenant == place.tenant, c.environment.in_(environments))
        if type is not None:
            query = query.where(c.type == type)
        if type in _WITHOUT_RUN:
            query = query.where(text("events.run = ''"))  # in these words the index of such events serves
        if since is not None:
            query = query.where(c.at >= since)
        if part.after is not None:
            query = query.where(c.seq < int(part.after))

        def job(rows: Rows) -> Page:
            found, after = newest(rows, query, c.seq, Slice(part.limit))
            return Page([self._records.event(row) for row in found], after)

        return await self._database.read(job, tenant=place.tenant)

    async def verify(self, admin: Admin, place: Place) -> Shown:
        """Return the report of a walk over the whole chain, its checkpoints and signatures.

        An operator gets all of it; others get the verdict, with counts and calls of their own place only.
        """
        report = dict(await self._verify())
        if admin.tenant is None:
            return report
        findings: list[dict[str, Any]] = report.get("findings", [])
        named = [finding["call"] for finding in findings if finding.get("call")]
        own, counted = await self._database.read(lambda rows: _own(rows, place, named), tenant=place.tenant)
        kept = [finding | {"call": finding["call"] if finding.get("call") in own else None} for finding in findings]
        return report | counted | {"findings": kept}


def _own(rows: Rows, place: Place, named: list[str]) -> tuple[set[str], dict[str, int]]:
    """Return which of some calls are the place's, and how many events and calls it has."""
    found = rows.execute(scoped(calls, place, calls.c.id.in_(named))).mappings()
    counts = {
        name: rows.execute(select(func.count()).select_from(scoped(table, place).subquery())).scalar() or 0
        for name, table in (("events", events), ("calls", calls))
    }
    return {row["id"] for row in found}, counts
