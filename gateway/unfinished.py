"""Calls that have not ended, as the ledger has them: for recovery and restore."""

from dataclasses import dataclass

from sqlalchemy import Connection as Rows
from sqlalchemy import text

from gateway.call import Agent, Asked, Opened, Options, Principal
from gateway.clock import Clock, moment
from gateway.telemetry import CallTrace


@dataclass(frozen=True, slots=True)
class Unfinished:
    """One of them."""

    id: str
    tenant: str
    environment: str
    agent: str
    run: str
    action: str
    connection: str | None
    status: str
    created_at: str


def unfinished(rows: Rows) -> list[Unfinished]:
    """Return all calls that run, wait or are parked, oldest first."""
    found = rows.execute(
        text(
            "SELECT id, tenant, environment, agent, run, action, connection, status, created_at FROM calls"
            " WHERE status IN ('queued','running','pending_approval') ORDER BY id"
        )
    )
    return [Unfinished(*row) for row in found]


def reopen_without_key(row: Unfinished, clock: Clock) -> Opened:
    """Return a call that may only be ended: nobody stands behind it."""
    agent = Agent(row.agent, row.tenant, row.environment, "", {}, ())
    trace = CallTrace("0" * 32, "0" * 16, sampled=False, sink=None)
    asked = Asked(Principal("", agent, (), {}), row.action, b"", Options(), "", trace)
    return Opened(
        asked,
        row.id,
        row.run,
        moment(row.created_at),
        clock.monotonic(),
        action=row.action,
        connection=row.connection,
        durable=True,
    )
