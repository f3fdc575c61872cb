"""What the values of an account's ticket fields may be. Source: Zendesk Ticketing API v2, "Ticket fields"."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from connectors.sdk import CustomField, CustomFields, Output, Upstream, choice
from connectors.zendesk.paging import MOST_LISTED, Numbered
from connectors.zendesk.permissions import READ

_A_PAGE = 100
_Text = Annotated[str, StringConstraints(max_length=65_000)]


class _Option(Output):
    value: str


class _Field(Output):
    id: int
    type: str
    title: str
    active: bool = True
    required: bool = False
    removable: bool = True
    regexp: str | None = Field(default=None, validation_alias="regexp_for_validation")
    options: list[_Option] = Field(default_factory=list[_Option], validation_alias="custom_field_options")


class _Fields(Numbered):
    ticket_fields: list[_Field]


def _day(value: date) -> str:
    return value.isoformat()


_PLAIN: dict[str, Any] = {
    "text": _Text,
    "textarea": _Text,
    "regexp": _Text,
    "partialcreditcard": _Text,
    "integer": int,
    "decimal": int | float,
    "checkbox": bool,
    "date": Annotated[date, AfterValidator(_day)],
}


def type_of(type: str, options: Sequence[str] = ()) -> Any:
    """Return the type of a field's values; any text, number, boolean or list for types that came later.

    A field's own regular expression is Zendesk's (Ruby's) and is left to it.
    """
    if type == "tagger":
        return choice(options)
    if type == "multiselect":
        return Annotated[list[choice(options)], Field(max_length=200)]  # type: ignore[misc]
    return _PLAIN.get(type, JsonValue)


async def read_fields(api: Upstream, kind: str) -> Sequence[CustomField]:
    """Return the fields of the account that are its own and in use, whoever may see them."""
    del kind
    found: list[CustomField] = []
    for number in range(1, MOST_LISTED // _A_PAGE + 1):
        params = {"page": number, "per_page": _A_PAGE}
        page = api.read(_Fields, await api.get("/api/v2/ticket_fields", params=params))
        found += [_custom(field) for field in page.ticket_fields if field.active and field.removable]
        if page.next_page is None:
            break
    return found


def _custom(field: _Field) -> CustomField:
    values = type_of(field.type, [option.value for option in field.options])
    return CustomField(str(field.id), field.title, values, required=field.required)


OWN_FIELDS = CustomFields("custom_fields", read=read_fields, vendor_scopes=READ)
