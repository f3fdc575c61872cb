"""The actions that an agent may call now: list, ranked search, descriptions, and the formats of tool APIs."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from connectors.sdk import Action, Irreversible, Undo
from connectors.sdk.errors import ActionNotFound
from gateway.call import Connection, Principal
from gateway.registry import Registry
from scopes.grant import covering

_WORD = re.compile(r"[a-z0-9]+")
LONGEST_NAME = 64


class ActionCatalogue:
    """Answers what an agent may call."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def callable(
        self,
        principal: Principal,
        now: datetime,
        *,
        connector: str | None = None,
        effect: str | None = None,
        connection: str | None = None,
        q: str | None = None,
    ) -> list[tuple[Action, list[Connection]]]:
        """Return the actions that live grants give, with the connections they run on: by name, or by rank for `q`."""
        found = [
            (action, connections)
            for action in self._registry.actions({one.connector for one in principal.connections.values()})
            if (connector is None or action.connector == connector) and (effect is None or action.effect == effect)
            if (connections := _connections(principal, action, now, connection))
        ]
        if q is None:
            return found
        words = set(_WORD.findall(q.lower()))
        ranked = sorted(
            ((_rank(action, words), action.name, pair) for pair in found for action in [pair[0]]), reverse=True
        )
        return [pair for rank, _, pair in ranked if rank > 0]

    def find(
        self, principal: Principal, name: str, now: datetime, connection: str | None
    ) -> tuple[Action, list[Connection]]:
        """Return one action and the connections it runs on. Raises `ActionNotFound`, also where no grant gives it."""
        for action, connections in self.callable(principal, now, connection=connection):
            if action.name == name:
                return action, connections
        near = self._registry.near(name[:120])[:3] if name.partition(".")[0] in self._registry.connectors else []
        raise ActionNotFound(
            f"There is no action {name[:120]!r} that this agent may call.",
            hint=f"Near ones: {', '.join(near)}." if near else "`GET /v1/actions` lists the actions you may call.",
        )


def summary(action: Action, connections: Sequence[Connection]) -> dict[str, Any]:
    """Return what a list shows of an action."""
    return {
        "name": action.name,
        "title": action.title,
        "connector": action.connector,
        "effect": action.effect.value,
        "scopes": sorted(action.scopes),
        "connections": [connection.name for connection in connections],
    }


def full(action: Action, connections: Sequence[Connection]) -> dict[str, Any]:
    """Return everything that is public of an action."""
    undo = action.reversibility
    return summary(action, connections) | {
        "description": action.description,
        "idempotency": type(action.idempotency).__name__,
        "reversible": not isinstance(undo, Irreversible),
        "undo": undo.action if isinstance(undo, Undo) else None,
        "sensitive": sorted(action.sensitive),
        "vendor_scopes": sorted(action.vendor_scopes),
        "paged": action.paged,
        "input_schema": action.input_schema,
        "output_schema": action.output_schema,
        "examples": [dict(example) for example in action.examples],
        "custom_fields": {},
    }


def tool(action: Action, form: str) -> dict[str, Any]:
    """Return an action as the tool of an API: `openai`, `anthropic` or `mcp`."""
    name = tool_name(action.name)
    if form == "openai":
        function = {"name": name, "description": action.description, "parameters": action.input_schema}
        return {"type": "function", "function": function}
    if form == "anthropic":
        return {"name": name, "description": action.description, "input_schema": action.input_schema}
    return {
        "name": name,
        "title": action.title,
        "description": action.description,
        "inputSchema": action.input_schema,
        "outputSchema": action.output_schema,
        "annotations": _annotations(action),
    }


def tool_name(name: str) -> str:
    """Return an action's name as tool APIs allow it: `.` as `__`, at most 64 characters."""
    plain = name.replace(".", "__")
    if len(plain) <= LONGEST_NAME:
        return plain
    return f"{plain[:55]}_{sha256(name.encode()).hexdigest()[:8]}"


def _annotations(action: Action) -> Mapping[str, object]:
    return {
        "title": action.title,
        "readOnlyHint": not action.writes,
        "destructiveHint": action.writes and isinstance(action.reversibility, Irreversible),
        "idempotentHint": True,
        "openWorldHint": True,
    }


def _connections(principal: Principal, action: Action, now: datetime, named: str | None) -> list[Connection]:
    return [
        connection
        for connection in principal.connections.values()
        if connection.connector == action.connector
        and principal.opens(connection)
        and (named is None or named in (connection.name, connection.id))
        and covering(principal.grants, connection=connection.id, scopes=action.scopes, now=now)
    ]


def _rank(action: Action, words: set[str]) -> int:
    name, title = set(_WORD.findall(action.name)), set(_WORD.findall(action.title.lower()))
    text = set(_WORD.findall(action.description.lower()))
    return 4 * len(words & name) + 2 * len(words & title) + len(words & text)
