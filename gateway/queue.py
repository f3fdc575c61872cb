"""Runs calls behind their callers' backs: queued ones and approved ones. Bounded, and owned by the application.

The ledger is the queue; ids are in memory. What is over the bound is looked up in the ledger when there is room.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.sdk.errors import ActionError, Overloaded, StateUnavailable, Unauthenticated
from gateway import body
from gateway.answers import Answers
from gateway.approvals import Approval, Approvals, denied
from gateway.call import Answer, Asked, Opened, Options, Principal, Proved
from gateway.clock import Clock, moment
from gateway.ending import ending_of
from gateway.invoke import Pipeline
from gateway.journal import AlreadySettled, Journal
from gateway.ledger.database import Database
from gateway.looks import Looks
from gateway.stored import StoredCall
from gateway.telemetry import Telemetry
from gateway.unfinished import reopen_without_key

FindPrincipal = Callable[[str, Proved | None], Awaitable[Principal]]
_log = structlog.get_logger("gatehouse.queue")
_PARALLEL = 64
_TRIES = 30
_LEAST_WAIT, _LONGEST_WAIT = 1.0, 60.0


class Reopener:
    """Turns a stored call back into one that the pipeline can run, under its key as it is now."""

    def __init__(self, find_principal: FindPrincipal, telemetry: Telemetry, clock: Clock) -> None:
        self._find_principal = find_principal
        self._telemetry = telemetry
        self._clock = clock

    async def reopen(self, stored: StoredCall) -> Opened:
        """Return the call. Raises `Unauthenticated` or `KeyExpired` where its key or issuer is not good any more."""
        told = stored.request.get("proved")
        proved = Proved.from_told(told) if told is not None else None
        principal = await self._find_principal(str(stored.request["agent_key"]), proved)
        if principal.agent.id != stored.agent:
            raise Unauthenticated("The key of this call belongs to another agent now.")
        said = stored.request["options"]
        options = Options(
            key=stored.request["key"],
            run=said.get("run"),
            connection=stored.connection,
            actor=said.get("actor"),
            confidence=said.get("confidence"),
            reason=said.get("reason"),
        )
        asked = Asked(
            principal=principal,
            action=stored.action,
            raw=body.canonical(stored.request["input"]),
            options=options,
            address="",
            trace=self._telemetry.trace(stored.request.get("traceparent")),
        )
        created: datetime = moment(stored.created_at)
        return Opened(
            asked, stored.id, stored.run, created, self._clock.monotonic(), connection=stored.connection, durable=True
        )

    def without_key(self, stored: StoredCall) -> Opened:
        """Return a call that may only be ended, because its key is not good any more."""
        return reopen_without_key(
            stored, self._clock, self._telemetry.trace(None), key=str(stored.request["agent_key"])
        )


class Queue:
    """Works off waiting calls."""

    def __init__(
        self,
        *,
        database: Database,
        pipeline: Pipeline,
        approvals: Approvals,
        looks: Looks,
        reopener: Reopener,
        journal: Journal,
        answers: Answers,
        spawn: Callable[[Awaitable[None]], object],
        sleep: Callable[[float], Awaitable[None]],
        most: int,
    ) -> None:
        """`most` are the calls that are held in memory."""
        self._database = database
        self._pipeline = pipeline
        self._approvals = approvals
        self._looks = looks
        self._reopener = reopener
        self._journal = journal
        self._answers = answers
        self._spawn = spawn
        self._sleep = sleep
        self._most = most
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._held: set[str] = set()
        self._more = False
        self._running = 0
        self._leaving = False

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._running > 0

    def leave(self) -> None:
        """Begin no more calls: they stay queued in the ledger, for whoever comes next."""
        self._leaving = True

    def check_room(self) -> None:
        """Raise `Overloaded` where no further call can be held."""
        if len(self._held) >= self._most:
            raise Overloaded(
                f"The gateway holds {self._most} queued calls, its bound; this one was not taken on.",
                retry_after_ms=1000,
                hint="Send the same call again in a moment.",
            )

    def submit(self, call: str) -> None:
        """Take up a queued call soon, or once there is room."""
        if self._leaving or call in self._held:
            return
        if len(self._held) >= self._most:
            self._more = True
            return
        self._held.add(call)
        self._spawn(self._work(call))

    async def deny(self, approval: Approval) -> None:
        """End the call of an approval that was refused."""
        stored = await self._looks.find(approval.tenant, approval.environment, approval.call)
        await self._fail(stored, denied(approval))

    async def _work(self, call: str) -> None:
        try:
            wait = _LEAST_WAIT
            while not self._leaving and not await self._tried(call):
                await self._sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)
        finally:
            self._held.discard(call)
            if self._more and not self._leaving and len(self._held) <= self._most // 2:
                self._more = False
                self._spawn(self._look_up())

    async def _tried(self, call: str) -> bool:
        """Run a call. Returns whether it is off the queue: not while the ledger is away."""
        async with self._slots:
            if self._leaving:
                return True
            self._running += 1
            try:
                await self._run(call)
            except AlreadySettled:
                return True
            except StateUnavailable:
                return False
            except ActionError as error:
                # It stays queued in the ledger, and the next start takes it up.
                _log.warning("queued_call_left", call=call, code=error.code)
            finally:
                self._running -= 1
            return True

    async def _look_up(self) -> None:
        """Take up calls that are ours in the ledger and had no room here."""
        me = self._database.writer

        def job(rows: Rows) -> list[str]:
            found = rows.execute(
                text("SELECT id FROM calls WHERE status='queued' AND owner=:me ORDER BY id LIMIT :most"),
                {"me": me, "most": self._most + 1},
            )
            return [row[0] for row in found]

        try:
            waiting = await self._database.read(job)
        except StateUnavailable:
            self._more = True  # tried again when the next call ends
            return
        for call in waiting:
            self.submit(call)

    async def _run(self, call: str) -> None:
        row = await self._database.fetch(
            "SELECT tenant, environment FROM calls WHERE id=? AND status='queued'", (call,)
        )
        if row is None:
            return
        stored = await self._looks.find(row[0], row[1], call)
        approval = await self._approvals.of_call(call)
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                opened = await self._reopener.reopen(stored)
            except ActionError as error:
                await self._fail(stored, error)
                return
            answer = await self._pipeline.resume(opened, approval, last=last)
            if answer.body.get("status") != "queued":
                return
            await self._sleep(min(max(answer.retry_after or 0.0, _LEAST_WAIT), _LONGEST_WAIT))

    async def _fail(self, stored: StoredCall, error: ActionError) -> None:
        """End a call whose caller is not good any more."""
        opened = self._reopener.without_key(stored)
        answer: Answer = self._answers.failed(opened, error)
        try:
            await self._journal.cancel(opened, answer, ending_of(error, handed_over=False))
        except AlreadySettled:
            return
