"""Usage: calls by day, what is left at vendors, and the units of work that runs reported."""

from collections import defaultdict
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping, func, select

from gateway.admin.records import Records
from gateway.admin.rows import Place, Shown, scoped
from gateway.ledger.database import Database
from gateway.ledger.schema import agents, calls, connections, runs
from gateway.upstream.budget import VendorQuota

_MOST_RUNS = 20_000


class Usage:
    """Counts. Times are as they are stored, `since` in, `until` out."""

    def __init__(self, database: Database, records: Records, quota: VendorQuota) -> None:
        self._database = database
        self._records = records
        self._quota = quota

    async def report(self, place: Place, since: str, until: str) -> Shown:
        """Return calls by day, agent, action and status, the vendors' quotas as last heard, and work units.

        Work units are those of runs that closed in the time, at most the newest 20,000; `truncated` says when more.
        """
        counted, connected, closed = await self._database.read(
            lambda rows: _read(rows, place, since, until), tenant=place.tenant
        )
        quotas = [
            {"connection": row["id"], "name": row["name"], "budgets": self._quota.shown(row["id"])} for row in connected
        ]
        return {
            "since": since,
            "until": until,
            "calls": counted,
            "vendor_quota": [quota for quota in quotas if quota["budgets"]],
            "work_units": self._work(closed[:_MOST_RUNS]),
            "truncated": len(closed) > _MOST_RUNS,
        }

    def _work(self, closed: list[RowMapping]) -> list[Shown]:
        runs_of: defaultdict[tuple[str, str], int] = defaultdict(int)
        sums: defaultdict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
        for row in closed:
            outcome = self._records.opened(row["tenant"], f"{row['id']}/outcome", row["outcome"]) or {}
            details = self._records.opened(row["tenant"], f"{row['id']}/details", row["details"]) or {}
            key = (str(details.get("work_unit") or ""), str(outcome.get("result") or ""))
            runs_of[key] += 1
            for name in ("quantity", "cost"):
                value = _decimal(outcome.get(name))
                if value is not None:
                    sums[key][name] = sums[key].get(name, Decimal(0)) + value
        return [
            {
                "work_unit": key[0] or None,
                "result": key[1] or None,
                "runs": count,
                **{name: format(total, "f") for name, total in sums[key].items()},
            }
            for key, count in sorted(runs_of.items())
        ]


def _read(rows: Rows, place: Place, since: str, until: str) -> tuple[list[Shown], list[RowMapping], list[RowMapping]]:
    day = func.substr(calls.c.created_at, 1, 10).label("day")
    grouped = (
        select(day, calls.c.agent, agents.c.name, calls.c.action, calls.c.status, func.count().label("count"))
        .join(agents, agents.c.id == calls.c.agent, isouter=True)
        .where(
            calls.c.tenant == place.tenant,
            calls.c.environment == place.environment,
            calls.c.created_at >= since,
            calls.c.created_at < until,
        )
        .group_by(day, calls.c.agent, agents.c.name, calls.c.action, calls.c.status)
        .order_by(day, agents.c.name, calls.c.action, calls.c.status)
    )
    counted = [
        {
            "day": row["day"],
            "agent": {"id": row["agent"], "name": row["name"]},
            "action": row["action"],
            "status": row["status"],
            "count": row["count"],
        }
        for row in rows.execute(grouped).mappings()
    ]
    connected = list(rows.execute(scoped(connections, place, connections.c.deleted_at.is_(None))).mappings())
    ended = scoped(runs, place, runs.c.closed_at >= since, runs.c.closed_at < until)
    closed = list(rows.execute(ended.order_by(runs.c.id.desc()).limit(_MOST_RUNS + 1)).mappings())
    return counted, connected, closed


def _decimal(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value)) if value is not None else None
    except InvalidOperation:
        return None
