"""Approvals as people decide them: listed, read, decided once; then the call runs or ends."""

from typing import Literal, Protocol

from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping

from gateway.admin.control import By
from gateway.admin.rows import Page, Place, Shown, Slice, missing, newest, scoped
from gateway.admin.wanted import Text, Wanted
from gateway.approvals import Approval, Approvals
from gateway.clock import Clock, stamp
from gateway.journal import AlreadySettled
from gateway.ledger.database import Database
from gateway.ledger.schema import approvals


class Waiting(Protocol):
    """Takes decided calls on."""

    def submit(self, call: str) -> None:
        """Run an approved call soon."""
        ...

    async def deny(self, approval: Approval) -> None:
        """End a call as denied."""
        ...


class Decision(Wanted):
    """A person's answer."""

    decision: Literal["approve", "deny"]
    comment: Text | None = None


class Decisions:
    """Lists approvals and takes decisions."""

    def __init__(self, database: Database, approvals: Approvals, queue: Waiting, clock: Clock) -> None:
        self._database = database
        self._approvals = approvals
        self._queue = queue
        self._clock = clock

    async def page(self, place: Place, part: Slice, *, status: str | None = None) -> Page:
        """Return approvals without what they show, newest first."""
        query = scoped(approvals, place)
        if status is not None:
            query = query.where(approvals.c.status == status)

        def job(rows: Rows) -> Page:
            found, after = newest(rows, query, approvals.c.id, part)
            return Page([_listed(row) for row in found], after)

        return await self._database.read(job, tenant=place.tenant)

    async def find(self, place: Place, id: str) -> Approval:
        """Return an approval of the place. Raises `NotFound`."""
        found = await self._approvals.find(id)
        if (found.tenant, found.environment) != (place.tenant, place.environment):
            raise missing("approval", id)
        return found

    async def get(self, place: Place, id: str) -> Shown:
        """Return an approval with all that its page shows. Raises `NotFound`."""
        return shown(await self.find(place, id))

    async def decide(self, place: Place, by: By, id: str, decision: Decision) -> Shown:
        """Decide, once. Raises `NotFound`, `ApprovalAlreadyDecided`, `ApprovalExpired`."""
        approve = decision.decision == "approve"
        decided = await self._approvals.decide(
            await self.find(place, id),
            approve=approve,
            by=by.admin.token,
            comment=decision.comment,
            address=by.address,
        )
        if approve:
            self._queue.submit(decided.call)
        else:
            try:
                await self._queue.deny(decided)
            except AlreadySettled:  # the agent took the call back meanwhile: it ends either way
                pass
        return shown(decided)

    def lapsed(self, approval: Approval) -> bool:
        """Whether the time to decide is up."""
        return approval.status == "pending" and approval.expires_at <= stamp(self._clock.now())


def shown(approval: Approval) -> Shown:
    """Return an approval's public form."""
    return {
        "id": approval.id,
        "status": approval.status,
        "call": approval.call,
        "agent": approval.agent,
        "action": approval.action,
        "connection": approval.connection,
        "digest": approval.digest,
        "shown": dict(approval.shown),
        "expires_at": approval.expires_at,
        "decided_by": approval.decided_by,
        "decided_at": approval.decided_at,
        "comment": approval.comment,
        "page": f"/approvals/{approval.id}",
        "created_at": approval.created_at,
    }


def _listed(row: RowMapping) -> Shown:
    names = ("id", "status", "call", "agent", "action", "connection", "expires_at", "decided_by", "decided_at")
    return {**{name: row[name] for name in names}, "created_at": row["created_at"]}
