"""What the gateway answers, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

OutputT = TypeVar("OutputT", covariant=True)
Json = dict[str, Any]

TERMINAL = frozenset({"succeeded", "shadowed", "failed", "denied", "outcome_unknown", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class Call(Generic[OutputT]):
    """A call. `output` is what the action returns; None while the call waits, and where it was only shadowed.

    `truncated` says where the rest of a large output is read: `Gatehouse.output` does. `body` is all of the answer.
    """

    id: str
    action: str
    status: str
    run: str
    connection: str | None
    output: OutputT
    replayed: bool
    key: str | None
    body: Json

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in TERMINAL

    @property
    def decision(self) -> Mapping[str, Any] | None:
        """What was decided and why, with the risk."""
        return self.body.get("decision")

    @property
    def truncated(self) -> Mapping[str, Any] | None:
        """What was cut from the output and where to read it."""
        return self.body.get("truncated")


def call_of(body: Json, key: str | None = None) -> Call[Any]:
    """Return a call as the gateway writes it."""
    return Call(
        id=body["id"],
        action=body["action"],
        status=body["status"],
        run=body["run"],
        connection=body.get("connection"),
        output=body.get("output"),
        replayed=bool(body.get("replayed", False)),
        key=key,
        body=body,
    )


@dataclass(frozen=True, slots=True)
class Preview:
    """What a call would do. `requests` are the exact ones; `predicted_change` what would become of each field."""

    action: str
    connection: str
    decision: Mapping[str, Any]
    requests: Sequence[Mapping[str, Any]]
    predicted_change: Sequence[Mapping[str, Any]]
    body: Json


def preview_of(body: Json) -> Preview:
    """Return a preview as the gateway writes it."""
    return Preview(
        action=body["action"],
        connection=body["connection"],
        decision=body["decision"],
        requests=body["requests"],
        predicted_change=body.get("predicted_change") or (),
        body=body,
    )


@dataclass(frozen=True, slots=True)
class ActionInfo:
    """An action that the key may call. The schemas are there in a full description."""

    name: str
    title: str
    effect: str
    scopes: Sequence[str]
    connections: Sequence[str]
    body: Json

    @property
    def connector(self) -> str:
        """The connector that it belongs to."""
        return self.name.partition(".")[0]

    @property
    def description(self) -> str:
        """What it does, for people and models."""
        return str(self.body.get("description") or self.title)

    @property
    def writes(self) -> bool:
        """Whether it has an effect."""
        return self.effect != "read"

    @property
    def input_schema(self) -> Json:
        """JSON Schema of the input."""
        return cast("Json", self.body.get("input_schema") or {"type": "object"})

    @property
    def output_schema(self) -> Json:
        """JSON Schema of the output."""
        return cast("Json", self.body.get("output_schema") or {})


def action_of(body: Json) -> ActionInfo:
    """Return an action as the gateway describes it."""
    return ActionInfo(
        name=body["name"],
        title=body["title"],
        effect=body["effect"],
        scopes=body["scopes"],
        connections=body.get("connections") or (),
        body=body,
    )


@dataclass(frozen=True, slots=True)
class File:
    """A file that the gateway keeps for a day. An action's input takes `file.ref`."""

    id: str
    media_type: str
    size: int
    sha256: str

    @property
    def ref(self) -> dict[str, str]:
        """How an input names it."""
        return {"file": self.id}


def file_of(body: Json) -> File:
    """Return a file as the gateway describes it."""
    return File(body["id"], body["media_type"], body["size"], body["sha256"])


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Event:
    """One link of a run's timeline. `seq` counts from 1."""

    id: str
    seq: int
    at: str
    type: str
    call: str | None
    data: Json


def event_of(body: Json) -> Event:
    """Return an event as a timeline has it."""
    return Event(body["id"], body["seq"], body["at"], body["type"], body.get("call"), body["data"])
