"""Resolving a call whose outcome is unknown: a person looked at the vendor, and says what is there."""

from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, ValidationError
from sqlalchemy import Connection as Rows
from sqlalchemy import select

from connectors.sdk.errors import Conflict, UpstreamUnavailable
from gateway.admin.control import By
from gateway.admin.records import events_of_run
from gateway.admin.rows import Place
from gateway.admin.wanted import Wanted, refused
from gateway.answers import problem
from gateway.call import Answer
from gateway.clock import Clock
from gateway.ending import Ending
from gateway.journal import AlreadySettled, Journal
from gateway.ledger.bodies import Bodies
from gateway.ledger.database import Database
from gateway.ledger.schema import connections, events, grants
from gateway.looks import Looks
from gateway.registry import Registry
from gateway.stored import StoredCall
from gateway.upstream.recording import mask_tree


class Resolution(Wanted):
    """What a person found. `output` is what the action would have answered, where it was applied and is known."""

    outcome: Literal["applied", "not_applied"]
    output: dict[str, Any] | None = None
    comment: Annotated[str, Field(min_length=1, max_length=2000)]


class Resolver:
    """Settles `outcome_unknown` calls on a person's word, which is recorded with who gave it."""

    def __init__(
        self, database: Database, bodies: Bodies, looks: Looks, journal: Journal, registry: Registry, clock: Clock
    ) -> None:
        self._database = database
        self._bodies = bodies
        self._looks = looks
        self._journal = journal
        self._registry = registry
        self._clock = clock

    async def resolve(self, place: Place, by: By, id: str, said: Resolution) -> None:
        """Settle a call. Applied: it succeeded. Not applied: it failed, and its key may be used again.

        Raises `CallNotFound`, `Conflict` where the call's outcome is known, `InvalidInput` for an output that the
        action could not have given.
        """
        stored = await self._looks.find(place.tenant, place.environment, id)
        if stored.status != "outcome_unknown":
            raise _known(stored.status)
        facts = await self._database.read(lambda rows: self._facts(rows, stored), tenant=stored.tenant)
        if said.outcome == "applied":
            answer, ending = self._applied(stored, said, facts)
        else:
            if said.output is not None:
                raise refused("/output", "cannot be given for what was not applied")
            answer, ending = _not_applied(stored), Ending("failed", UpstreamUnavailable.code, release=True)
        data = {"outcome": said.outcome, "comment": said.comment, "by": by.shown()}
        try:
            await self._journal.resolve(stored, answer, ending, data)
        except AlreadySettled as error:
            raise _known(error.status or "gone") from error

    def _applied(self, stored: StoredCall, said: Resolution, facts: dict[str, Any]) -> tuple[Answer, Ending]:
        body = {
            "id": stored.id,
            "action": stored.action,
            "status": "succeeded",
            "run": stored.run,
            "connection": facts["connection"],
            "output": self._output(stored, said.output),
            "decision": facts["decision"],
            "attempts": facts["attempts"],
            "replayed": False,
            "resolved": True,
            "created_at": stored.created_at,
            "duration_ms": facts["duration_ms"],
        }
        return Answer(200, body, call=stored.id), Ending("succeeded", days=facts["days"])

    def _output(self, stored: StoredCall, output: dict[str, Any] | None) -> Any:
        """Return the output as the action would have given it. Raises `InvalidInput`."""
        found = self._registry.action(stored.action)
        if output is None or found is None:
            return output
        _, action = found
        try:
            typed = action.output_adapter.validate_json(orjson.dumps(output))
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            pointer = "/output" + "".join(f"/{part}" for part in fault["loc"])
            raise refused(pointer, f"is not what {stored.action} answers: {fault['msg']}") from error
        return mask_tree(action.output_adapter.dump_python(typed, mode="json"), action.secrets)

    def _facts(self, rows: Rows, stored: StoredCall) -> dict[str, Any]:
        """Return what the first answer would have said besides its output."""
        query = events_of_run(stored.run).where(
            events.c.call == stored.id, events.c.type.in_(["decision", "call_finished"])
        )
        decision: dict[str, Any] = {}
        ended: dict[str, Any] = {}
        for row in rows.execute(query.order_by(events.c.seq)).mappings():
            data = self._bodies.open(stored.tenant, row["id"], row["body"])
            (decision if row["type"] == "decision" else ended).update(data)
        decision.pop("resource", None)
        granted = select(grants.c.idempotency_days).where(grants.c.id.in_(decision.get("grants", [])))
        name = rows.execute(select(connections.c.name).where(connections.c.id == stored.connection)).scalar()
        return {
            "decision": decision,
            "connection": name,
            "days": max((row[0] for row in rows.execute(granted)), default=1),
            "attempts": ended.get("attempts", 1),
            "duration_ms": ended.get("duration_ms"),
        }


def _not_applied(stored: StoredCall) -> Answer:
    error = UpstreamUnavailable(
        "An operator looked at the vendor: nothing was changed.", hint="Send the same call again."
    )
    return Answer(error.status, problem(error, call=stored.id), call=stored.id)


def _known(status: str) -> Conflict:
    return Conflict(
        f"This call is {status}; only one whose outcome is unknown can be resolved.", hint="Read the call again."
    )
