"""Whether values may be written: Salesforce's own checks, with its codes.

Since Salesforce publishes no description of its API, these decide whether a client's request is one that Salesforce
would take. Source: Object Reference for Salesforce v67.0, "Field Types", "StatusCode"; REST API Developer Guide,
"Status Codes and Error Responses". Validation rules and triggers are the orgs' own; there are none here.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from connectors.salesforce.simulator.refusals import Fault, malformed, not_found
from connectors.salesforce.simulator.schema import Field, SObject
from connectors.salesforce.simulator.world import Row, World, stamp

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:?\d\d)")


def kind_of(world: World, name: str) -> SObject:
    """Return an object by its name, in any case. Raises 404."""
    found = world.objects.get(name.lower())
    if found is None:
        raise not_found()
    return found


def row_of(world: World, kind: SObject, id: str) -> Row:
    """Return a record of an object that is not deleted. Raises 400 and 404."""
    if not _ID.fullmatch(id):
        raise Fault("MALFORMED_ID", f"malformed id {id}", status=400)
    row = world.find(id)
    if row is None or row.object is not kind:
        raise not_found("Provided external ID field does not exist or is not accessible: " + id)
    if row.deleted:
        raise Fault("ENTITY_IS_DELETED", "entity is deleted", status=404)
    return row


def by_external_id(world: World, kind: SObject, name: str, value: object) -> list[Row]:
    """Return the records with an external id. Raises 404 for a field that is none."""
    field = kind.by_name.get(name.lower())
    if field is None or not field.external_id:
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    wanted = _key(field, value)
    return [row for row in world.of(kind.name) if not row.deleted and _key(field, row.values.get(field.name)) == wanted]


def _key(field: Field, value: object) -> object:
    """Return a value as external ids are compared: numbers as numbers, texts whatever their case."""
    if field.type != "double" or value is None:
        return None if value is None else str(value).lower()
    try:
        return float(str(value))
    except ValueError:
        raise malformed(f"Cannot deserialize instance of double from value {value} for {field.name}") from None


def checked(world: World, kind: SObject, given: Mapping[str, Any], row: Row | None = None) -> dict[str, Any]:
    """Return the values as they are kept. Raises `Fault`."""
    if not kind.writable:
        raise Fault("INVALID_TYPE_FOR_OPERATION", f"entity type cannot be written: {kind.name}")
    _unlocked(world, row)
    values: dict[str, Any] = {}
    for name, value in given.items():
        field = kind.by_name.get(name.lower())
        if field is None:
            raise Fault("INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}")
        if not (field.createable if row is None else field.updateable):
            raise Fault(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {field.name}. Please check the security settings of this field and "
                "verify that it is read/write for your profile or permission set.",
                [field.name],
            )
        values[field.name] = _value(world, field, value)
    _required(kind, values, row)
    _unique(world, kind, values, row)
    return values


def _unlocked(world: World, row: Row | None) -> None:
    left = world.locked.get(row.id[:15], 0) if row is not None else 0
    if row is not None and left > 0:
        world.locked[row.id[:15]] = left - 1
        raise Fault("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")


def _required(kind: SObject, values: Mapping[str, Any], row: Row | None) -> None:
    needed = [one.name for one in kind.fields if one.required and (row is None or one.name in values)]
    missing = [name for name in needed if values.get(name) is None]
    if missing:
        raise Fault("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing)


def _unique(world: World, kind: SObject, values: Mapping[str, Any], row: Row | None) -> None:
    for field in kind.fields:
        value = values.get(field.name)
        if not field.unique or value is None:
            continue
        for other in world.of(kind.name):
            if other is row or other.deleted or _key(field, other.values.get(field.name)) != _key(field, value):
                continue
            text = f"duplicate value found: {field.name} duplicates value on record with id: {other.id[:15]}"
            raise Fault("DUPLICATE_VALUE", text, [])


def _value(world: World, field: Field, value: Any) -> Any:
    if value is None or value == "":
        if field.type == "boolean":
            raise malformed(f"Cannot deserialize instance of boolean from VALUE_NULL value null for {field.name}")
        return None
    if field.type == "boolean":
        return _boolean(field, value)
    if field.type in {"int", "double", "currency", "percent"}:
        return _number(field, value)
    if not isinstance(value, str):
        kind = type(value).__name__
        raise malformed(f"Cannot deserialize instance of {field.type} from {kind} value for {field.name}")
    if field.type == "date":
        return _date(field, value)
    if field.type == "datetime":
        return _time(field, value)
    if field.type == "reference":
        return _reference(world, field, value)
    return _text(field, value)


def _boolean(field: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise malformed(f"Cannot deserialize instance of boolean from value {value!r} for {field.name}")


def _number(field: Field, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise malformed(f"Cannot deserialize instance of {field.type} from value {value!r} for {field.name}")
    if field.type == "int" and int(value) != value:
        raise malformed(f"Cannot deserialize instance of int from value {value!r} for {field.name}")
    if abs(value) >= 10 ** (field.precision - field.scale):
        text = f"{field.label or field.name}: value outside of valid range on numeric field: {value}"
        raise Fault("NUMBER_OUTSIDE_VALID_RANGE", text, [field.name])
    return int(value) if field.type == "int" else round(float(value), field.scale)


def _date(field: Field, value: str) -> str:
    try:
        return date.fromisoformat(value[:10]).isoformat()
    except ValueError:
        raise malformed(
            f"Cannot deserialize instance of date from VALUE_STRING value {value} for {field.name}"
        ) from None


def _time(field: Field, value: str) -> str:
    text = f"Cannot deserialize instance of datetime from VALUE_STRING value {value} for {field.name}"
    if not _TIME.fullmatch(value):
        raise malformed(text)
    try:
        return stamp(datetime.fromisoformat(value).timestamp())
    except ValueError:
        raise malformed(text) from None


def _reference(world: World, field: Field, value: str) -> str:
    if not _ID.fullmatch(value):
        raise Fault("MALFORMED_ID", f"{field.label or field.name}: id value of incorrect type: {value}", [field.name])
    row = world.find(value)
    if row is None or row.deleted:
        raise Fault("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])
    if row.object.name not in field.references:
        text = f"{field.label or field.name}: id value of incorrect type: {value}"
        raise Fault("FIELD_INTEGRITY_EXCEPTION", text, [field.name])
    return row.id


def _text(field: Field, value: str) -> str | None:
    text = value.strip()
    if field.type in {"picklist", "multipicklist"}:
        chosen = text.split(";") if field.type == "multipicklist" else [text]
        wrong = [one for one in chosen if one not in field.choices]
        if field.restricted and wrong:
            said = f"{field.label or field.name}: bad value for restricted picklist field: {wrong[0]}"
            raise Fault("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", said, [field.name])
        if field.type == "multipicklist":
            text = ";".join(sorted(set(chosen), key=lambda one: (*field.choices, one).index(one)))
    if len(text) > field.length:
        said = f"{field.label or field.name}: data value too large: {text[:100]} (max length={field.length})"
        raise Fault("STRING_TOO_LONG", said, [field.name])
    if field.type == "email" and not _EMAIL.fullmatch(text):
        said = f"{field.label or field.name}: invalid email address: {text}"
        raise Fault("INVALID_EMAIL_ADDRESS", said, [field.name])
    return text or None
