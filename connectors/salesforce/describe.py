"""What the values of an org's fields may be: a field's description as a type that pydantic checks.

What comes out of a check is what Salesforce takes: dates and times as texts, multi-select picklists parted by `;`.
Source: REST API Developer Guide v67.0, "sObject Describe"; Object Reference for Salesforce v67.0, "Field Types".
"""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, JsonValue, StringConstraints

from connectors.salesforce.connector import API_SCOPE
from connectors.salesforce.ids import long_id
from connectors.salesforce.names import plain
from connectors.salesforce.object import FieldFacts, described
from connectors.sdk import CustomField, CustomFields, Upstream, choice
from scopes.constraint import resource_matches

_LARGEST = 10**18
_EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$"), AfterValidator(long_id)]
_Day = Annotated[date, AfterValidator(plain)]
_Moment = Annotated[AwareDatetime, AfterValidator(plain)]


def type_of(field: FieldFacts) -> Any:
    """Return the type of a field's values; any text, number or boolean for kinds that came later."""
    made = _MADE.get(field.type)
    return made(field) if made is not None else JsonValue


def _text(field: FieldFacts) -> Any:
    return Annotated[str, StringConstraints(max_length=field.length)] if field.length else str


def _email(field: FieldFacts) -> Any:
    return Annotated[str, StringConstraints(max_length=field.length or None, pattern=_EMAIL)]


def _picked(field: FieldFacts) -> Any:
    """A picklist that is not restricted takes other texts too."""
    values = [one.value for one in field.choices if one.active]
    return choice(values) if field.restricted else _text(field)


def _picked_some(field: FieldFacts) -> Any:
    values = [one.value for one in field.choices if one.active]
    item: Any = choice(values) if field.restricted else Annotated[str, StringConstraints(pattern=r"^[^;]{1,255}$")]
    return Annotated[list[item], Field(max_length=500), AfterValidator(plain)]


def _whole(field: FieldFacts) -> Any:
    del field
    return Annotated[int, Field(ge=-(2**31), lt=2**31)]


def _number(field: FieldFacts) -> Any:
    """Bounded by the digits before the point; of those after it Salesforce rounds what is too many."""
    most = 10 ** (field.precision - field.scale) if field.precision else _LARGEST
    if field.precision and not field.scale:
        return Annotated[int, Field(gt=-most, lt=most)]
    return Annotated[float, Field(gt=-most, lt=most)]


def _fixed(kind: Any) -> Callable[[FieldFacts], Any]:
    return lambda field: kind


_MADE: dict[str, Callable[[FieldFacts], Any]] = {
    "boolean": _fixed(bool),
    "combobox": _text,
    "currency": _number,
    "date": _fixed(_Day),
    "datetime": _fixed(_Moment),
    "double": _number,
    "email": _email,
    "id": _fixed(Id),
    "int": _whole,
    "multipicklist": _picked_some,
    "percent": _number,
    "phone": _text,
    "picklist": _picked,
    "reference": _fixed(Id),
    "string": _text,
    "textarea": _text,
    "url": _text,
}


def for_new(fields: Sequence[FieldFacts]) -> list[CustomField]:
    """Return what a new record may have, with what it must."""
    return [_custom(one, required=one.required) for one in fields if one.createable]


def for_changes(fields: Sequence[FieldFacts]) -> list[CustomField]:
    """Return what may be changed of a record."""
    return [_custom(one, required=False) for one in fields if one.updateable]


def for_both(fields: Sequence[FieldFacts]) -> list[CustomField]:
    """Return what an upsert may set: of a new record or of one that is there, which is not known before."""
    return [_custom(one, required=False) for one in fields if one.createable or one.updateable]


def _custom(field: FieldFacts, *, required: bool) -> CustomField:
    return CustomField(field.name, field.label, type_of(field), required=required)


async def read_new(api: Upstream, kind: str) -> Sequence[CustomField]:
    """Read what a new record of an object may have."""
    return for_new((await described(api, kind)).fields)


async def read_changes(api: Upstream, kind: str) -> Sequence[CustomField]:
    """Read what may be changed of an object's records."""
    return for_changes((await described(api, kind)).fields)


async def read_both(api: Upstream, kind: str) -> Sequence[CustomField]:
    """Read what an upsert may set of an object's records."""
    return for_both((await described(api, kind)).fields)


def _object(what: Any) -> str:
    return str(what.object)


def _reached(kind: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern is about records of an object: `Account`, `Account/*`, `*`."""
    return any(resource_matches(pattern.partition("/")[0].lower(), kind.lower()) for pattern in patterns)


_dynamic = partial(CustomFields, kind=_object, vendor_scopes=API_SCOPE, within=_reached)
NEW = _dynamic("fields", read=read_new)
CHANGES = _dynamic("fields", read=read_changes)
BOTH = _dynamic("fields", read=read_both)
NEW_ONES = _dynamic("records/*", read=read_new)
CHANGED_ONES = _dynamic("records/*/fields", read=read_changes)
BOTH_ONES = _dynamic("records/*", read=read_both)


def more_of(name: str, read: Callable[..., Any]) -> CustomFields:
    """Return the further fields of an action that fixes its object."""
    return CustomFields("fields", read=read, kind=name, vendor_scopes=API_SCOPE, within=_reached)
