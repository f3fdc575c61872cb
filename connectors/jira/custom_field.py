"""The custom fields of a site, and the form that their values take.

An agent writes plain values: a text, a number, the name of an option, Markdown for rich text. Jira wants objects for
many of them, so validation turns the one into the other. Values that are objects already, in Jira's own form, pass.
Source: Jira Cloud platform REST API v3, "Issue fields", "Get fields"; "Create issue", examples of `fields`.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, JsonValue, StringConstraints, TypeAdapter

from connectors.jira.connector import READ
from connectors.jira.richtext import LONGEST, build
from connectors.sdk import CustomField, CustomFields, Output, Upstream

_TEXT_AREA = "com.atlassian.jira.plugin.system.customfieldtypes:textarea"


class _Schema(Output):
    type: str
    items: str | None = None
    custom: str | None = None


class _Field(Output):
    id: str
    name: str
    custom: bool = False
    kind: _Schema | None = Field(default=None, validation_alias="schema")


_LIST = TypeAdapter(list[_Field])
_Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Object = Annotated[dict[str, JsonValue], Field(min_length=1, max_length=20)]


def _named(member: str) -> Callable[[object], object]:
    """Return what makes Jira's object of a name."""
    return lambda value: {member: value} if isinstance(value, str) else value


def _day(value: date) -> str:
    return value.isoformat()


def _moment(value: datetime) -> str:
    """Jira takes no colon in the zone: `2026-11-26T09:00:00.000+0100`."""
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}{value:%z}"


_OPTION = Annotated[_Name | _Object, AfterValidator(_named("value"))]
_BY_NAME = Annotated[_Name | _Object, AfterValidator(_named("name"))]
_PERSON = Annotated[_Name | _Object, AfterValidator(_named("accountId"))]
_LABEL = Annotated[str, StringConstraints(pattern=r"^[^\s]{1,255}$")]
_RICH = Annotated[Annotated[str, StringConstraints(max_length=LONGEST)], AfterValidator(build)] | _Object

_PLAIN: dict[str, Any] = {
    "string": Annotated[str, StringConstraints(max_length=LONGEST)],
    "number": int | float,
    "date": Annotated[date, AfterValidator(_day)],
    "datetime": Annotated[AwareDatetime, AfterValidator(_moment)],
    "option": _OPTION,
    "user": _PERSON,
    "group": _BY_NAME,
    "version": _BY_NAME,
    "component": _BY_NAME,
    "priority": _BY_NAME,
    "project": Annotated[_Name | _Object, AfterValidator(_named("key"))],
}


def type_of(type: str, items: str | None = None, custom: str | None = None) -> Any:
    """Return the type of a field's values; any JSON for kinds that apps have brought along."""
    if type == "string" and custom == _TEXT_AREA:
        return _RICH
    if type == "array":
        item = _LABEL if items == "string" else _PLAIN.get(items or "", JsonValue)
        return Annotated[list[item], Field(max_length=200)]  # type: ignore[valid-type]
    return _PLAIN.get(type, JsonValue)


async def read_fields(api: Upstream, kind: str) -> Sequence[CustomField]:
    """Return the site's custom fields. Which of them a project shows, and which it insists on, Jira decides."""
    del kind
    found = api.read(_LIST, await api.get("/field"))
    return [
        CustomField(field.id, field.name, type_of(field.kind.type, field.kind.items, field.kind.custom))
        for field in found
        if field.custom and field.kind is not None
    ]


OF_ISSUE = CustomFields("custom_fields", read=read_fields, vendor_scopes=READ)
OF_ISSUES = CustomFields("issues/*/custom_fields", read=read_fields, vendor_scopes=READ)
