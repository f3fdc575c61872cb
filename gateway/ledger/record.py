"""What is written in one transaction: rows that belong together, and how the write ended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class EventRow:
    """One link of the chain before it has its place. `body` is encrypted already."""

    id: str
    tenant: str
    environment: str
    run: str
    call: str
    type: str
    at: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run the one call of an idempotency key. An older claim that expired before `at` gives way."""

    tenant: str
    environment: str
    agent: str
    key: str
    call: str
    digest: str
    at: str


@dataclass(frozen=True, slots=True)
class ClaimTaken:
    """Another call holds the key."""

    call: str
    digest: str


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call as it is first written."""

    id: str
    tenant: str
    environment: str
    agent: str
    run: str
    action: str
    connection: str | None
    status: str
    code: str | None
    key: str | None
    digest: str | None
    created_at: str
    finished_at: str | None
    request: bytes | None
    answer: bytes | None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run; written again without harm."""

    id: str
    tenant: str
    environment: str
    agent: str
    actor: str | None
    opened_at: str
    details: bytes | None


@dataclass(frozen=True, slots=True)
class Intent:
    """An effect that is about to be sent by `owner`.

    Written for a call that is there already, it needs the call to be running and still its owner's: otherwise nothing
    is written and the write answers `Stale`.
    """

    call: str
    step: int
    name: str
    opened_at: str
    owner: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a call stands now: terminal with its answer, or moved to another waiting state.

    `expected` are the states it may come from: a settlement that finds another one changes nothing and the write
    answers `Stale`. `claim_until` ends the claim then (None: it never expires); `release` gives it back now. `owner`
    takes the call over for a process; None leaves it whose it is.
    """

    call: str
    status: str
    expected: tuple[str, ...]
    code: str | None = None
    finished_at: str | None = None
    answer: bytes | None = None
    claim_until: str | None = None
    release: bool = False
    owner: str | None = None
    intents: str | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """The call was no longer in an expected state: somebody else moved it."""

    status: str | None


@dataclass(frozen=True, slots=True)
class Written:
    """The transaction is on disk. `value` is what the job returned."""

    value: Any = None


@dataclass(slots=True)
class Record:
    """One transaction, applied in this order. A lost claim or a stale settlement writes nothing of the rest."""

    claim: Claim | None = None
    settlement: Settlement | None = None
    run: RunRow | None = None
    call: CallRow | None = None
    intent: Intent | None = None
    events: list[EventRow] = field(default_factory=list[EventRow])
    job: Callable[[Connection], Any] | None = None


Outcome = Written | ClaimTaken | Stale
