"""How a run is told and how it ends, the same for blocking and asynchronous programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gatehouse_client.errors import GatehouseError

Result = Literal["succeeded", "failed", "escalated"]
_LONGEST_CAUSE = 2000


@dataclass(frozen=True, slots=True)
class Opening:
    """What a run is for."""

    work_unit: str | None = None
    labels: Mapping[str, str] | None = None
    agent_version: str | None = None

    def body(self) -> dict[str, Any]:
        """Return what the gateway reads."""
        given = {"work_unit": self.work_unit, "labels": self.labels, "agent_version": self.agent_version}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `quantity` and `cost` are decimal strings."""

    result: Result
    cause: str | None = None
    quantity: str | None = None
    cost: str | None = None

    def body(self) -> dict[str, Any]:
        """Return what the gateway reads."""
        given = {"cause": self.cause, "quantity": self.quantity, "cost": self.cost}
        return {"result": self.result} | {name: value for name, value in given.items() if value is not None}


def failed(error: BaseException, hidden: Any) -> Outcome:
    """Return the outcome of a run that an exception ended. `hidden` takes the key out of a text."""
    said = f"{error.code}: {error.detail}" if isinstance(error, GatehouseError) else f"{type(error).__name__}: {error}"
    return Outcome("failed", hidden(said)[:_LONGEST_CAUSE])


def told(content: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event holds: a text as its member `text`."""
    return {"text": content} if isinstance(content, str) else dict(content)
