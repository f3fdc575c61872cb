"""Approvals: calls parked until a person decides, bound to exactly what was shown.

The digest covers tenant, environment, agent, actor, action and connector version, connection and vendor account,
input, rendered requests, grants with their versions, and the expiry. On resume any difference ends the call as
`approval_expired`. A decision is made once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.sdk.errors import ApprovalAlreadyDecided, ApprovalDenied, ApprovalExpired, NotFound
from gateway import body
from gateway.answers import Answers, decision_shown
from gateway.call import Answer, Asked, Judged
from gateway.clock import Clock, moment, stamp
from gateway.idempotency import Idempotency
from gateway.ids import new_id
from gateway.journal import Journal
from gateway.ledger.bodies import Bodies
from gateway.ledger.database import Database
from gateway.ledger.events import Events
from gateway.render import shown

_COLUMNS = (
    "id, tenant, environment, call, agent, action, connection, status, digest, shown, expires_at, decided_by,"
    " decided_at, comment, created_at"
)


@dataclass(frozen=True, slots=True)
class Approval:
    """One question to a person. `shown` is what the page shows: the input, the requests, the risk, who asks."""

    id: str
    tenant: str
    environment: str
    call: str
    agent: str
    action: str
    connection: str
    status: str
    digest: str
    shown: Mapping[str, Any]
    expires_at: str
    decided_by: str | None
    decided_at: str | None
    comment: str | None
    created_at: str


class Approvals:
    """Parks calls, takes decisions, and says what was approved."""

    def __init__(
        self,
        database: Database,
        bodies: Bodies,
        events: Events,
        journal: Journal,
        answers: Answers,
        idempotency: Idempotency,
        clock: Clock,
        ttl: timedelta,
    ) -> None:
        self._database = database
        self._bodies = bodies
        self._events = events
        self._journal = journal
        self._answers = answers
        self._idempotency = idempotency
        self._clock = clock
        self._ttl = ttl

    async def park(self, judged: Judged) -> Answer:
        """Park a call durably: claim, row and question in one transaction. Raises `KeyTaken`."""
        now = self._clock.now()
        expires_at = stamp(now + self._ttl)
        id = new_id("apr")
        facts = question(judged)
        row = {
            "id": id,
            "tenant": judged.call.agent.tenant,
            "environment": judged.call.agent.environment,
            "call": judged.call.id,
            "agent": judged.call.agent.id,
            "action": judged.target.action.name,
            "connection": judged.target.connection.id,
            "digest": approval_digest(judged, expires_at),
            "shown": self._bodies.seal(judged.call.agent.tenant, id, facts),
            "expires_at": expires_at,
            "created_at": stamp(now),
        }
        self._journal.note(
            judged.call,
            "approval",
            {"approval": id, "status": "pending", "expires_at": expires_at, "digest": row["digest"]},
        )
        await self._journal.open(
            judged.typed,
            "pending_approval",
            resource=judged.bounded.resource,
            claim=self._idempotency.claim(judged.typed, now),
            job=partial(_insert, row=row),
        )
        judged.rendered.handler.close()
        extra = {"approval": {"id": id, "expires_at": expires_at, "page": f"/approvals/{id}"}}
        return self._answers.waiting(judged, "pending_approval", extra)

    async def find(self, id: str) -> Approval:
        """Return an approval, wherever it belongs: the caller checks who may see it. Raises `NotFound`."""
        row = await self._database.fetch(f"SELECT {_COLUMNS} FROM approvals WHERE id=?", (id,))  # noqa: S608
        if row is None:
            raise NotFound(f"There is no approval {id[:60]!r}.")
        return self._opened(row)

    async def of_call(self, call: str) -> Approval | None:
        """Return the approval of a call, if it was parked."""
        row = await self._database.fetch(f"SELECT {_COLUMNS} FROM approvals WHERE call=?", (call,))  # noqa: S608
        return self._opened(row) if row is not None else None

    async def decide(
        self, approval: Approval, *, approve: bool, by: str, comment: str | None, address: str
    ) -> Approval:
        """Take a decision, once. The call is queued, or ends as denied. Raises `ApprovalAlreadyDecided`,
        `ApprovalExpired`.
        """
        now = self._clock.now()
        if approval.status == "pending" and moment(approval.expires_at) <= now:
            raise ApprovalExpired("Nobody decided in time.", hint="The agent asks again with a new key.")
        status = "approved" if approve else "denied"
        data = {"approval": approval.id, "status": status, "by": by, "comment": comment, "address": address}
        run = await self._run_of(approval.call)
        event = self._events.make(
            "approval",
            now,
            data,
            tenant=approval.tenant,
            environment=approval.environment,
            run=run,
            call=approval.call,
        )
        sealed = self._bodies.seal(approval.tenant, f"{approval.id}/comment", comment) if comment else None
        values = {"status": status, "by": by, "at": stamp(now), "comment": sealed, "id": approval.id}
        values["owner"] = self._database.writer  # who decided has the call in its queue
        await self._database.write(lambda rows: _decide(rows, approval, values, queue=approve), event)
        return await self.find(approval.id)

    def check_unchanged(self, judged: Judged, approval: Approval) -> None:
        """Raise `ApprovalExpired` where another thing would run than was approved, `ApprovalDenied` after a no."""
        if approval.status == "denied":
            raise denied(approval)
        if approval.status != "approved":
            raise ApprovalExpired(f"The approval is {approval.status}.")
        if moment(approval.expires_at) <= self._clock.now():
            raise ApprovalExpired("The approval's time ran out before the call could run.")
        if approval_digest(judged, approval.expires_at) != approval.digest:
            raise ApprovalExpired(
                "What was approved is no longer what would run: a grant, the connection or the action changed.",
                hint="Ask again with a new key.",
            )

    async def lapsed(self, now: datetime) -> list[tuple[str, str, str, str]]:
        """Return the parked calls whose time ran out: approval, call, tenant and environment; at most 200."""

        def job(rows: Rows) -> list[tuple[str, str, str, str]]:
            found = rows.execute(
                text(
                    "SELECT id, call, tenant, environment FROM approvals WHERE status='pending' AND expires_at <= :now"
                    " LIMIT 200"
                ),
                {"now": stamp(now)},
            )
            return [(row[0], row[1], row[2], row[3]) for row in found]

        return await self._database.read(job)

    async def refused(self) -> list[str]:
        """Return the approvals that were denied by a process that ended before it ended their calls."""

        def job(rows: Rows) -> list[str]:
            found = rows.execute(
                text(
                    "SELECT a.id FROM approvals a JOIN calls c ON c.id = a.call"
                    " WHERE c.status='pending_approval' AND a.status='denied'"
                )
            )
            return [row[0] for row in found]

        return await self._database.read(job)

    async def close(self, id: str, status: str) -> None:
        """Mark a pending approval as expired or cancelled."""
        await self._database.write(
            lambda rows: (
                rows.execute(
                    text("UPDATE approvals SET status=:status WHERE id=:id AND status='pending'"),
                    {"status": status, "id": id},
                ).rowcount
            )
        )

    async def _run_of(self, call: str) -> str:
        row = await self._database.fetch("SELECT run FROM calls WHERE id=?", (call,))
        return str(row[0]) if row is not None else ""

    def _opened(self, row: tuple[Any, ...]) -> Approval:
        id, tenant = row[0], row[1]
        shown_facts = self._bodies.open(tenant, id, row[9])
        comment = self._bodies.open(tenant, f"{id}/comment", row[13]) if row[13] else None
        return Approval(*row[:9], shown_facts, *row[10:13], comment, row[14])  # type: ignore[call-arg]


def question(judged: Judged) -> dict[str, Any]:
    """Return what a person is shown: who asks for what, what would be sent, and why it was not done at once."""
    call, target = judged.call, judged.target
    request = judged.rendered.request
    return {
        "agent": {"id": call.agent.id, "name": call.agent.name},
        "actor": call.asked.actor,
        "actor_proved": call.asked.principal.actor is not None,
        "reason": call.asked.options.reason,
        "confidence": call.asked.options.confidence,
        "action": target.action.name,
        "title": target.action.title,
        "connection": target.connection.name,
        "account": target.connection.account,
        "input": judged.typed.value,
        "requests": [shown(judged.typed, request)] if request is not None else [],
        "decision": decision_shown(judged),
    }


def approval_digest(judged: Judged, expires_at: str) -> str:
    """Return the digest that binds a decision to what was shown."""
    call, target = judged.call, judged.target
    request = judged.rendered.request
    return body.digest(
        call.agent.tenant,
        call.agent.environment,
        call.agent.id,
        _actor(call.asked),
        target.action.name,
        target.connector.version,
        target.connection.id,
        target.connection.version,
        target.connection.account,
        judged.typed.value,
        [shown(judged.typed, request)] if request is not None else [],
        [[id, version] for id, version in judged.bounded.rules.grants],
        expires_at,
    )


def _actor(asked: Asked) -> object:
    """Return for whom the call is, and by what that is proved where it is."""
    proved = asked.principal.proved
    return asked.options.actor if proved is None else proved.told()


def denied(approval: Approval) -> ApprovalDenied:
    """Return the problem of a call that a person refused."""
    said = f": {approval.comment}" if approval.comment else ""
    return ApprovalDenied(
        f"An approver refused this call{said}.", hint="Change what is asked, or talk to the approver."
    )


def _insert(rows: Rows, *, row: Mapping[str, Any]) -> None:
    rows.execute(
        text(
            "INSERT INTO approvals (id, tenant, environment, call, agent, action, connection, status, digest, shown,"
            " expires_at, created_at) VALUES (:id, :tenant, :environment, :call, :agent, :action, :connection,"
            " 'pending', :digest, :shown, :expires_at, :created_at)"
        ),
        row,
    )


def _decide(rows: Rows, approval: Approval, values: Mapping[str, Any], *, queue: bool) -> None:
    changed = rows.execute(
        text(
            "UPDATE approvals SET status=:status, decided_by=:by, decided_at=:at, comment=:comment"
            " WHERE id=:id AND status='pending'"
        ),
        values,
    ).rowcount
    if changed == 0:
        status = rows.execute(text("SELECT status FROM approvals WHERE id=:id"), {"id": approval.id}).scalar()
        raise ApprovalAlreadyDecided(f"This approval is {status}.", hint="A decision is made once.")
    if queue:
        rows.execute(
            text("UPDATE calls SET status='queued', owner=:owner WHERE id=:call AND status='pending_approval'"),
            {"call": approval.call, "owner": values["owner"]},
        )
