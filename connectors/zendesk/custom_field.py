"""Values of custom ticket fields: an object from the field's id to its value."""

from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field

FieldId = Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]
Value = str | int | float | bool | list[str] | None


def _by_id(value: object) -> object:
    """Zendesk gives `[{"id": 360001, "value": "x"}]`; objects stay."""
    if not isinstance(value, list):
        return value
    return {str(one["id"]): one.get("value") for one in cast("list[dict[str, Any]]", value)}


Values = Annotated[dict[str, Value], BeforeValidator(_by_id)]
GivenValues = Annotated[
    dict[FieldId, Value],
    Field(
        max_length=100,
        description="Values by the field's id, from `zendesk.ticket_field.list`: a text, number, boolean, list of "
        "texts, or null to clear it. Drop-downs take the option's `value`.",
    ),
]


def sent(values: dict[str, Value]) -> list[dict[str, object]]:
    """Return values as Zendesk takes them."""
    return [{"id": int(field), "value": value} for field, value in values.items()]


def holds(found: dict[str, Value], wanted: dict[str, Value]) -> bool:
    """Whether all wanted values are there. Zendesk gives numbers back as texts, and null for an empty text."""
    return all(_plain(found.get(field)) == _plain(value) for field, value in wanted.items())


def _plain(value: Value) -> object:
    if isinstance(value, list):
        return sorted(value)
    if value is None or isinstance(value, bool):
        return value or None
    return str(value) or None
