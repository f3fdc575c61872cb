"""Writes what happens to a call: its row, its claim and intents, and the events that explain them.

Events wait in the call until the next durable write, which always comes before the next request leaves and before
an answer is given.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from connectors.sdk.errors import StateUnavailable
from gateway.call import Answer, Opened, Typed
from gateway.clock import Clock, stamp
from gateway.ending import Ending
from gateway.idempotency import claim_until
from gateway.ledger.bodies import Bodies
from gateway.ledger.database import Database
from gateway.ledger.events import Events
from gateway.ledger.record import CallRow, Claim, ClaimTaken, Intent, Outcome, Record, RunRow, Settlement, Stale
from gateway.stored import StoredCall
from gateway.waiters import Waiters

WAITING = ("queued", "pending_approval")
OPEN = ("running", "outcome_unknown", *WAITING)


class AlreadySettled(Exception):
    """Somebody else moved the call on. `status` is where it stands."""

    def __init__(self, status: str | None) -> None:
        """Take the state that was found."""
        super().__init__(status)
        self.status = status


class KeyTaken(Exception):
    """Another call claimed the key first."""

    def __init__(self, taken: ClaimTaken) -> None:
        """Take who holds it."""
        super().__init__(taken.call)
        self.taken = taken


class Journal:
    """The one place that writes calls. What this process runs is its own: `database.writer` names it."""

    def __init__(self, database: Database, bodies: Bodies, events: Events, clock: Clock, waiters: Waiters) -> None:
        self._database = database
        self._waiters = waiters
        self._bodies = bodies
        self._events = events
        self._clock = clock

    def note(self, call: Opened, type: str, data: Mapping[str, object], *, first: bool = False) -> None:
        """Add an event that the call's next durable write carries. The `first` one tells how the call began."""
        agent = call.agent
        if call.asked.watch is not None:
            call.asked.watch(type)
        call.events.insert(
            0 if first else len(call.events),
            self._events.make(
                type,
                call.created_at if first else self._clock.now(),
                data,
                tenant=agent.tenant,
                environment=agent.environment,
                run=call.run,
                call=call.id,
            ),
        )

    async def open(
        self,
        typed: Typed,
        status: str,
        *,
        resource: str | None,
        claim: Claim | None,
        step: str | None = None,
        job: Any = None,
    ) -> None:
        """Make a call durable: claim, row, first intent and events in one transaction. Raises `KeyTaken`."""
        call = typed.target.call
        request = self._request(call, typed.value, resource, typed.key)
        row = self._row(call, status, key=typed.key, digest=typed.digest, request=request)
        record = Record(claim=claim, run=self._run(call), call=row, events=call.events, job=job)
        if step is not None:
            record.intent = self._intent(call, 1, step)
        outcome = await self._database.commit(record)
        if isinstance(outcome, ClaimTaken):
            raise KeyTaken(outcome)
        call.claimed = claim is not None
        call.recorded()

    async def start(self, call: Opened, step: str | None) -> None:
        """Take a waiting call into running, with its first intent. Raises `AlreadySettled`."""
        record = Record(
            settlement=Settlement(call.id, "running", ("queued",), owner=self._database.writer), events=call.events
        )
        if step is not None:
            record.intent = self._intent(call, 1, step)
        self._expect_written(await self._database.commit(record))
        call.events = []

    async def step(self, call: Opened, number: int, name: str) -> None:
        """Make the intent of a further effect durable before it is sent."""
        await self._commit(call, Record(intent=self._intent(call, number, name), events=call.events))

    async def flush(self, call: Opened) -> None:
        """Make the waiting events durable."""
        if call.events:
            run = None if call.durable else self._run(call)
            await self._commit(call, Record(run=run, events=call.events))

    async def cancel(self, call: Opened, answer: Answer, ending: Ending) -> None:
        """End a call of which nothing was sent. Raises `AlreadySettled` where it is past that."""
        await self.finish(call, answer, ending, expected=WAITING)

    async def finish(self, call: Opened, answer: Answer, ending: Ending, *, expected: tuple[str, ...] = OPEN) -> None:
        """Make a call's end durable. Raises `AlreadySettled` where it ended before, `StateUnavailable`.

        A call of unknown outcome may still come to be known, by its sender or by who took it over; it is not given up a
        second time, for its answer has been told.
        """
        sealed = self._answer(call, answer)
        waiting = list(call.events)
        self._note_end(call, ending, answer, sealed)
        now = self._clock.now()
        unknown = ending.status == "outcome_unknown"
        settlement = Settlement(
            call=call.id,
            status=ending.status,
            expected=tuple(status for status in expected if not (unknown and status == "outcome_unknown")),
            code=ending.code,
            finished_at=stamp(now),
            answer=sealed,
            claim_until=None if unknown else claim_until(ending.days, now),
            release=ending.release,
            intents="unknown" if unknown else "settled",
        )
        events, call.events = call.events, waiting
        self._expect_written(await self._database.commit(Record(settlement=settlement, events=events)))
        call.events = []
        self._waiters.finished(call.id)

    async def refuse(self, call: Opened, answer: Answer, ending: Ending) -> None:
        """Record a call that ended before anything was claimed, whole, in one transaction."""
        sealed = self._answer(call, answer)
        request = self._request(call, call.value, None, None)
        self._note_end(call, ending, answer, sealed)
        row = self._row(
            call,
            ending.status,
            key=None,
            digest=call.digest,
            request=request,
            code=ending.code,
            answer=sealed,
            ended=True,
        )
        await self._commit(call, Record(run=self._run(call), call=row, events=call.events))
        call.recorded()

    async def resolve(self, stored: StoredCall, answer: Answer, ending: Ending, data: Mapping[str, object]) -> None:
        """Settle a call of unknown outcome on a person's word, told in `data`. Raises `AlreadySettled`."""
        now = self._clock.now()
        blob = {"http": answer.status, "body": answer.body}
        sealed = self._bodies.seal(stored.tenant, f"{stored.id}/answer", blob)
        settlement = Settlement(
            call=stored.id,
            status=ending.status,
            expected=("outcome_unknown",),
            code=ending.code,
            finished_at=stamp(now),
            answer=sealed,
            claim_until=claim_until(ending.days, now),
            release=ending.release,
            intents="settled",
        )
        told = {**data, "status": ending.status, "answer_sha256": sha256(sealed).hexdigest()}
        if ending.code:
            told["code"] = ending.code
        where = {"tenant": stored.tenant, "environment": stored.environment, "run": stored.run, "call": stored.id}
        event = self._events.make("call_resolved", now, told, **where)
        self._expect_written(await self._database.commit(Record(settlement=settlement, events=[event])))
        self._waiters.finished(stored.id)

    async def write(self, call: Opened, job: Any) -> Any:
        """Run a job with the call's waiting events in one transaction."""
        events, call.events = call.events, []
        return await self._database.write(job, *events)

    async def _commit(self, call: Opened, record: Record) -> None:
        self._expect_written(await self._database.commit(record))
        call.events = []

    @staticmethod
    def _expect_written(outcome: Outcome) -> None:
        if isinstance(outcome, Stale):
            raise AlreadySettled(outcome.status)
        if isinstance(outcome, ClaimTaken):
            raise StateUnavailable("The ledger answered a claim that was not made.")

    def _note_end(self, call: Opened, ending: Ending, answer: Answer, sealed: bytes) -> None:
        data: dict[str, object] = {
            "status": ending.status,
            "answer_sha256": sha256(sealed).hexdigest(),
            "http_status": answer.status,
        }
        if ending.code:
            data["code"] = ending.code
        for member in ("detail", "hint", "attempts", "duration_ms"):
            if member in answer.body:
                data[member] = answer.body[member]
        self.note(call, "call_finished", data)

    def _request(self, call: Opened, value: Mapping[str, Any] | None, resource: str | None, key: str | None) -> bytes:
        asked = call.asked
        blob = {
            "input": value,
            "options": {**asked.options.told(), "run": asked.options.run},
            "key": key,
            "resource": resource,
            "trace": asked.trace.id,
            "traceparent": asked.trace.traceparent,
            "agent_key": asked.principal.key,
        }
        if asked.principal.proved is not None:
            blob["proved"] = asked.principal.proved.told()
        sealed = self._bodies.seal(call.agent.tenant, call.id, blob)
        data = {
            "action": call.action or asked.action[:200],
            "connection": call.connection,
            "agent": call.agent.id,
            "agent_key": asked.principal.key,
            "address": asked.address,
            "request_sha256": sha256(sealed).hexdigest(),
            **{name: said for name, said in asked.options.told().items() if name != "connection"},
        }
        if asked.principal.proved is not None:
            # The issuer is named by the key; an actor that was only asserted is not marked so.
            data["proved"] = asked.principal.proved.told()
            data |= {"actor": asked.actor} if asked.actor is not None else {}
        self.note(call, "call_requested", data, first=True)
        return sealed

    def _answer(self, call: Opened, answer: Answer) -> bytes:
        blob = {"http": answer.status, "body": answer.body}
        return self._bodies.seal(call.agent.tenant, f"{call.id}/answer", blob)

    def _run(self, call: Opened) -> RunRow | None:
        if not call.opens_run:
            return None
        agent = call.agent
        opened_at = stamp(call.created_at)
        return RunRow(call.run, agent.tenant, agent.environment, agent.id, call.asked.actor, opened_at, None)

    def _intent(self, call: Opened, step: int, name: str) -> Intent:
        return Intent(call.id, step, name, stamp(self._clock.now()), self._database.writer)

    def _row(
        self,
        call: Opened,
        status: str,
        *,
        key: str | None,
        digest: str | None,
        request: bytes,
        code: str | None = None,
        answer: bytes | None = None,
        ended: bool = False,
    ) -> CallRow:
        agent = call.agent
        return CallRow(
            id=call.id,
            tenant=agent.tenant,
            environment=agent.environment,
            agent=agent.id,
            run=call.run,
            action=call.action or call.asked.action[:200],
            connection=call.connection,
            status=status,
            code=code,
            key=key,
            digest=digest,
            created_at=stamp(call.created_at),
            finished_at=stamp(self._clock.now()) if ended else None,
            request=request,
            answer=answer,
            owner=None if ended else self._database.writer,
        )
