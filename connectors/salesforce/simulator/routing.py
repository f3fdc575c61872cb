"""A route of the simulated API and the OAuth scopes of which one is needed."""

from collections.abc import Callable
from dataclasses import dataclass

from connectors.salesforce.simulator.ask import Ask
from connectors.sdk.simulator import Answer

Handler = Callable[[Ask], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """`template` is below the version; `scopes` beside `full` let a token call it."""

    method: str
    template: str
    handler: Handler
    scopes: frozenset[str] = frozenset({"api"})

    def open_to(self, scopes: frozenset[str]) -> bool:
        """Whether a token with these scopes may call it."""
        return bool((self.scopes | {"full"}) & scopes)
