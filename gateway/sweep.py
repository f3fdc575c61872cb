"""Regular work: approvals whose time ran out, files and claims that are past theirs."""

import asyncio

from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.sdk.errors import ActionError, ApprovalExpired, StateUnavailable
from gateway.answers import Answers
from gateway.approvals import Approvals
from gateway.clock import Clock, stamp
from gateway.ending import ending_of
from gateway.fault import log_fault
from gateway.files import Files
from gateway.journal import AlreadySettled, Journal
from gateway.ledger.database import Database
from gateway.looks import Looks
from gateway.queue import Reopener

_EVERY_SECONDS = 2.0
_MINUTE_TURNS = 30


class Sweeper:
    """Runs until cancelled."""

    def __init__(
        self,
        approvals: Approvals,
        files: Files,
        looks: Looks,
        reopener: Reopener,
        journal: Journal,
        answers: Answers,
        database: Database,
        clock: Clock,
    ) -> None:
        self._approvals = approvals
        self._files = files
        self._looks = looks
        self._reopener = reopener
        self._journal = journal
        self._answers = answers
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Look every two seconds for lapsed approvals, every minute for old files and claims."""
        turn = 0
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.expire_approvals()
                if turn % _MINUTE_TURNS == 0:
                    await self._files.sweep()
                    await self._database.write(self._forget_claims)
            except ActionError:
                pass  # the ledger refuses for now; the next turn tries again
            turn += 1

    async def expire_approvals(self) -> None:
        """End the parked calls that nobody decided in time."""
        for approval, call, tenant, environment in await self._approvals.lapsed(self._clock.now()):
            try:
                await self._expire(tenant, environment, call)
            except StateUnavailable:
                raise
            except Exception as error:  # a call that cannot be opened must not keep the others from expiring
                log_fault(error, "")
            await self._approvals.close(approval, "expired")

    async def _expire(self, tenant: str, environment: str, call: str) -> None:
        opened = self._reopener.without_key(await self._looks.find(tenant, environment, call))
        error = ApprovalExpired("Nobody decided in time.", hint="Ask again with a new key.")
        try:
            await self._journal.cancel(opened, self._answers.failed(opened, error), ending_of(error, handed_over=False))
        except AlreadySettled:
            return

    def _forget_claims(self, rows: Rows) -> None:
        rows.execute(text("DELETE FROM claims WHERE expires_at < :now"), {"now": stamp(self._clock.now())})
