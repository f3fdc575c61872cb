"""Settles what a crash left, by the contract's fifth rule.

A call is taken over when its owner has ended, or in a shared ledger when its lease lapsed. It is sent again only under
a key that the vendor enforces, or where the sender is *proved* to have ended (its lock was free), the settle time has
passed since, and a strongly consistent read finds nothing. Everything else is `outcome_unknown`, for an operator.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.sdk import Native, NaturalKey, Reconcile, Safe
from connectors.sdk.errors import (
    ActionError,
    Frozen,
    OutcomeUnknown,
    StateUnavailable,
    TryLater,
    UpstreamUnavailable,
)
from connectors.sdk.facts import Idempotency
from gateway.answers import Answers
from gateway.approvals import Approvals
from gateway.call import Judged, Opened
from gateway.clock import Clock, moment
from gateway.ending import ending_of
from gateway.execute import Executor
from gateway.fault import log_fault
from gateway.invoke import Pipeline
from gateway.journal import AlreadySettled, Journal
from gateway.ledger.database import Database
from gateway.ledger.holding import HELD
from gateway.ledger.writer import Adopted
from gateway.looks import Looks
from gateway.queue import Queue, Reopener
from gateway.reconcile import Reconciler, Unread
from gateway.stored import StoredCall
from gateway.upstream.road import EffectUnanswered

_PARALLEL = 16
_MOST_FAULTS = 5
# A vendor that cannot be read for so long leaves the outcome to an operator.
_UNREAD_SECONDS = 900.0
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 60.0
# An index that lags lists what was applied within this time, or it may be as well that nothing was.
_LAG_SECONDS = 30.0
_HELD = "SELECT value FROM meta WHERE name=?"
_LOOK_SECONDS = 1.0
_log = structlog.get_logger("gatehouse.recovery")


class Recovery:
    """Takes over what ended processes left: at the start, and in a shared ledger as long as this process runs.

    Calls that cannot be settled yet (a freeze, a limit, a settle time that runs) are tried again.
    """

    def __init__(
        self,
        *,
        database: Database,
        pipeline: Pipeline,
        executor: Executor,
        reconciler: Reconciler,
        reopener: Reopener,
        looks: Looks,
        journal: Journal,
        answers: Answers,
        queue: Queue,
        approvals: Approvals,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._database = database
        self._pipeline = pipeline
        self._executor = executor
        self._reconciler = reconciler
        self._reopener = reopener
        self._looks = looks
        self._journal = journal
        self._answers = answers
        self._queue = queue
        self._approvals = approvals
        self._clock = clock
        self._sleep = sleep
        self._held = False
        self._leaving = False
        self._settling = False

    @property
    def busy(self) -> bool:
        """Whether calls are being settled."""
        return self._settling

    def leave(self) -> None:
        """Take over no more calls."""
        self._leaving = True

    async def run(self) -> None:
        """Settle what was left, and go on looking where others may leave more."""
        waiting: list[_Left] = []
        while not self._leaving:
            self._settling = True
            try:
                await self._adopt(waiting)
                waiting = await self._round(waiting)
            except StateUnavailable:
                pass  # the ledger is away; the next round tries again
            except Exception as error:  # nobody else settles what this process has taken over
                log_fault(error, "")
            finally:
                self._settling = False
            if waiting and not self._held:
                await self._sleep(_PAUSE_SECONDS)
            elif waiting or self._database.shared:
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                return

    async def _adopt(self, left: list["_Left"]) -> None:
        """Take over calls that are to be settled; denied ones end."""
        before = len(left)
        for approval in await self._approvals.refused():
            await self._queue.deny(await self._approvals.find(approval))
        while adopted := await self._database.adopt():
            now = self._clock.monotonic()
            left += [_Left(call, now) for call in adopted]
        if len(left) > before:
            _log.info("recovery_started", calls=len(left) - before)

    async def _round(self, calls: list["_Left"]) -> list["_Left"]:
        if calls and not await self._may_settle():
            return calls
        calls = sorted(calls, key=lambda left: left.adopted.status != "queued")  # these need no look at a vendor
        slots = asyncio.Semaphore(_PARALLEL)

        async def one(left: _Left) -> bool:
            if self._clock.monotonic() < left.not_before:
                return False
            async with slots:
                return await self._guarded(left)

        done = await asyncio.gather(*(one(left) for left in calls))
        return [left for left, settled in zip(calls, done, strict=True) if not settled]

    async def _may_settle(self) -> bool:
        """Whether nothing was lost: else a call may have gone on in what was, also one that looks as if never sent.

        Whoever accepts the loss ends such calls.
        """
        try:
            self._held = await self._database.fetch(_HELD, (HELD,)) is not None
        except StateUnavailable:
            return False
        return not self._held

    async def _guarded(self, left: "_Left") -> bool:
        """Settle one call; a fault in it must not keep the others from being settled."""
        try:
            return await self._settle(left)
        except StateUnavailable:
            return False
        except Exception as error:
            # Nobody else settles it as long as this process lives: what was a passing fault must not leave it open.
            log_fault(error, "")
            left.faults += 1
            return left.faults >= _MOST_FAULTS

    async def _settle(self, left: "_Left") -> bool:
        """Settle one call. Returns whether it is off the list."""
        call, status = left.adopted.call, left.adopted.status
        if status == "queued":
            self._queue.submit(call)
            return True
        stored = await self._looks.find(left.adopted.tenant, left.adopted.environment, call)
        intents = await self._database.read(lambda rows: _intents_of(rows, call))
        opened: Opened | None = None
        try:
            opened = await self._reopener.reopen(stored)
            if status != "outcome_unknown" and not intents.count:
                await self._end(opened, _never_sent())
                return True
            judged = await self._pipeline.judge_again(opened)
            try:
                if status == "outcome_unknown":
                    await self._look_only(judged)
                else:
                    await self._by_strategy(judged, intents, left)
            finally:
                judged.rendered.handler.close()
        except (Frozen, TryLater):
            return False
        except Unread as unread:
            now = self._clock.monotonic()
            if now - left.since < _UNREAD_SECONDS:
                left.rest(now)
                return False
            if status != "outcome_unknown":
                await self._give_up(stored, opened, unread.error, sent=True)
        except AlreadySettled:
            return True
        except ActionError as error:
            if status == "outcome_unknown":
                return True
            await self._give_up(stored, opened, error, sent=intents.count > 0)
        return True

    async def _by_strategy(self, judged: Judged, intents: "_Intents", left: "_Left") -> None:
        """Settle a call with an open intent. Raises `Unread` while the settle time runs."""
        strategy = judged.target.action.idempotency
        trip = self._executor.trip(judged.target)
        reading = self._executor.answering(judged, trip, recorded=False)
        lost = EffectUnanswered("the process that sent it ended", timeout=False, status=None)
        if isinstance(strategy, Reconcile | NaturalKey):
            found = await self._reconciler.look(judged.typed, judged.rendered.api, reading)
            if found is not None:
                await self._executor.settle_found(judged, trip, found)
                return
        if self._may_repeat(strategy, intents):
            await self._check_decision(judged)
            await self._executor.send_again(judged, trip, lost)
        elif isinstance(strategy, Reconcile) and self._clock.monotonic() - left.since < _patience(strategy):
            raise Unread(TryLater("The vendor may still be applying what it received, or not list it yet."))
        elif left.adopted.proved and intents.count == 1 and isinstance(strategy, Reconcile) and strategy.consistent:
            await self._again_if_absent(judged, strategy)
        else:
            raise OutcomeUnknown(
                f"{judged.target.action.name} was sent by a process that ended; whether it happened cannot be told.",
                hint=f"Look at {judged.target.connector.title} first; an operator closes the call with its outcome.",
            )

    def _may_repeat(self, strategy: Idempotency, intents: "_Intents") -> bool:
        """Whether the vendor makes sure that sending again changes nothing more."""
        if isinstance(strategy, Native):
            return moment(intents.first) + strategy.window > self._clock.now()
        return isinstance(strategy, Safe) or (isinstance(strategy, NaturalKey) and intents.count == 1)

    async def _check_decision(self, judged: Judged) -> None:
        """Sending again needs the permission of today. Raises like `Pipeline.check_decision`."""
        self._pipeline.check_decision(judged, await self._approvals.of_call(judged.call.id))

    async def _again_if_absent(self, judged: Judged, strategy: Reconcile) -> None:
        """After the settle time: one read that must work; finding nothing permits a new send."""
        trip = self._executor.trip(judged.target)
        found = await self._reconciler.read(strategy, judged, self._executor.answering(judged, trip, recorded=False))
        if found is not None:
            await self._executor.settle_found(judged, trip, found)
        else:
            await self._check_decision(judged)
            await self._executor.send_again(judged, trip, None)

    async def _look_only(self, judged: Judged) -> None:
        """A call that was answered as unknown is never sent again; finding its effect still settles it."""
        trip = self._executor.trip(judged.target)
        found = await self._reconciler.look(
            judged.typed, judged.rendered.api, self._executor.answering(judged, trip, recorded=False)
        )
        if found is not None:
            await self._executor.settle_found(judged, trip, found)

    async def _give_up(self, stored: StoredCall, opened: Opened | None, error: ActionError, *, sent: bool) -> None:
        """End a call that recovery may not or cannot act on."""
        call = opened or self._reopener.without_key(stored)
        if sent and not isinstance(error, OutcomeUnknown):
            error = OutcomeUnknown(
                f"It was sent by a process that ended, and it may not be looked into any more: {error.detail}",
                hint="An operator closes the call with its outcome.",
            )
        await self._end(call, error if sent else _never_sent())

    async def _end(self, call: Opened, error: ActionError) -> None:
        answer = self._answers.failed(call, error)
        try:
            await self._journal.finish(call, answer, ending_of(error, handed_over=False))
        except AlreadySettled:
            return


def _patience(strategy: Reconcile) -> float:
    """Return for how many seconds finding nothing says nothing, and is looked into again."""
    settle = strategy.settle.total_seconds()
    return settle if strategy.consistent else min(settle, _LAG_SECONDS)


def _never_sent() -> UpstreamUnavailable:
    return UpstreamUnavailable(
        "The gateway stopped before anything was sent; nothing was changed.",
        retry_after_ms=0,
        hint="Send the same call again.",
    )


@dataclass(slots=True)
class _Left:
    """A call that was taken over, and since when its sender cannot be sending any more (monotonic seconds).

    `faults` counts how often settling it came upon a fault of ours; it rests until `not_before` (monotonic seconds).
    """

    adopted: Adopted
    since: float
    faults: int = 0
    not_before: float = 0.0
    pause: float = _PAUSE_SECONDS

    def rest(self, now: float) -> None:
        """Look again after a pause, and after a longer one each time: every look is recorded."""
        self.not_before = now + self.pause
        self.pause = min(self.pause * 2, _LONGEST_PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class _Intents:
    """How many effects of a call were about to be sent, and since when."""

    count: int
    first: str


def _intents_of(rows: Rows, call: str) -> _Intents:
    found = rows.execute(text("SELECT COUNT(*), MIN(opened_at) FROM intents WHERE call=:call"), {"call": call}).one()
    return _Intents(found[0], found[1] or "")
