"""A route of the simulated API and the scope that it takes."""

from collections.abc import Callable
from dataclasses import dataclass

from connectors.jira.simulator.ask import Ask
from connectors.sdk.simulator import Answer

Handler = Callable[[Ask], Answer]
READ, WRITE, PEOPLE = "read:jira-work", "write:jira-work", "read:jira-user"


@dataclass(frozen=True, slots=True)
class Route:
    """`template` is below `/rest/api/{version}`; `needs` is a classic scope, empty for none."""

    method: str
    template: str
    handler: Handler
    needs: str = READ
