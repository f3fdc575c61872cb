"""An input's fields as questions, and what was typed as values."""

from typing import Any

import pytest

from gateway.commands.fields import NotUnderstood, fields_of
from gateway.registry import load

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["title", "count"],
    "properties": {
        "labels": {"type": "array", "items": {"type": "string"}},
        "title": {"type": "string", "description": "What it says."},
        "state": {"enum": ["open", "closed"], "type": "string"},
        "count": {"type": "integer"},
        "share": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
        "draft": {"type": "boolean"},
        "owner": {"$ref": "#/$defs/Owner"},
        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    },
    "$defs": {"Owner": {"type": "object", "description": "Who has it.", "properties": {}}},
}
FIELDS = {field.name: field for field in fields_of(SCHEMA)}


def test_required_fields_come_first() -> None:
    assert [field.name for field in fields_of(SCHEMA)][:3] == ["title", "count", "labels"]


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("title", " hello ", "hello"),
        ("title", "12", "12"),
        ("count", "-3", -3),
        ("share", "1.5", 1.5),
        ("share", "2", 2),
        ("share", "null", None),
        ("draft", "Yes", True),
        ("draft", "false", False),
        ("state", "open", "open"),
        ("labels", "bug, ui", ["bug", "ui"]),
        ("labels", '["a,b"]', ["a,b"]),
        ("owner", '{"name": "ann"}', {"name": "ann"}),
        ("either", "3", 3),
        ("either", '"3"', "3"),
    ],
)
def test_what_was_typed_is_the_value_of_its_type(name: str, typed: str, value: object) -> None:
    assert FIELDS[name].value(typed) == value


@pytest.mark.parametrize(
    ("name", "typed", "why"),
    [
        ("count", "three", "a whole number"),
        ("count", "1.5", "a whole number"),
        ("share", "much", "a number"),
        ("draft", "maybe", "yes or no"),
        ("state", "shut", "one of open, closed"),
        ("labels", "[1]", "texts"),
        ("owner", "{", "JSON"),
    ],
)
def test_what_is_no_such_value_says_what_would_be(name: str, typed: str, why: str) -> None:
    with pytest.raises(NotUnderstood, match=why):
        FIELDS[name].value(typed)


def test_descriptions_are_found_behind_references() -> None:
    assert FIELDS["owner"].about == "Who has it."


def test_every_action_that_ships_can_be_asked_for() -> None:
    actions = load(()).actions()

    assert len(actions) > 150
    for action in actions:
        assert [field.name for field in fields_of(action.input_schema) if field.required] == [
            name
            for name in action.input_schema.get("properties", {})
            if name in action.input_schema.get("required", ())
        ]
