"""Reads the actions out of a gateway's OpenAPI 3.1 document."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]
_ACTION = re.compile(r"^/v1/actions/([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+)$")
_REF = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Action:
    """One action. Its schemas may refer to those of the document."""

    name: str
    about: str
    input: Schema
    output: Schema
    paged: bool


@dataclass(slots=True)
class Node:
    """A part of a name: what hangs below it, and the action that ends there."""

    path: tuple[str, ...] = ()
    action: Action | None = None
    children: dict[str, "Node"] = field(default_factory=dict[str, "Node"])


class NoDocument(ValueError):
    """What was read is no gateway's document."""


class Document:
    """A gateway's document."""

    def __init__(self, content: Any) -> None:
        """Take the parsed JSON. Raises `NoDocument`."""
        if not isinstance(content, dict) or not isinstance(content.get("paths"), dict):
            raise NoDocument("this is no OpenAPI document: it has no paths")
        self._paths: Mapping[str, Any] = content["paths"]
        self._schemas: Mapping[str, Schema] = content.get("components", {}).get("schemas", {})

    def actions(self, connectors: Collection[str] = ()) -> list[Action]:
        """Return the actions by name; only those of some connectors where any are named. Raises `NoDocument`."""
        found = [
            self._action(match[1], path["post"])
            for template, path in sorted(self._paths.items())
            if (match := _ACTION.match(template)) and "post" in path
            if not connectors or match[1].partition(".")[0] in connectors
        ]
        if not found:
            raise NoDocument("the document has no such action")
        return found

    def schema(self, ref: str) -> Schema:
        """Return what a reference names. Raises `NoDocument`."""
        found = self._schemas.get(ref.removeprefix(_REF))
        if found is None:
            raise NoDocument(f"the document refers to {ref!r}, which it does not have")
        return found

    def name(self, ref: str) -> str:
        """Return a reference's own name."""
        return ref.removeprefix(_REF)

    def _action(self, name: str, operation: Mapping[str, Any]) -> Action:
        given = {"$ref": f"{_REF}{name}.input"}
        output = {"$ref": f"{_REF}{name}.output"}
        members = self.schema(output["$ref"]).get("properties", {})
        paged = {"items", "next_cursor"} <= set(members) and "cursor" in self.schema(given["$ref"]).get(
            "properties", {}
        )
        about = operation.get("description") or operation.get("summary") or name
        return Action(name, about, given, output, paged)


def tree(actions: Collection[Action]) -> Node:
    """Return the actions as a tree of the parts of their names."""
    root = Node()
    for action in actions:
        node = root
        for part in action.name.split("."):
            node = node.children.setdefault(part, Node((*node.path, part)))
        node.action = action
    return root
