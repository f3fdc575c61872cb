"""A route of the simulated API and the permission that it takes."""

from collections.abc import Callable
from dataclasses import dataclass

from connectors.github.simulator.ask import Ask
from connectors.sdk.simulator import Answer

Handler = Callable[[Ask], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """`needs` is an app's permission, `issues:write`; empty for what every credential may do."""

    method: str
    template: str
    handler: Handler
    needs: str = ""
