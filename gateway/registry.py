"""Which connectors ship, and which installed ones are enabled.

One word in `SHIPPED` adds a connector. Packages of others come through the entry point `gatehouse.connectors`,
by name only: they are trusted code. A broken one is reported and skipped.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.metadata import entry_points

import structlog

from connectors.sdk import Action, Connector
from scopes.catalogue import Catalogue

SHIPPED = ("github", "jira", "salesforce", "zendesk")
_log = structlog.get_logger("gatehouse.registry")


class Registry:
    """All loaded connectors, by id."""

    def __init__(self, connectors: Iterable[Connector]) -> None:
        self.connectors: dict[str, Connector] = {}
        self._actions: dict[str, tuple[Connector, Action]] = {}
        for connector in connectors:
            self.add(connector)

    def add(self, connector: Connector) -> None:
        """Take in a connector. Raises `DeclarationError` where its actions do not fit together."""
        connector.check_references()
        self.connectors[connector.id] = connector
        for action in connector.actions.values():
            self._actions[action.name] = (connector, action)

    def action(self, name: str) -> tuple[Connector, Action] | None:
        """Return an action with its connector."""
        return self._actions.get(name)

    def actions(self) -> list[Action]:
        """Return all actions, by name."""
        return [action for _, (_, action) in sorted(self._actions.items())]

    def names(self) -> list[str]:
        """Return the names of all actions."""
        return sorted(self._actions)

    def catalogue(self) -> Catalogue:
        """Return every scope of every connector with its plain sentence."""
        return Catalogue({scope: text for c in self.connectors.values() for scope, text in c.scopes.items()})


def load(enabled: Sequence[str] = ()) -> Registry:
    """Load what ships, and the installed packages that are enabled by name."""
    registry = Registry([_shipped(name) for name in SHIPPED])
    installed = {point.name: point for point in entry_points(group="gatehouse.connectors")}
    for name in enabled:
        try:
            registry.add(installed[name].load())
        except Exception as error:
            _log.error("connector_skipped", connector=name, reason=f"{type(error).__name__}: {error}")
    return registry


def _shipped(name: str) -> Connector:
    connector: Connector = getattr(import_module(f"connectors.{name}"), name)
    return connector
