"""Runs calls behind their callers' backs: queued ones and approved ones. Bounded, and owned by the application."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from connectors.sdk.errors import ActionError, StateUnavailable, Unauthenticated
from gateway import body
from gateway.answers import Answers
from gateway.approvals import Approval, Approvals, denied
from gateway.call import Answer, Asked, Opened, Options, Principal
from gateway.clock import Clock, moment
from gateway.ending import ending_of
from gateway.invoke import Pipeline
from gateway.journal import AlreadySettled, Journal
from gateway.ledger.database import Database
from gateway.looks import Looks
from gateway.stored import StoredCall
from gateway.telemetry import Telemetry
from gateway.unfinished import reopen_without_key

FindPrincipal = Callable[[str], Awaitable[Principal]]
_log = structlog.get_logger("gatehouse.queue")
_PARALLEL = 64
_TRIES = 30
_LEDGER_WAIT = 2.0
_LEAST_WAIT, _LONGEST_WAIT = 1.0, 60.0


class Reopener:
    """Turns a stored call back into one that the pipeline can run, under its key as it is now."""

    def __init__(self, find_principal: FindPrincipal, telemetry: Telemetry, clock: Clock) -> None:
        self._find_principal = find_principal
        self._telemetry = telemetry
        self._clock = clock

    async def reopen(self, stored: StoredCall) -> Opened:
        """Return the call. Raises `Unauthenticated` or `KeyExpired` where its key is not good any more."""
        principal = await self._find_principal(str(stored.request["agent_key"]))
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
    ) -> None:
        self._database = database
        self._pipeline = pipeline
        self._approvals = approvals
        self._looks = looks
        self._reopener = reopener
        self._journal = journal
        self._answers = answers
        self._spawn = spawn
        self._sleep = sleep
        self._slots = asyncio.Semaphore(_PARALLEL)

    def submit(self, call: str) -> None:
        """Take up a queued call soon."""
        self._spawn(self._work(call))

    async def deny(self, approval: Approval) -> None:
        """End the call of an approval that was refused."""
        stored = await self._looks.find(approval.tenant, approval.environment, approval.call)
        await self._fail(stored, denied(approval))

    async def _work(self, call: str) -> None:
        async with self._slots:
            while True:
                try:
                    await self._run(call)
                except AlreadySettled:
                    return
                except StateUnavailable:
                    await self._sleep(_LEDGER_WAIT)  # nobody else takes it up as long as this process lives
                    continue
                except ActionError as error:
                    # It stays queued in the ledger, and the next start takes it up.
                    _log.warning("queued_call_left", call=call, code=error.code)
                return

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
