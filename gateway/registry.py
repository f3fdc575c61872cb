"""Which connectors ship, and which installed ones are enabled.

One word in `SHIPPED` adds a connector. It is imported when somebody asks for it: one that no connection uses costs
nothing. Packages of others come through the entry point `gatehouse.connectors`, by name only: they are trusted code. A
broken one is reported and skipped.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points

import structlog

from connectors.sdk import Action, Connector

SHIPPED = ("github", "jira", "salesforce", "zendesk")
_log = structlog.get_logger("gatehouse.registry")


class Connectors(Mapping[str, Connector]):
    """Connectors by id. Ids of `shipped` ones are known before they are imported."""

    def __init__(self, shipped: Sequence[str]) -> None:
        self._waiting = set(shipped)
        self._loaded: dict[str, Connector] = {}

    def add(self, connector: Connector) -> None:
        """Take in a connector. Raises `DeclarationError` where its actions do not fit together."""
        connector.check_references()
        self._waiting.discard(connector.id)
        self._loaded[connector.id] = connector

    @property
    def loaded(self) -> Mapping[str, Connector]:
        """Those that somebody has asked for."""
        return self._loaded

    def __getitem__(self, id: str) -> Connector:
        """Return a connector, importing it the first time."""
        if id in self._waiting:
            self.add(_checked(_shipped(id)))
        return self._loaded[id]

    def __contains__(self, id: object) -> bool:
        """Whether there is such a connector; imports nothing."""
        return id in self._waiting or id in self._loaded

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids, by name."""
        return iter(sorted(self._waiting | self._loaded.keys()))

    def __len__(self) -> int:
        """Count them."""
        return len(self._waiting | self._loaded.keys())


class Registry:
    """All connectors, and their actions by name."""

    def __init__(self, connectors: Iterable[Connector] = (), *, shipped: Sequence[str] = ()) -> None:
        self.connectors = Connectors(shipped)
        for connector in connectors:
            self.connectors.add(connector)

    def action(self, name: str) -> tuple[Connector, Action] | None:
        """Return an action with its connector."""
        connector = self.connectors.get(name.partition(".")[0])
        action = connector.actions.get(name) if connector is not None else None
        return (connector, action) if connector is not None and action is not None else None

    def actions(self, connectors: Iterable[str] | None = None) -> list[Action]:
        """Return the actions of the named connectors, or of all, by name."""
        wanted = self.connectors if connectors is None else [id for id in connectors if id in self.connectors]
        return sorted((a for id in wanted for a in self.connectors[id].actions.values()), key=lambda a: a.name)

    def near(self, name: str) -> list[str]:
        """Return the names of the actions beside a name: those of its connector, or of all that are in use."""
        id = name.partition(".")[0]
        found = [self.connectors[id]] if id in self.connectors else list(self.connectors.loaded.values())
        return sorted(action for connector in found for action in connector.actions)

    def names(self) -> list[str]:
        """Return the names of all actions."""
        return [action.name for action in self.actions()]


def load(enabled: Sequence[str] = ()) -> Registry:
    """Return what ships, and the installed packages that are enabled by name."""
    registry = Registry(shipped=SHIPPED)
    installed = {point.name: point for point in entry_points(group="gatehouse.connectors")}
    for name in enabled:
        try:
            registry.connectors.add(_checked(installed[name].load()))
        except Exception as error:
            _log.error("connector_skipped", connector=name, reason=f"{type(error).__name__}: {error}")
    return registry


def _checked(connector: Connector) -> Connector:
    connector.check_modules()
    return connector


def _shipped(name: str) -> Connector:
    connector: Connector = getattr(import_module(f"connectors.{name}"), name)
    return connector
