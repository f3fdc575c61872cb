"""The values that flow through the pipeline, each richer than the one before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.sdk import Action, Connector
from connectors.sdk.errors import PolicyDenied
from connectors.sdk.exchange import Asked as HandlerAsked
from connectors.sdk.exchange import Request
from connectors.sdk.model import Input
from connectors.sdk.upstream import Upstream
from gateway.ledger.record import EventRow
from gateway.policy.decision import Decision
from gateway.policy.risk import Risk
from gateway.telemetry import CallTrace
from gateway.trail import Trail
from scopes.grant import Combined, Grant


@dataclass(frozen=True, slots=True)
class Agent:
    """A non-human caller. `stops_without_state` is its tenant's choice for writes while replicas share no limits."""

    id: str
    tenant: str
    environment: str
    name: str
    limits: Mapping[str, int]
    domains: tuple[str, ...]
    stops_without_state: bool = False


@dataclass(frozen=True, slots=True)
class Connection:
    """One authorised account of a tenant at a vendor."""

    id: str
    tenant: str
    environment: str
    connector: str
    name: str
    method: str
    base_url: str
    owner_actor: str | None
    account: str | None
    granted: frozenset[str] | None
    health: str
    health_reason: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Proved:
    """What a caller's federated token proved, by the registered issuer whose id is `issuer`.

    `agent` is the value of its agent claim, None where the issuer is registered for one agent. `scopes` are the
    token's, as patterns, None where the issuer is not asked for them.
    """

    issuer: str
    agent: str | None = None
    actor: str | None = None
    actor_claim: str | None = None
    scopes: tuple[str, ...] | None = None

    def told(self) -> dict[str, object]:
        """Return what was proved, as it is recorded."""
        said = {
            "issuer": self.issuer,
            "agent": self.agent,
            "actor": self.actor,
            "actor_claim": self.actor_claim,
            "scopes": list(self.scopes) if self.scopes is not None else None,
        }
        return {name: value for name, value in said.items() if value is not None}

    @staticmethod
    def from_told(said: Mapping[str, Any]) -> "Proved":
        """Read what `told` wrote."""
        scopes = said.get("scopes")
        return Proved(
            said["issuer"],
            said.get("agent"),
            said.get("actor"),
            said.get("actor_claim"),
            tuple(scopes) if scopes is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: a credential's agent, what it was granted, and the connections that the grants name.

    `key` is the id of an agent key, or `<issuer>:<agent>` for a caller with a federated token. Where the token's scopes
    cut the grants, `withheld` are the grants as they were.
    """

    key: str
    agent: Agent
    grants: tuple[Grant, ...]
    connections: Mapping[str, Connection]
    proved: Proved | None = None
    withheld: tuple[Grant, ...] = ()

    @property
    def actor(self) -> str | None:
        """For whom the caller is proved to act."""
        return self.proved.actor if self.proved is not None else None

    def acts_for(self, said: str | None) -> str | None:
        """Return for whom the caller acts, of whom it says something or nothing.

        Raises `PolicyDenied` where that is somebody else than its token proves.
        """
        if self.actor is not None and said is not None and said != self.actor:
            raise PolicyDenied(
                "This request says to be for somebody else than its token proves.",
                hint="Leave the actor out: it is taken from the token.",
            )
        return self.actor or said

    def opens(self, connection: Connection) -> bool:
        """Whether the caller may use a connection that it was granted: a personal one needs its actor, proved."""
        return connection.owner_actor is None or connection.owner_actor == self.actor


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made a request, and until when its credential is good: Unix seconds, None where that is asked anew."""

    principal: Principal
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller says beside the input. Durations are seconds."""

    key: str | None = None
    run: str | None = None
    connection: str | None = None
    actor: str | None = None
    confidence: float | None = None
    reason: str | None = None
    timeout: float | None = None
    respond_async: bool = False
    wait: float | None = None

    def told(self) -> dict[str, object]:
        """Return what the caller said, as it is recorded."""
        said = {
            "idempotency_key": self.key,
            "connection": self.connection,
            "actor": self.actor,
            "confidence": self.confidence,
            "reason": self.reason,
        }
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a door hands it in: authenticated, not yet looked into. `watch` hears what happens to it."""

    principal: Principal
    action: str
    raw: bytes
    options: Options
    address: str
    trace: CallTrace
    preview: bool = False
    watch: Callable[[str], None] | None = None

    @property
    def actor(self) -> str | None:
        """For whom the agent acts: as its token proves, or else as it says."""
        return self.principal.actor or self.options.actor


@dataclass(slots=True)
class Opened:
    """A call with its id, its run and the events that its first write will carry. `on_record` hears of that write."""

    asked: Asked
    id: str
    run: str
    created_at: datetime
    started: float
    events: list[EventRow] = field(default_factory=list[EventRow])
    action: str = ""
    connection: str | None = None
    durable: bool = False
    on_record: Callable[[], None] | None = None
    claimed: bool = False
    opens_run: bool = False
    effect: str = "unknown"
    value: dict[str, Any] | None = None
    digest: str | None = None

    @property
    def agent(self) -> Agent:
        """The caller."""
        return self.asked.principal.agent

    def recorded(self) -> None:
        """Note that the call is on disk, and its events with it."""
        self.durable, self.events = True, []
        if self.on_record is not None:
            self.on_record()


@dataclass(slots=True)
class Resolved:
    """The action and the connection that were meant."""

    call: Opened
    connector: Connector
    action: Action
    connection: Connection


@dataclass(slots=True)
class Typed:
    """The input, parsed and typed. `value` is the accepted body before defaults, `digest` binds the key to it.

    `trail` is the way through a list that came with a cursor.
    """

    target: Resolved
    value: dict[str, Any]
    input: Input
    digest: str
    key: str | None
    marker: str
    trail: Trail | None = None


@dataclass(slots=True)
class Bounded:
    """The grants that cover the call, together, and the resource they were matched with."""

    typed: Typed
    grants: tuple[Grant, ...]
    rules: Combined
    resource: str | None
    patterns: tuple[str, ...] | None


@dataclass(slots=True)
class Rendered:
    """A handler that has said what it would send first."""

    handler: Any
    api: Upstream
    first: HandlerAsked | None
    result: object = None

    @property
    def request(self) -> Request | None:
        """The first request, if the action sends any."""
        return self.first if isinstance(self.first, Request) else None


@dataclass(slots=True)
class Judged:
    """A call with its risk and what was decided."""

    bounded: Bounded
    rendered: Rendered
    risk: Risk
    decision: Decision
    records: int

    @property
    def typed(self) -> Typed:
        """The input."""
        return self.bounded.typed

    @property
    def target(self) -> Resolved:
        """The action and connection."""
        return self.bounded.typed.target

    @property
    def call(self) -> Opened:
        """The call."""
        return self.bounded.typed.target.call


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets: a status, a body and whether it is a replay."""

    status: int
    body: Mapping[str, Any]
    call: str | None = None
    replayed: bool = False
    location: str | None = None
    retry_after: float | None = None
