"""Below the double line: claim and intent durable, credential, send, type the answer, redact, outcome durable."""

from collections.abc import Awaitable, Callable
from typing import Any

from connectors.sdk.drive import drive
from connectors.sdk.errors import (
    ActionError,
    Internal,
    OutcomeUnknown,
    StateUnavailable,
    UpstreamInvalidResponse,
)
from connectors.sdk.exchange import Asked, LoadFile, Request, Response, SaveFile
from gateway.answers import Answers
from gateway.call import Answer, Judged, Opened, Resolved
from gateway.clock import Clock
from gateway.ending import Ending, ending_of
from gateway.fault import log_fault
from gateway.files import Files
from gateway.freeze import Freezes
from gateway.idempotency import Idempotency
from gateway.journal import AlreadySettled, Journal
from gateway.reconcile import Reconciler, Settled, Unread
from gateway.upstream.destination import url_of
from gateway.upstream.recording import request_data
from gateway.upstream.road import EffectUnanswered, Road, Trip

_SETTLE_TRIES = 5
_SETTLE_LATER_SECONDS = 2.0


class Executor:
    """Carries out a call that was allowed."""

    def __init__(
        self,
        *,
        clock: Clock,
        journal: Journal,
        idempotency: Idempotency,
        road: Road,
        reconciler: Reconciler,
        freezes: Freezes,
        files: Files,
        answers: Answers,
        spawn: Callable[[Awaitable[None]], object],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._idempotency = idempotency
        self._road = road
        self._reconciler = reconciler
        self._freezes = freezes
        self._files = files
        self._answers = answers
        self._spawn = spawn
        self._sleep = sleep

    async def run(self, judged: Judged) -> Answer:
        """Claim, send and settle a new call. Raises `KeyTaken` where another call was first."""
        trip = self.trip(judged.target)
        step = self._first_request(judged, trip)
        typed = judged.typed
        claim = self._idempotency.claim(typed, self._clock.now())
        with judged.call.asked.trace.stage("claim"):
            await self._journal.open(typed, "running", resource=judged.bounded.resource, claim=claim, step=step)
        return await self._carry_out(judged, trip)

    async def resume(self, judged: Judged) -> Answer:
        """Send and settle a call that waited. Raises `AlreadySettled` where somebody else took it."""
        trip = self.trip(judged.target)
        step = self._first_request(judged, trip)
        await self._journal.start(judged.call, step)
        return await self._carry_out(judged, trip)

    def trip(self, target: Resolved) -> Trip:
        """Return the context of a call's requests."""
        call = target.call

        def check() -> None:
            agent = call.agent
            self._freezes.check_caller(agent.tenant, agent.environment, agent.id)
            self._freezes.check_target(agent.tenant, agent.environment, target.connector.id, target.connection.id)
            if target.action.writes:
                self._freezes.check_writes()

        return Trip(
            connector=target.connector,
            connection=target.connection,
            deadline=self._clock.monotonic() + target.action.deadline.total_seconds(),
            check=check,
            note=lambda type, data: self._journal.note(call, type, data),
            record=lambda: self._journal.flush(call),
            traceparent=call.asked.trace.traceparent,
            withheld=bool(target.action.secrets),
        )

    async def settle_found(self, judged: Judged, trip: Trip, found: Any) -> Answer:
        """Settle a call whose effect recovery found at the vendor."""
        judged.rendered.handler.close()
        output = self._answers.output(judged.bounded, found)
        answer = self._answers.finished(judged, output, status="succeeded", attempts=trip.attempts)
        await self._finish(judged.call, answer, Ending("succeeded", days=judged.bounded.rules.idempotency_days))
        return answer

    async def send_again(self, judged: Judged, trip: Trip, lost: EffectUnanswered | None) -> Answer:
        """Carry out a call that recovery may send again. `lost` says that the vendor's own key must settle it."""
        return await self._carry_out(judged, trip, recorded=False, lost=lost)

    def answering(
        self, judged: Judged, trip: Trip, *, recorded: bool, lost: EffectUnanswered | None = None
    ) -> Callable[[Asked], Awaitable[object]]:
        """Return what answers the handler: the road for requests, the store for files.

        `lost` says that the first effect was sent by a process that ended.
        """
        first = judged.rendered.request
        effects = 0

        async def answer(asked: Asked) -> object:
            nonlocal effects, recorded, lost
            if isinstance(asked, LoadFile):
                return await self._files.load(judged.call.agent, asked.file)
            if isinstance(asked, SaveFile):
                return await self._files.save(judged.call.agent, asked.content, asked.media_type)
            known = recorded and asked is first
            recorded = recorded and not known
            if not asked.effect:
                return await self._road.send(trip, asked, recorded=known)
            effects += 1
            if effects > 1 or not known:
                await self._journal.step(judged.call, effects, asked.step or judged.target.action.name)
            if lost is not None:
                earlier, lost = lost, None
                return await self._reconciler.settle(judged, trip, asked, earlier, answer)
            return await self._effect(judged, trip, asked, answer, recorded=known)

        return answer

    async def _effect(
        self,
        judged: Judged,
        trip: Trip,
        request: Request,
        answers: Callable[[Asked], Awaitable[object]],
        *,
        recorded: bool,
    ) -> Response:
        try:
            return await self._road.send(trip, request, recorded=recorded)
        except EffectUnanswered as lost:
            return await self._reconciler.settle(judged, trip, request, lost, answers)

    def _first_request(self, judged: Judged, trip: Trip) -> str | None:
        """Note the first request, which goes into the same transaction as the claim. Returns its step if an effect."""
        request = judged.rendered.request
        if request is None:
            return None
        url = url_of(trip.connector, trip.connection, request)
        self._journal.note(judged.call, "upstream_request", request_data(request, url, 1))
        return (request.step or judged.target.action.name) if request.effect else None

    async def _carry_out(
        self, judged: Judged, trip: Trip, *, recorded: bool = True, lost: EffectUnanswered | None = None
    ) -> Answer:
        days = judged.bounded.rules.idempotency_days
        try:
            result = await self._perform(judged, trip, recorded=recorded, lost=lost)
            output = self._answers.output(judged.bounded, result)
        except ActionError as error:
            answer = self._answers.failed(judged.call, error)
            await self._finish(judged.call, answer, ending_of(error, handed_over=trip.handed_over, days=days))
            return answer
        with judged.call.asked.trace.stage("settle"):
            answer = self._answers.finished(judged, output, status="succeeded", attempts=trip.attempts)
            await self._finish(judged.call, answer, Ending("succeeded", days=days))
        return answer

    async def _perform(self, judged: Judged, trip: Trip, *, recorded: bool, lost: EffectUnanswered | None) -> Any:
        """Drive the handler to its result."""
        rendered = judged.rendered
        if rendered.first is None:
            return rendered.result
        answers = self.answering(judged, trip, recorded=recorded, lost=lost)
        with judged.call.asked.trace.stage("send"):
            try:
                return await drive(rendered.handler, answers, started=rendered.first)
            except Settled as settled:
                return settled.output
            except UpstreamInvalidResponse as error:
                if trip.handed_over:
                    error.members.setdefault("applied", "unknown")
                return await self._look_instead(judged, trip, error)
            except (ActionError, AlreadySettled):
                raise
            except Exception as error:  # the recorder's edge: a fault of a handler must not leave its call open
                log_fault(error, judged.call.asked.trace.id)
                return await self._look_instead(judged, trip, _our_fault(judged, handed_over=trip.handed_over))

    async def _look_instead(self, judged: Judged, trip: Trip, error: ActionError) -> Any:
        """An effect's answer could not be used: return what is found at the vendor, else raise the error."""
        if trip.handed_over:
            answers = self.answering(judged, trip, recorded=False)
            try:
                found = await self._reconciler.look(judged.typed, judged.rendered.api, answers, until=trip.deadline)
            except Unread:
                raise error from None
            if found is not None:
                return found
        raise error

    async def _finish(self, call: Opened, answer: Answer, ending: Ending) -> None:
        """Make the end durable before anybody hears of it; try for a while where the disk refuses.

        After that the caller hears that it is not known, and the end is written once the ledger is back.
        """
        for attempt in range(_SETTLE_TRIES):
            try:
                await self._journal.finish(call, answer, ending)
            except StateUnavailable:
                if attempt == _SETTLE_TRIES - 1:
                    self._spawn(self._finish_later(call, answer, ending))
                    raise
                await self._sleep(0.2 * 2**attempt)
            else:
                return

    async def _finish_later(self, call: Opened, answer: Answer, ending: Ending) -> None:
        """Go on trying: nobody else may settle a call of a process that lives."""
        while True:
            await self._sleep(_SETTLE_LATER_SECONDS)
            try:
                await self._journal.finish(call, answer, ending)
            except StateUnavailable:
                continue
            except AlreadySettled:  # somebody took this process for ended, and the call over
                pass
            return


def _our_fault(judged: Judged, *, handed_over: bool) -> ActionError:
    name = judged.target.action.name
    if handed_over:
        return OutcomeUnknown(
            f"{name} was sent, and a fault of ours kept its answer from being read.",
            hint=f"Look at {judged.target.connector.title} first; an operator closes the call with its outcome.",
        )
    return Internal(f"A fault of ours ended {name} before anything was changed.")
