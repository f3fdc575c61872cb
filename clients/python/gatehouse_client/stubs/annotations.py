"""JSON Schema (2020-12, as the gateway writes it) as Python annotations. Objects become `TypedDict`s.

What a schema says beyond types (lengths, patterns, bounds) is left to the gateway, which checks it.
"""

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gatehouse_client.stubs.document import Document, Schema

_TYPES = {"str", "int", "float", "bool", "list", "dict"}
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a `TypedDict`."""

    annotation: str
    required: bool
    about: str


@dataclass(frozen=True, slots=True)
class Record:
    """A `TypedDict`."""

    name: str
    about: str
    fields: Mapping[str, Field]

    @property
    def writable(self) -> bool:
        """Whether its keys can stand in a class, and hide none of the types that annotations name."""
        return all(is_name(key) and not key.startswith("__") and key not in _TYPES for key in self.fields)


class Annotations:
    """Makes annotations and collects the records that they name."""

    def __init__(self, document: Document, reserved: Iterable[str]) -> None:
        """Take names that no record may have."""
        self._document = document
        self._taken = set(reserved)
        self._known: dict[tuple[str, bool], str] = {}
        self.records: dict[str, Record] = {}

    def of(self, schema: Any, name: str, *, given: bool) -> str:
        """Return the annotation of a schema; `name` is for what it holds, `given` says that callers write it.

        In what callers write a key may be left out where the schema does not require it. What the gateway answers has
        all its keys.
        """
        if not isinstance(schema, Mapping) or not schema:
            return "Any"
        if "$ref" in schema:
            return self._referred(schema["$ref"], given=given)
        if "const" in schema or "enum" in schema:
            return _literal([schema["const"]] if "const" in schema else schema["enum"])
        for member in ("anyOf", "oneOf"):
            if member in schema:
                return _union(self.of(one, f"{name}{n or ''}", given=given) for n, one in enumerate(schema[member]))
        kind = schema.get("type")
        if isinstance(kind, list):
            return _union(self.of({**schema, "type": one}, name, given=given) for one in kind)
        if kind == "array":
            return f"list[{self.of(schema.get('items'), name + 'Item', given=given)}]"
        if kind == "object":
            return self._object(schema, name, given=given)
        return _PLAIN.get(str(kind), "Any")

    def reserve(self, name: str) -> str:
        """Return a name that nothing else has."""
        free, number = name, 2
        while free in self._taken:
            free, number = f"{name}{number}", number + 1
        self._taken.add(free)
        return free

    def _referred(self, ref: str, *, given: bool) -> str:
        if (ref, given) not in self._known:
            schema = self._document.schema(ref)
            wanted = camel(self._document.name(ref))
            if schema.get("type") == "object" and schema.get("properties"):
                self._known[ref, given] = made = self.reserve(wanted)
                self._record(schema, made, given=given)
            else:
                self._known[ref, given] = "Any"  # where it leads back to itself
                self._known[ref, given] = self.of(schema, wanted, given=given)
        return self._known[ref, given]

    def _object(self, schema: Schema, name: str, *, given: bool) -> str:
        if schema.get("properties"):
            made = self.reserve(name)
            self._record(schema, made, given=given)
            return made
        values = schema.get("additionalProperties")
        if not isinstance(values, Mapping):
            patterns = list(schema.get("patternProperties", {}).values())
            values = patterns[0] if len(patterns) == 1 else {}
        return f"dict[str, {self.of(values, name + 'Value', given=given)}]"

    def _record(self, schema: Schema, name: str, *, given: bool) -> None:
        required = set(schema.get("required", ()))
        fields = {
            key: Field(
                self.of(member, name + camel(key), given=given),
                required=key in required or not given,
                about=_about(member),
            )
            for key, member in schema["properties"].items()
        }
        self.records[name] = Record(name, str(schema.get("description", "")), fields)


def camel(name: str) -> str:
    """Return a name's parts as one word of capitals: `github.issue` as `GithubIssue`."""
    parts = "".join(sign if sign.isalnum() else " " for sign in name).split()
    return "".join(part[:1].upper() + part[1:] for part in parts)


def is_name(text: str) -> bool:
    """Whether a text can be an attribute or a keyword argument."""
    return text.isidentifier() and text.isascii() and not keyword.iskeyword(text)


def _about(schema: Any) -> str:
    return str(schema.get("description", "")) if isinstance(schema, Mapping) else ""


def _literal(values: list[Any]) -> str:
    plain = all(value is None or isinstance(value, str | int | bool) for value in values)
    return f"Literal[{', '.join(repr(value) for value in values)}]" if plain and values else "Any"


def _union(parts: Iterable[str]) -> str:
    found = list(dict.fromkeys(parts))
    return "Any" if "Any" in found else " | ".join(found)
