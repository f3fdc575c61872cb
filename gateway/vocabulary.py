"""The words of a connector's own source: what a recording may keep, because it stands in public code already."""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from connectors.sdk import Connector

_WORD = re.compile(r"[A-Za-z@_$][A-Za-z0-9_.:$-]{0,39}|[a-z]+/[a-z0-9.+-]+")


def words_of(connector: Connector) -> frozenset[str]:
    """Return the constants of its modules and the parts of its paths: kinds, states, names of endpoints."""
    return frozenset(_words(connector, simulator=False))


def names_of(connector: Connector) -> frozenset[str]:
    """Return what members are called, in its models, in its schemas and in its simulator."""
    actions = connector.actions.values()
    schemas = [schema for action in actions for schema in (action.input_schema, action.output_schema)]
    return frozenset([*_words(connector, simulator=True), *(name for schema in schemas for name in _members(schema))])


def _members(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        parts = cast("dict[str, Any]", schema)
        yield from parts.get("properties", {})
        for part in parts.values():
            yield from _members(part)
    elif isinstance(schema, list):
        for part in cast("list[object]", schema):
            yield from _members(part)


def _words(connector: Connector, *, simulator: bool) -> Iterator[str]:
    folder = Path(inspect.getfile(import_module(connector.package))).parent
    for path in sorted(folder.rglob("*.py")):
        if simulator or "simulator" not in path.relative_to(folder).parts:
            yield from _of_tree(ast.parse(path.read_text()), names=simulator)


def _of_tree(tree: ast.AST, *, names: bool) -> Iterator[str]:
    examples = {
        constant
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "examples"
        for constant in ast.walk(node.value)
    }
    for node in ast.walk(tree):
        # Examples hold names of people and companies, if invented ones: a recording is not told by them what is safe.
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in examples:
            parts = [node.value] if names or " " in node.value else [node.value, *re.split(r"[/?&=,]", node.value)]
            yield from (part for part in parts if _WORD.fullmatch(part))
        elif names and isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
