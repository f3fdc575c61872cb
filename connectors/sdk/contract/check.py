"""What a check is, what it works on, and what it may find."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from connectors.sdk.action import Action
from connectors.sdk.connector import Connector
from connectors.sdk.simulator import Simulator

Tier = Literal["bronze", "silver", "gold"]
Who = Literal["free", "walled"]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a caller got."""

    status: int
    body: Mapping[str, Any]

    @property
    def code(self) -> str | None:
        """The problem's code, None for an answer that is none."""
        code = self.body.get("code")
        return str(code) if code is not None else None


class Bench(Protocol):
    """A gateway with the connector's simulator behind it. Waits take no time.

    The agent `free` holds every scope on every resource; `walled` holds every scope on a resource that is not there.
    """

    connector: Connector
    simulator: Simulator

    async def arrange(self) -> Mapping[str, Mapping[str, Any]]:
        """Go back to a fresh world, and return one valid input for every action."""
        ...

    async def run(
        self, action: str, value: Mapping[str, Any], *, key: str | None = None, who: Who = "free"
    ) -> Answered:
        """Run a call; a write without a key gets one of its own."""
        ...

    async def preview(self, action: str, value: Mapping[str, Any], *, key: str) -> Answered:
        """Preview a call."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """One action with a valid input, in a fresh world."""

    bench: Bench
    action: Action
    value: Mapping[str, Any]

    @property
    def simulator(self) -> Simulator:
        """The vendor."""
        return self.bench.simulator

    def fault(self, kind: str, **more: object) -> None:
        """Let the vendor fail once: at the action's next effect, or where it has none at its next request."""
        if not self.action.writes:
            self.simulator.faults.add({"match": "", "fault": kind, "times": 1, **more})
            return
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            self.simulator.faults.add({"match": {"method": method}, "fault": kind, "times": 1, **more})


@dataclass(frozen=True, slots=True)
class Finding:
    """Where an action breaks the contract. The message says what to write instead."""

    action: str
    check: str
    message: str


@dataclass(frozen=True, slots=True)
class Check:
    """One promise. `run` returns what is wrong, empty where it is kept; `applies` says which actions are asked."""

    name: str
    tier: Tier
    promise: str
    run: Callable[[Subject], Awaitable[Sequence[str]]]
    applies: Callable[[Action], bool] = field(default=lambda action: True)
