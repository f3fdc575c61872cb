"""Every later look at a call: replay, call, output, timeline.

Each checks freeze, grant and constraints again as they are today, and applies today's redactions.
"""

from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from connectors.sdk import Searched
from connectors.sdk.errors import CallNotFound, ConstraintDenied, ScopeDenied
from gateway.answers import redacted
from gateway.authorize import check_personal, narrow_token
from gateway.call import Agent, Answer, Principal
from gateway.clock import Clock
from gateway.freeze import Freezes
from gateway.ledger.bodies import Bodies
from gateway.ledger.database import Database
from gateway.registry import Registry
from gateway.stored import StoredCall
from scopes.constraint import resource_matches
from scopes.grant import Combined, combine, covering, for_resource, patterns

_COLUMNS = (
    "id, tenant, environment, agent, run, action, connection, status, code, key, digest, created_at, finished_at,"
    " request, answer"
)
_FIND = f"SELECT {_COLUMNS} FROM calls WHERE id=? AND tenant=? AND environment=?"  # noqa: S608 - constant columns


class Looks:
    """Reads calls on behalf of agents."""

    def __init__(self, database: Database, bodies: Bodies, registry: Registry, freezes: Freezes, clock: Clock) -> None:
        self._database = database
        self._bodies = bodies
        self._registry = registry
        self._freezes = freezes
        self._clock = clock

    async def find(self, tenant: str, environment: str, id: str) -> StoredCall:
        """Return a call of the environment. Raises `CallNotFound`."""
        row = await self._database.fetch(_FIND, (id, tenant, environment), tenant=tenant)
        if row is None:
            raise _missing(id)
        request = self._bodies.open(tenant, id, row[13]) if row[13] else {}
        answer = self._bodies.open(tenant, f"{id}/answer", row[14]) if row[14] else None
        return StoredCall(*row[:13], request, answer)  # type: ignore[call-arg]

    async def mine(self, agent: Agent, id: str) -> StoredCall:
        """Return a call of the agent. Raises `CallNotFound`, also for another agent's."""
        stored = await self.find(agent.tenant, agent.environment, id)
        if stored.agent != agent.id:
            raise _missing(id)
        return stored

    def check(self, principal: Principal, stored: StoredCall) -> Combined | None:
        """Return today's rules over a call, or None for one that was refused before it concerned anything.

        Raises `Frozen`, `ScopeDenied`, `ConstraintDenied`, or `ConnectionRequired` for what came over a connection
        of a person whom the caller does not prove to act for, where the caller may not see it.
        """
        agent = principal.agent
        self._freezes.check_caller(agent.tenant, agent.environment, agent.id)
        if stored.connection is None or stored.digest is None:
            return None
        found = self._registry.action(stored.action)
        if found is None:
            return None
        connector, action = found
        self._freezes.check_target(agent.tenant, agent.environment, connector.id, stored.connection)
        grants = covering(principal.grants, connection=stored.connection, scopes=action.scopes, now=self._clock.now())
        if not grants:
            if stored.code == "scope_denied":
                return None
            raise narrow_token(principal, stored.connection, action, self._clock.now()) or ScopeDenied(
                f"No live grant gives this agent {', '.join(sorted(action.scopes))} any more.",
                hint="What was granted then was taken back; ask an admin.",
            )
        connection = principal.connections.get(stored.connection)
        if connection is not None:
            check_personal(principal, connection)
        resource = stored.request.get("resource")
        if resource is not None:
            grants = for_resource(grants, resource, getattr(action.resource, "canonical", str))
            if not grants:
                raise ConstraintDenied(f"{resource!r} is outside the resources that this agent's grants name today.")
        return combine(grants, stored.run)

    def answer(self, principal: Principal, stored: StoredCall) -> Answer:
        """Return a terminal call's first answer under today's rules. Raises like `check`."""
        rules = self.check(principal, stored)
        assert stored.answer is not None
        body = dict(stored.answer["body"])
        if "output" in body and rules is not None:
            body["output"] = self._today(principal, stored, body["output"], rules)
        return Answer(stored.answer["http"], body, call=stored.id)

    def replay(self, principal: Principal, stored: StoredCall) -> Answer:
        """Return the first answer as a repeat gets it."""
        answer = self.answer(principal, stored)
        return replace(answer, body={**answer.body, "replayed": True}, replayed=True)

    def standing(self, principal: Principal, stored: StoredCall) -> Answer:
        """Return where a call stands that has not ended."""
        named = principal.connections.get(stored.connection or "")
        body = {
            "id": stored.id,
            "action": stored.action,
            "status": stored.status,
            "run": stored.run,
            "connection": named.name if named else None,
            "replayed": False,
            "created_at": stored.created_at,
        }
        return Answer(202, body, call=stored.id, location=f"/v1/calls/{stored.id}")

    def _today(self, principal: Principal, stored: StoredCall, output: Any, rules: Combined) -> Any:
        """Cut a stored output to today's grants."""
        _, action = self._registry.action(stored.action) or (None, None)
        if action is not None and isinstance(action.resource, Searched) and isinstance(output, dict):
            output = self._within(principal, stored, action.resource, action, output)
        return redacted(output, rules)

    def _within(
        self, principal: Principal, stored: StoredCall, fact: Searched, action: Any, output: dict[str, Any]
    ) -> Any:
        bounds = patterns(
            covering(
                principal.grants,
                connection=stored.connection or "",
                scopes=action.scopes,
                now=self._clock.now(),
            )
        )
        if bounds is None:
            return output
        allowed = [pattern if pattern == "*" else fact.canonical(pattern) for pattern in bounds]
        try:
            items = action.output_adapter.validate_python(output).items
        except ValidationError:
            return {**output, "items": []}
        kept = [
            item
            for item, typed in zip(output["items"], items, strict=True)
            if any(resource_matches(pattern, fact.canonical(fact.of(typed))) for pattern in allowed)
        ]
        return {**output, "items": kept}


def _missing(id: str) -> CallNotFound:
    return CallNotFound(f"There is no call {id[:60]!r} of this agent.", hint="Ids look like call_01k... ")
