"""An action's input as questions: what each field takes, and what somebody typed as the value that it means.

Only types are read here. Whether a value fits is for the gateway, which says so with the field's pointer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

_TRUE, _FALSE = {"yes", "y", "true", "1"}, {"no", "n", "false", "0"}


class NotUnderstood(ValueError):
    """What was typed is no such value. The message says what would be."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `kind` is its type in a word, `choices` the only values where there are some."""

    name: str
    about: str
    kind: str
    required: bool
    choices: tuple[str, ...] = ()
    default: Any = None
    nullable: bool = False

    def value(self, text: str) -> Any:
        """Return what a text means for this field. Raises `NotUnderstood`."""
        text = text.strip()
        if self.nullable and text == "null":
            return None
        if self.choices:
            if text not in self.choices:
                raise NotUnderstood(f"one of {', '.join(self.choices)}")
            return text
        return _READERS[self.kind](text)


def fields_of(schema: Mapping[str, Any]) -> list[Field]:
    """Return the fields of an input, required ones first, each group as the schema has it."""
    required = set(schema.get("required", ()))
    found = [_field(name, one, name in required, schema) for name, one in schema.get("properties", {}).items()]
    return sorted(found, key=lambda field: not field.required)


def _field(name: str, schema: Mapping[str, Any], required: bool, root: Mapping[str, Any]) -> Field:
    shape, nullable = _shape(schema, root)
    about = str(schema.get("description") or shape.get("description") or "")
    choices = tuple(one for one in shape.get("enum", ()) if isinstance(one, str))
    return Field(name, about, _kind(shape, root), required, choices, schema.get("default"), nullable)


def _shape(schema: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Return a schema without its reference and without null, and whether null was there."""
    nullable = False
    for _ in range(8):
        if "$ref" in schema:
            schema = root.get("$defs", {}).get(str(schema["$ref"]).removeprefix("#/$defs/"), {})
            continue
        others = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
        nullable = nullable or len(others) < len(schema.get("anyOf", ()))
        if len(others) != 1:
            break
        schema = others[0]
    return schema, nullable


def _kind(shape: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    kind = shape.get("type")
    if kind == "array":
        inner, _ = _shape(shape.get("items", {}), root)
        return "list of texts" if inner.get("type") == "string" else "JSON"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "yes or no"}.get(
        str(kind), "JSON"
    )


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise NotUnderstood("a whole number, such as 12") from error


def _number(text: str) -> float | int:
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError as error:
        raise NotUnderstood("a number, such as 1.5") from error


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise NotUnderstood("yes or no")
    return text.lower() in _TRUE


def _texts(text: str) -> list[str]:
    if text.startswith("["):
        value = _json(text)
        if isinstance(value, list) and all(isinstance(one, str) for one in cast("list[object]", value)):
            return cast("list[str]", value)
        raise NotUnderstood('texts with commas between them, or ["a", "b"]')
    return [part.strip() for part in text.split(",") if part.strip()]


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotUnderstood('JSON, such as {"name": "value"}') from error


def _text(text: str) -> str:
    return text


_READERS = {
    "text": _text,
    "whole number": _whole,
    "number": _number,
    "yes or no": _boolean,
    "list of texts": _texts,
    "JSON": _json,
}
