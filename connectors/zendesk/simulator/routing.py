"""A route of the simulated API and the OAuth scope that it takes."""

from collections.abc import Callable
from dataclasses import dataclass

from connectors.sdk.simulator import Answer
from connectors.zendesk.simulator.ask import Ask

Handler = Callable[[Ask], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """`resource` is the part of a narrow scope before `:`; empty where only `read` and `write` will do."""

    method: str
    template: str
    handler: Handler
    resource: str = ""

    def open_to(self, scopes: frozenset[str]) -> bool:
        """Whether a token with these scopes may call it."""
        kind = "read" if self.method == "GET" else "write"
        return bool({kind, f"{self.resource}:{kind}"} & scopes)
