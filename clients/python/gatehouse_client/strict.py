"""Schemas as OpenAI's strict mode takes them, and arguments back as the action takes them.

Source: OpenAI, "Structured model outputs", supported schemas: every member is required, objects are closed, and
lengths, defaults and open objects are not known. What is taken out here, the gateway still checks.
"""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

_KEPT = frozenset(
    [
        "type",
        "description",
        "enum",
        "const",
        "anyOf",
        "items",
        "properties",
        "$ref",
        "$defs",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    ]
)
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}


class NotStrict(ValueError):
    """The schema holds something that strict mode has no words for, such as an object with members of any name."""


def strict(schema: Mapping[str, Any]) -> Schema:
    """Return a schema for strict mode. Members that may be left out become nullable. Raises `NotStrict`."""
    made = _strict(schema)
    if made.get("type") != "object":
        raise NotStrict("the input is no object")
    return made


def relaxed(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """Return arguments without the nulls that strict mode forced a model to write.

    A null for a member that may be left out leaves it out, also where the action would take null: to a model in strict
    mode null says nothing, and must not clear what is there.
    """
    root = schema if root is None else root
    schema = _shape(value, schema, root)
    if isinstance(value, dict) and isinstance(schema.get("properties"), Mapping):
        required, members = schema.get("required", ()), schema["properties"]
        return {
            name: relaxed(one, members.get(name, {}), root)
            for name, one in value.items()
            if one is not None or name in required
        }
    if isinstance(value, list):
        return [relaxed(one, schema.get("items", {}), root) for one in value]
    return value


def _strict(schema: Mapping[str, Any]) -> Schema:
    if not schema or (schema.get("type") is None and not schema.keys() & {"$ref", "anyOf", "oneOf", "enum", "const"}):
        raise NotStrict("any value at all")
    if schema.keys() & {"allOf", "not", "if", "patternProperties", "dependentSchemas", "prefixItems"}:
        raise NotStrict("a schema of several conditions")
    made: Schema = {name: value for name, value in schema.items() if name in _KEPT}
    if "oneOf" in schema:
        made["anyOf"] = schema["oneOf"]
    if "anyOf" in made:
        made["anyOf"] = [_strict(one) for one in made["anyOf"]]
    if "$defs" in made:
        made["$defs"] = {name: _strict(one) for name, one in made["$defs"].items()}
    if "items" in made:
        made["items"] = _strict(made["items"])
    if "$ref" in made:
        made = {"$ref": made["$ref"]}  # nothing may stand beside it
    if "(?" in made.get("pattern", ""):  # no lookaround
        del made["pattern"]
    if made.get("format", "date") not in _FORMATS:
        del made["format"]
    if made.get("type") == "array" and "items" not in made:
        raise NotStrict("a list of anything")
    return _closed(made, schema) if made.get("type") == "object" else made


def _closed(made: Schema, schema: Mapping[str, Any]) -> Schema:
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping) or others is True or ("properties" not in made and others is not False):
        raise NotStrict("an object with members of any name")
    required = schema.get("required", ())
    members = {
        name: _strict(one) if name in required else _nullable(_strict(one))
        for name, one in made.get("properties", {}).items()
    }
    return made | {"properties": members, "required": list(members), "additionalProperties": False}


def _nullable(schema: Schema) -> Schema:
    kinds = schema.get("type")
    if isinstance(kinds, str) and kinds != "null" and "enum" not in schema and "const" not in schema:
        return schema | {"type": [kinds, "null"]}
    choices = schema.get("anyOf")
    if (isinstance(kinds, list) and "null" in kinds) or (choices and {"type": "null"} in choices):
        return schema
    about = {"description": schema["description"]} if "description" in schema else {}
    own = {name: value for name, value in schema.items() if name != "description"}
    return about | {"anyOf": [*(choices or [own]), {"type": "null"}]}


def _shape(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a value is written by: references followed, one of several chosen by its members."""
    for _ in range(16):
        if "$ref" in schema:
            schema = root.get("$defs", {}).get(str(schema["$ref"]).removeprefix("#/$defs/"), {})
        elif choices := schema.get("anyOf") or schema.get("oneOf"):
            schema = next((one for one in choices if _fits(value, one, root)), {})
        else:
            break
    return schema


def _fits(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    shape = _shape(value, schema, root)
    if isinstance(value, dict):
        known = shape.get("properties", {})
        return shape.get("type") == "object" and all(
            name in known and _const(one, known[name]) for name, one in value.items()
        )
    return shape.get("type") == "array" if isinstance(value, list) else False


def _const(value: Any, schema: Any) -> bool:
    return not isinstance(schema, Mapping) or schema.get("const", value) == value
