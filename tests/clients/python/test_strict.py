"""Schemas for strict mode, over every action that ships."""

from typing import Any

import pytest

from gatehouse_client.strict import NotStrict, relaxed, strict
from gatehouse_client.tools import tool_name, tools_of
from gatehouse_client.values import action_of
from gateway.catalogue import full, tool
from gateway.registry import load

ACTIONS = {action.name: action for action in load(()).actions()}


def objects(schema: Any) -> list[dict[str, Any]]:
    """Return all object schemas in a schema."""
    if isinstance(schema, list):
        return [found for one in schema for found in objects(one)]
    if not isinstance(schema, dict):
        return []
    below = [found for name, one in schema.items() if name != "enum" for found in objects(one)]
    return [schema, *below] if schema.get("type") == "object" else below


def test_what_strict_mode_can_say_it_says_for_nearly_all_actions_that_ship() -> None:
    made = {}
    for name, action in ACTIONS.items():
        try:
            made[name] = strict(action.input_schema)
        except NotStrict:
            continue

    assert len(made) / len(ACTIONS) > 0.85
    for name, schema in made.items():
        for one in objects(schema):
            assert one["additionalProperties"] is False, name
            assert one["required"] == list(one["properties"]), name
        assert not {"default", "title", "maxLength", "minLength"} & set(schema), name


def test_examples_of_actions_are_the_same_after_strict_mode() -> None:
    seen = 0
    for name, action in ACTIONS.items():
        for example in action.examples:
            nulled = dict.fromkeys(action.input_schema.get("properties", {})) | dict(example)

            assert relaxed(nulled, action.input_schema) == dict(example), name
            seen += 1
    assert seen > 20


def test_nulls_are_left_out_at_every_depth_but_where_they_are_required() -> None:
    line = {
        "type": "object",
        "properties": {"text": {"type": "string"}, "side": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
        "required": ["text"],
    }
    schema = {
        "type": "object",
        "properties": {
            "to": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
            "one": {"anyOf": [{"$ref": "#/$defs/Line"}, {"type": "null"}]},
        },
        "required": ["to"],
        "$defs": {"Line": line},
    }
    given = {"to": None, "lines": [{"text": "a", "side": None}], "one": {"text": "b", "side": None}}

    assert relaxed(given, schema) == {"to": None, "lines": [{"text": "a"}], "one": {"text": "b"}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"any": {}}},
        {"type": "object", "properties": {"map": {"type": "object", "additionalProperties": {"type": "string"}}}},
        {"type": "object", "properties": {"map": {"type": "object"}}},
        {"type": "object", "additionalProperties": True, "properties": {}},
        {"type": "object", "properties": {"list": {"type": "array"}}},
        {"anyOf": [{"type": "object", "properties": {}}]},
        {"type": "object", "allOf": [{"required": ["a"]}], "properties": {"a": {"type": "string"}}},
    ],
)
def test_what_strict_mode_has_no_words_for_is_not_strict(schema: dict[str, Any]) -> None:
    with pytest.raises(NotStrict):
        strict(schema)


def test_tools_are_named_and_described_as_the_gateway_does_it() -> None:
    known = tools_of(action_of(full(action, [])) for action in ACTIONS.values())

    for action in ACTIONS.values():
        own, theirs = known[tool_name(action.name)], tool(action, "anthropic")
        assert (own.name, own.action.description, own.schema) == tuple(theirs.values())
    assert len(tool_name("vendor." + "x" * 90)) == 64
