"""What a check is, what it works on, and what it may find."""

import glob
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from connectors.sdk.action import Action
from connectors.sdk.connector import Connector
from connectors.sdk.simulator import Applied, Fault, Simulator

Tier = Literal["bronze", "silver", "gold"]
Who = Literal["free", "walled", "bound", "pasted", "consented"]
EVER = 1000


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

    The agent `free` holds every scope on every resource; `walled` holds every scope on a resource that is not there,
    `bound` on the one that `bind` named last. `pasted` and `consented` hold every scope, over connections of their
    own: one has the token that somebody pasted, the other the pair that somebody's consent gave.
    """

    connector: Connector
    simulator: Simulator

    @property
    def waited(self) -> float:
        """Seconds that the gateway has waited so far."""
        ...

    async def arrange(self) -> Mapping[str, Mapping[str, Any]]:
        """Go back to a fresh world, and return one valid input for every action."""
        ...

    def aliases(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return, by action, other spellings of parts of its input that the vendor takes for the same."""
        ...

    async def run(
        self, action: str, value: Mapping[str, Any], *, key: str | None = None, who: Who = "free"
    ) -> Answered:
        """Run a call; a write without a key gets one of its own."""
        ...

    async def send(self, action: str, body: bytes) -> Answered:
        """Run a call whose body is given as it is sent."""
        ...

    async def preview(self, action: str, value: Mapping[str, Any], *, key: str, who: Who = "free") -> Answered:
        """Preview a call."""
        ...

    async def bind(self, resource: str) -> None:
        """Let the agent `bound` reach what this pattern means, and nothing else."""
        ...

    async def connect(self, who: Literal["pasted", "consented"]) -> bool:
        """Give the agent's connection a credential that is good now; False where the simulator has none."""
        ...

    async def record(self, answered: Answered) -> Sequence[Mapping[str, Any]]:
        """Return what is on record of a call: its events, each with `type` and `data`."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """One action with a valid input, in a fresh world.

    `effects` are what a clean run has changed at the vendor, in order. `faults` are those that were set.
    """

    bench: Bench
    action: Action
    value: Mapping[str, Any]
    effects: tuple[Applied, ...] = ()
    faults: list[Fault] = field(default_factory=list[Fault])

    @property
    def simulator(self) -> Simulator:
        """The vendor."""
        return self.bench.simulator

    async def again(self) -> "Subject":
        """Return the subject in another fresh world."""
        cases = await self.bench.arrange()
        return replace(self, value=cases[self.action.name])

    async def run(self, *, who: Who = "free") -> Answered:
        """Run the action with its input."""
        return await self.bench.run(self.action.name, self.value, who=who)

    def fault(self, kind: str, *, step: int = 0, times: int = 1, **more: object) -> None:
        """Let the vendor fail: at one of the action's effects, or where it has none at its next request."""
        wanted: dict[str, object] = {"fault": kind, "times": times, **more}
        if not self.action.writes:
            self._add({**wanted, "match": ""})
        elif not self.effects:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                self._add({**wanted, "match": {"method": method}})
        else:
            effect = self.effects[step]
            before = [(one.method, one.path) for one in self.effects[:step]]
            skip = before.count((effect.method, effect.path))
            path = self.simulator.vendor_path(effect.path)
            # A pattern, so that the path of a thing is not taken for the beginning of what is below it.
            match = {"method": effect.method, "path": f"[/]{glob.escape(path.removeprefix('/'))}"}
            self._add({**wanted, "match": match, "skip": skip})

    def _add(self, wanted: Mapping[str, object]) -> None:
        self.faults.append(self.simulator.faults.add(wanted))


@dataclass(frozen=True, slots=True)
class Finding:
    """Where an action breaks the contract. The message says what to write instead."""

    action: str
    check: str
    message: str


@dataclass(frozen=True, slots=True)
class Check:
    """One promise. `run` returns what is wrong, empty where it is kept; `applies` says which actions are asked.

    `reads` is for what is true of the connector as a whole: it returns findings whose action is a place.
    """

    name: str
    tier: Tier
    promise: str
    run: Callable[[Subject], Awaitable[Sequence[str]]] | None = None
    applies: Callable[[Action], bool] = field(default=lambda action: True)
    reads: Callable[[Connector], Sequence[Finding]] | None = None
