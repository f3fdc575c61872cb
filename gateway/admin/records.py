"""Sealed bodies, opened for admins."""

from typing import Any

from sqlalchemy import RowMapping, Select, select, text

from gateway.admin.rows import Shown
from gateway.ledger.bodies import Bodies, Unreadable
from gateway.ledger.schema import events


class Records:
    """Opens what the ledger holds. What was erased with its tenant's key reads as None."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def opened(self, tenant: str, row: str, sealed: bytes | None) -> Any:
        """Return a JSON value, or None where there is none or where it was erased."""
        if not sealed:
            return None
        try:
            return self._bodies.open(tenant, row, sealed)
        except Unreadable:
            return None

    def event(self, row: RowMapping) -> Shown:
        """Return an event with its data; `erased` marks one that does not open any more."""
        data = self.opened(row["tenant"], row["id"], row["body"])
        event: Shown = {"id": row["id"], "seq": row["seq"], "at": row["at"], "type": row["type"]}
        if row["run"]:
            event["run"] = row["run"]
        if row["call"]:
            event["call"] = row["call"]
        event["data"] = data
        return event if data is not None else {**event, "erased": True}


def events_of_run(run: str) -> Select[Any]:
    """Return a query of a run's events. Its second condition lets the index of such events serve."""
    return select(events).where(events.c.run == run, text("events.run != ''"))
