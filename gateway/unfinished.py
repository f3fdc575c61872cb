"""Calls that have not ended, as the ledger has them: for recovery and restore."""

from dataclasses import dataclass

from sqlalchemy import Connection as Rows
from sqlalchemy import text

from gateway.call import Agent, Asked, Opened, Options, Principal
from gateway.clock import Clock, moment
from gateway.stored import StoredCall
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


def reopen_without_key(call: Unfinished | StoredCall, clock: Clock, trace: CallTrace, key: str = "") -> Opened:
    """Return a call that may only be ended: nobody stands behind it, or the `key` that did is not good any more."""
    agent = Agent(call.agent, call.tenant, call.environment, "", {}, ())
    asked = Asked(Principal(key, agent, (), {}), call.action, b"", Options(), "", trace)
    return Opened(
        asked,
        call.id,
        call.run,
        moment(call.created_at),
        clock.monotonic(),
        action=call.action,
        connection=call.connection,
        durable=True,
    )


def untraced() -> CallTrace:
    """Return the trace of a call that is ended where nothing is traced."""
    return CallTrace("0" * 32, "0" * 16, sampled=False, sink=None)
