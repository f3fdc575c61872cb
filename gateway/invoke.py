"""The pipeline: one call, from the request to the answer. Read `_judge` and `_act` as the security argument.

    intake limit -> authenticate (both at the door, before a call exists)
      -> freeze -> open record -> action -> connection -> freeze -> scopes -> parse and type -> constraints
      -> look the key up -> custom fields -> risk -> decide -> approval -> limits
    =====================================================================
      -> claim + intent durable -> credential -> sign and send -> type the answer -> redact -> outcome durable -> answer

Nothing above the double line touches the vendor or a token, but recorded reads: `locate`, and which custom fields a
connection has.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from connectors.sdk import DeclarationError, Located
from connectors.sdk.errors import ActionError, Internal, PolicyDenied, StateUnavailable, TryLater
from gateway.allowance import Allowances
from gateway.answers import Answers, decision_shown
from gateway.approvals import Approval, Approvals
from gateway.authorize import authorize
from gateway.call import Answer, Asked, Judged, Opened, Typed
from gateway.clock import Clock
from gateway.constrain import constrain
from gateway.custom_fields import CustomFieldBook
from gateway.ending import Ending, ending_of
from gateway.execute import Executor
from gateway.files import Files
from gateway.freeze import Freezes
from gateway.idempotency import Earlier, Idempotency, in_progress
from gateway.ids import new_id
from gateway.journal import AlreadySettled, Journal, KeyTaken
from gateway.limits import Bill
from gateway.looks import Looks
from gateway.observe import Observer
from gateway.parse import Parser
from gateway.policy.decide import PolicyRule, decide
from gateway.policy.decision import Ask, Deny, Shadow
from gateway.policy.risk import assess, records_touched
from gateway.render import render, shown
from gateway.resolve import Resolver, check_health
from gateway.runs import Runs
from gateway.telemetry import Metrics
from gateway.upstream.reads import Work, perform
from gateway.upstream.road import Road

ResultT = TypeVar("ResultT")
Submit = Callable[[str], None]
Spawn = Callable[[Coroutine[Any, Any, Answer]], asyncio.Task[Answer]]


class Pipeline:
    """Every door hands its calls to `invoke`; approvals, the queue and recovery come back through `resume`."""

    def __init__(
        self,
        *,
        clock: Clock,
        freezes: Freezes,
        runs: Runs,
        resolver: Resolver,
        parser: Parser,
        custom_fields: CustomFieldBook,
        idempotency: Idempotency,
        policies: Sequence[PolicyRule],
        approvals: Approvals,
        allowances: Allowances,
        executor: Executor,
        road: Road,
        journal: Journal,
        looks: Looks,
        answers: Answers,
        files: Files,
        metrics: Metrics,
        observer: Observer,
        check_room: Callable[[], None],
        submit: Submit,
        spawn: Spawn,
    ) -> None:
        self._clock = clock
        self._freezes = freezes
        self._runs = runs
        self._resolver = resolver
        self._parser = parser
        self._custom_fields = custom_fields
        self._idempotency = idempotency
        self._policies = policies
        self._approvals = approvals
        self._allowances = allowances
        self._executor = executor
        self._road = road
        self._journal = journal
        self._looks = looks
        self._answers = answers
        self._files = files
        self._metrics = metrics
        self._observer = observer
        self._check_room = check_room
        self._submit = submit
        self._spawn = spawn
        self._leaving = False

    async def invoke(self, asked: Asked) -> Answer:
        """Run one call and return its answer, whatever it is. Raises `StateUnavailable` where nothing can be recorded.

        Where the caller's patience ends first, the call goes on and the answer says where to look.
        """
        call = self._open(asked)
        try:
            return await self._answered_in_time(call)
        except asyncio.CancelledError:
            # This process leaves. What is not on record may come to be so yet: it is not answered at all.
            if not (self._leaving and call.durable):
                raise
            _uncancel()
            return self._answers.running(call)

    def leave(self) -> None:
        """From now on a call that is cut off is answered by where to look: whoever comes next settles it."""
        self._leaving = True

    async def _answered_in_time(self, call: Opened) -> Answer:
        asked = call.asked
        if asked.options.timeout is None:
            return await self._invoke(call)
        recorded = asyncio.Event()
        call.on_record = recorded.set
        task = self._spawn(self._invoke(call))
        done, _ = await asyncio.wait({task}, timeout=asked.options.timeout)
        if not done:
            # An answer may name only a call that is on record; that takes milliseconds, or the call has ended by then.
            on_record = asyncio.ensure_future(recorded.wait())
            await asyncio.wait({task, on_record}, return_when=asyncio.FIRST_COMPLETED)
            on_record.cancel()
        return task.result() if task.done() else self._answers.running(call)

    async def _invoke(self, call: Opened) -> Answer:
        with self._metrics.in_flight.track_inprogress():
            try:
                judged = await self._judge(call)
                answer = judged if isinstance(judged, Answer) else await self._act(judged)
            except ActionError as error:
                answer = await self._refused(call, error)
            except AlreadySettled:
                answer = await self._standing(call)
            except DeclarationError as error:
                answer = await self._refused(call, Internal(f"The connector is at fault: {error}."))
        self._observer.answered(call, answer, self._clock.monotonic() - call.started)
        return answer

    async def preview(self, asked: Asked) -> Judged:
        """Judge a call without any effect: the requests it would send, and what would be decided. Raises."""
        judged = await self._judge(self._open(asked))
        assert isinstance(judged, Judged)
        judged.rendered.handler.close()
        return judged

    async def resume(self, call: Opened, approval: Approval | None, *, last: bool = False) -> Answer:
        """Run a call that was queued or approved: everything is checked again as it is now.

        The answer says `queued`, and for how long, where a limit says to wait, unless this is the `last` try.
        Raises `AlreadySettled` where somebody else moved the call on.
        """
        try:
            try:
                judged = await self.judge_again(call)
            except StateUnavailable as gone:  # freezes or grants could not be read: nothing was done yet
                if last:
                    raise
                call.events.clear()
                return Answer(202, {"status": "queued"}, call=call.id, retry_after=(gone.retry_after_ms or 1000) / 1000)
            self.check_decision(judged, approval)
            try:
                await self._take(judged)
            except TryLater as later:
                judged.rendered.handler.close()
                if last or not later.retryable:
                    raise
                call.events.clear()
                return replace(self._answers.waiting(judged, "queued"), retry_after=(later.retry_after_ms or 0) / 1000)
            answer = await self._executor.resume(judged)
        except StateUnavailable:
            raise  # it may have been sent: the ledger has how far it came, and recovery goes on from there
        except ActionError as error:
            answer = self._answers.failed(call, error)
            await self._journal.finish(call, answer, ending_of(error, handed_over=False))
        self._observer.answered(call, answer, self._clock.monotonic() - call.started)
        return answer

    async def judge_again(self, call: Opened) -> Judged:
        """Judge a call that is durable already, by everything as it is now. Raises an `ActionError`."""
        judged = await self._judge(call, resumed=True)
        assert isinstance(judged, Judged)
        return judged

    async def _judge(self, call: Opened, *, resumed: bool = False) -> Judged | Answer:
        """Everything above the double line, up to the decision. Returns an answer where the key was used before."""
        trace, agent, asked = call.asked.trace, call.agent, call.asked
        trace.begin(asked.action[:100], call.id)
        self._freezes.check_caller(agent.tenant, agent.environment, agent.id)
        asked.principal.acts_for(asked.options.actor)
        if not resumed:
            with trace.stage("open record"):
                await self._runs.join(call)
        with trace.stage("resolve"):
            target = self._resolver.resolve(call)
        self._freezes.check_target(agent.tenant, agent.environment, target.connector.id, target.connection.id)
        with trace.stage("scopes"):
            grants = authorize(target, self._clock.now())
        with trace.stage("parse"):
            typed = self._parser.parse(target)
        with trace.stage("constraints"):
            bounded = await constrain(typed, grants, self._locate)
        self._idempotency.settle_key(bounded)
        if not resumed and not asked.preview:
            with trace.stage("look up"):
                earlier = await self._idempotency.look_up(typed, self._clock.now())
            if earlier is not None:
                return await self._replay(call, earlier)
        if target.action.custom is not None:
            with trace.stage("custom fields"):
                await self._custom_fields.check(typed, lambda work: self._read(typed, work))
        with trace.stage("risk"):
            risk = assess(target.action, typed.value, agent.domains)
            rendered = await render(typed, call.created_at, lambda file: self._files.load(agent, file))
        with trace.stage("decide"):
            decision = decide(self._policies, target.action, bounded.rules, risk, bounded.resource)
        records = records_touched(target.action, typed.value)
        judged = Judged(bounded, rendered, risk, decision, records)
        if not asked.preview:
            self._journal.note(call, "decision", decision_shown(judged) | {"resource": bounded.resource})
        return judged

    async def _act(self, judged: Judged) -> Answer:
        """What follows from the decision: refuse, shadow, park, queue, or cross the line."""
        decision = judged.decision
        if isinstance(decision, Deny):
            raise PolicyDenied("; ".join(decision.reasons) or "A policy refuses this call.")
        if isinstance(decision, Shadow):
            return await self._shadow(judged)
        check_health(judged.target)
        if judged.target.action.writes:
            self._freezes.check_writes()
        bill: Bill | None = None
        told = list(judged.call.events)
        try:
            if isinstance(decision, Ask):
                return await self._approvals.park(judged)
            with judged.call.asked.trace.stage("limits"):
                bill = await self._take(judged)
            if judged.call.asked.options.respond_async:
                self._check_room()
                answer = await self._queue(judged)
                self._allowances.give_back(bill)  # what waits uses no limit: it is charged when it runs
                return answer
            return await self._executor.run(judged)
        except KeyTaken as lost:
            if bill is not None:
                self._allowances.give_back(bill)
            judged.rendered.handler.close()
            judged.call.events = told  # the rest tells of a request that was never sent
            return await self._replay(judged.call, self._idempotency.same(judged.typed, lost.taken))
        except StateUnavailable:
            if not judged.call.durable:
                judged.call.events = told  # the same; and how it began is told by the record of the refusal
            raise

    async def _take(self, judged: Judged) -> Bill:
        """Charge all limits at once; the breaker and the vendor's own quota count among them."""
        self._road.breaker.check(judged.target.connection.id)
        return await self._allowances.take(judged)

    def check_decision(self, judged: Judged, approval: Approval | None) -> None:
        """Check that a resumed call has the same permission again: allowed, or approved exactly as it is. Raises."""
        check_health(judged.target)
        if approval is not None:
            self._approvals.check_unchanged(judged, approval)
        if isinstance(judged.decision, Deny | Shadow) or (isinstance(judged.decision, Ask) and approval is None):
            raise PolicyDenied("What was allowed when the call was queued is not allowed any more.")

    async def _queue(self, judged: Judged) -> Answer:
        """Make the call durable and let it run behind the caller's back."""
        judged.rendered.handler.close()
        claim = self._idempotency.claim(judged.typed, self._clock.now())
        await self._journal.open(judged.typed, "queued", resource=judged.bounded.resource, claim=claim)
        self._submit(judged.call.id)
        return self._answers.waiting(judged, "queued")

    async def _shadow(self, judged: Judged) -> Answer:
        """Render and record; send nothing, claim nothing."""
        judged.rendered.handler.close()
        request = judged.rendered.request
        rendered = {"requests": [shown(judged.typed, request)] if request is not None else []}
        answer = self._answers.finished(judged, None, status="shadowed", attempts=0)
        answer = Answer(200, {**answer.body, "shadow": rendered}, call=answer.call)
        await self._journal.refuse(judged.call, answer, Ending("shadowed"))
        return answer

    async def _replay(self, call: Opened, earlier: Earlier) -> Answer:
        """Answer a repeat: the first call's answer, or where it stands. The replay is an event too."""
        principal = call.asked.principal
        stored = await self._looks.mine(call.agent, earlier.call)
        self._looks.check(principal, stored)
        if stored.status == "running":
            raise in_progress()
        call.events.clear()
        run = call.run if call.asked.options.run else stored.run
        replayed = Opened(call.asked, stored.id, run, call.created_at, call.started, durable=True)
        by = {"agent_key": principal.key} | ({"proved": principal.proved.told()} if principal.proved else {})
        self._journal.note(replayed, "call_replayed", {"status": stored.status, **by})
        await self._journal.flush(replayed)
        self._metrics.replays.inc()
        if stored.terminal:
            return self._looks.replay(principal, stored)
        return self._looks.standing(principal, stored)

    async def _locate(self, typed: Typed, fact: Located) -> str:
        """Find the resource that the input does not determine."""
        found: str = await self._read(typed, lambda api: fact.read(api, typed.input))
        return found

    async def _read(self, typed: Typed, work: Work[ResultT]) -> ResultT:
        """Read at the vendor above the line: recorded in the call and charged, like any read."""
        target = typed.target
        check_health(target)
        await self._allowances.take_read(target.call.agent, target.connection.id)
        trip = self._executor.trip(target)
        found = await perform(self._road, trip, work, target.action.name)
        await trip.record()
        return found

    async def _standing(self, call: Opened) -> Answer:
        """Answer a call that another process took over, because this one was silent for too long."""
        principal = call.asked.principal
        stored = await self._looks.mine(call.agent, call.id)
        return self._looks.answer(principal, stored) if stored.terminal else self._looks.standing(principal, stored)

    async def _refused(self, call: Opened, error: ActionError) -> Answer:
        """Record a call that ended before it was claimed. A call that is durable already keeps its own end."""
        answer = self._answers.failed(call, error)
        if not call.durable and not call.asked.preview:
            await self._journal.refuse(call, answer, ending_of(error, handed_over=False))
        return answer

    def _open(self, asked: Asked) -> Opened:
        return Opened(
            asked=asked,
            id=new_id("call"),
            run=new_id("run"),
            created_at=self._clock.now(),
            started=self._clock.monotonic(),
            opens_run=True,
        )


def _uncancel() -> None:
    """Let the task go on that was cancelled."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
