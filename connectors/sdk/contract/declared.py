"""Checks of what an action declares: nothing is run."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from connectors.sdk.connector import Connector
from connectors.sdk.contract.check import Finding, Subject
from connectors.sdk.contract.source import package_faults

_FEWEST_WORDS = 4


async def is_documented(subject: Subject) -> Sequence[str]:
    """An action's docstring helps a model choose it; writes show an example."""
    action = subject.action
    wrong: list[str] = []
    if len(action.title.split()) < _FEWEST_WORDS:
        wrong.append(f"its docstring begins {action.title!r}: say in a sentence what it does and to what")
    if action.writes and not action.examples:
        wrong.append("declare examples=[{...}] with a typical input")
    return wrong


async def is_scoped(subject: Subject) -> Sequence[str]:
    """Scopes are of the connector and described; a write does not hide behind a read scope."""
    action, known = subject.action, subject.bench.connector.scopes
    wrong = [f"describe {scope} in the connector's `scopes`" for scope in action.scopes if not known.get(scope)]
    if action.writes and all(scope.endswith(":read") for scope in action.scopes):
        wrong.append("it has an effect, and its scopes only read: declare a write, delete or admin scope")
    if not action.writes and any(not scope.endswith(":read") for scope in action.scopes):
        wrong.append("it reads, and its scopes allow more: declare a read scope")
    return wrong


async def is_typed(subject: Subject) -> Sequence[str]:
    """Schemas have no untyped holes, and inputs say what their fields mean."""
    action = subject.action
    wrong = [f"input {where} has no type" for where in _holes(action.input_schema)]
    wrong += [f"output {where} has no type" for where in _holes(action.output_schema)]
    for name, field in action.input.model_fields.items():
        if not field.description and name not in {"body", "title", "name", "state", "q"}:
            wrong.append(f"input field {name}: give it Field(description=...)")
    return wrong


async def examples_fit(subject: Subject) -> Sequence[str]:
    """Examples are valid inputs."""
    wrong: list[str] = []
    for number, example in enumerate(subject.action.examples, 1):
        try:
            subject.action.input.model_validate(dict(example), strict=False)
        except ValueError as error:
            wrong.append(f"example {number} is no valid input: {str(error).splitlines()[0]}")
    return wrong


def leaves_doing(connector: Connector) -> Sequence[Finding]:
    """No module of the connector sends, waits, opens files, signs, or puts paths together by hand."""
    return [
        Finding(f"{file}:{fault.line}", "source", fault.message)
        for file, faults in package_faults(connector.package).items()
        for fault in faults
    ]


def _holes(schema: object, where: str = "") -> Iterator[str]:
    """Yield the places of a schema that allow anything."""
    if not isinstance(schema, dict):
        return
    found = cast("dict[str, Any]", schema)
    for name, value in cast("dict[str, Any]", found.get("properties", {})).items():
        if isinstance(value, dict) and not value.keys() & {"type", "$ref", "anyOf", "allOf", "oneOf", "enum", "const"}:
            yield f"{where}/{name}"
        yield from _holes(value, f"{where}/{name}")
    for value in cast("dict[str, Any]", found.get("$defs", {})).values():
        yield from _holes(value, where)
