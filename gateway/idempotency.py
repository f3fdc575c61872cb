"""Stage: idempotency keys. A key is scoped to tenant, environment and agent and bound to what it was used for.

The look-up only reads. The claim itself is a unique insert, made when the call is parked, queued or sent.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from connectors.sdk.errors import IdempotencyInProgress, IdempotencyMismatch, Issue, MalformedRequest
from gateway import body
from gateway.call import Agent, Bounded, Typed
from gateway.clock import stamp
from gateway.ledger.database import Database
from gateway.ledger.record import Claim, ClaimTaken

_LOOK_UP = (
    "SELECT call, digest FROM claims WHERE tenant=? AND environment=? AND agent=? AND key=?"
    " AND (expires_at IS NULL OR expires_at > ?)"
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """The first call under this key."""

    call: str


class Idempotency:
    """Looks keys up, derives and marks them. `secret` is the key of the markers' HMAC."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self._database = database
        self._secret = secret

    def marker(self, agent: Agent, key: str) -> str:
        """Return what a call leaves at the vendor for reconciliation: an HMAC of tenant, agent and key."""
        text = "\x1f".join((agent.tenant, agent.environment, agent.id, key))
        return hmac.new(self._secret, text.encode(), sha256).hexdigest()[:32]

    def settle_key(self, bounded: Bounded) -> None:
        """Make sure that a write has a key, deriving it where all its grants say so. A preview may go without.

        Raises `MalformedRequest`.
        """
        typed, call = bounded.typed, bounded.typed.target.call
        if typed.key is None and typed.target.action.writes:
            derives, has_run = bounded.rules.idempotency == "derive", call.asked.options.run is not None
            if derives and has_run:
                typed.key = "derived:" + body.digest(
                    call.run, typed.target.action.name, typed.target.connection.id, typed.value
                )
            elif derives and not call.asked.preview:
                raise _missing("This grant derives the key from the run, and no run is named (Gatehouse-Run).")
            elif not call.asked.preview:
                raise _missing("The idempotency key is missing; every action but a read needs one.")
        if typed.key is not None and not typed.marker:
            typed.marker = self.marker(typed.target.call.agent, typed.key)

    async def look_up(self, typed: Typed, now: datetime) -> Earlier | None:
        """Return the first call under the key, if there is one. Raises `IdempotencyMismatch`."""
        if typed.key is None:
            return None
        agent = typed.target.call.agent
        values = (agent.tenant, agent.environment, agent.id, typed.key, stamp(now))
        row = await self._database.fetch(_LOOK_UP, values, tenant=agent.tenant)
        return None if row is None else self.same(typed, ClaimTaken(row[0], row[1]))

    def same(self, typed: Typed, taken: ClaimTaken) -> Earlier:
        """Return the call that holds the key, if it was asked for the same. Raises `IdempotencyMismatch`."""
        if taken.digest != typed.digest:
            raise IdempotencyMismatch(
                "This Idempotency-Key was used for another action, connection or input.",
                hint="Use a new key for a new call; repeat a call with exactly the same input.",
            )
        return Earlier(taken.call)

    def claim(self, typed: Typed, now: datetime) -> Claim | None:
        """Return the claim that the call's first durable record makes."""
        if typed.key is None:
            return None
        call = typed.target.call
        agent = call.agent
        return Claim(agent.tenant, agent.environment, agent.id, typed.key, call.id, typed.digest, stamp(now))


def in_progress() -> IdempotencyInProgress:
    """Return the answer to a repeat whose first call still runs."""
    return IdempotencyInProgress(
        "The first call under this Idempotency-Key is still running.",
        retry_after_ms=1000,
        hint="Repeat the same call a little later, or read the first one with `GET /v1/calls/{id}?wait=30`.",
    )


def claim_until(bounded_days: int, now: datetime) -> str:
    """Return when the claim of a call that ends now is forgotten."""
    return stamp(now + timedelta(days=bounded_days))


def _missing(detail: str) -> MalformedRequest:
    return MalformedRequest(
        detail,
        issues=[Issue(parameter="Idempotency-Key", message="required for this action")],
        hint="Make one key per intended effect and send the same key with every retry: in the header Idempotency-Key,"
        " over MCP as `_gatehouse.idempotency_key`.",
    )
