"""Names that many inputs share: objects, fields, ids; and how a record is identified where a grant names resources.

A record is `{object}/{id}`, a new one `{object}`. What can touch any record of an object is `{object}/*`, which only a
grant on all of them covers. Names are letters, digits and `_`, so none can be anything but a name in a path or a query;
which of them exist Salesforce says.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field

from connectors.salesforce.connector import API
from connectors.salesforce.ids import canonical, long_id
from connectors.sdk import ConstraintDenied, Input, Located, Resource, Searched, Upstream
from scopes.constraint import resource_matches

SOBJECTS = API + "/sobjects"
OBJECT = SOBJECTS + "/{object}"
RECORD = OBJECT + "/{id}"
COLLECTION = API + "/composite/sobjects"

NAME = r"^[A-Za-z][A-Za-z0-9_]{0,79}$"
# Members of a record's JSON that are not fields: the type in `attributes` would name another object.
_RESERVED = {"attributes", "id"}


def _no_reserved(name: str) -> str:
    if name.lower() in _RESERVED:
        raise ValueError(f"{name} is no field that can be set")
    return name


ObjectName = Annotated[
    str, Field(pattern=NAME, description="API name of the object: `Account`, `Invoice__c`. See `object.list`.")
]
FieldName = Annotated[str, Field(pattern=NAME)]
SetField = Annotated[str, Field(pattern=NAME), AfterValidator(_no_reserved)]
RecordId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$", description="The record's id."),
    AfterValidator(long_id),
]
Scalar = str | int | float | bool | None | list[str]
Values = Annotated[
    dict[SetField, Scalar],
    Field(
        max_length=500,
        description="Values by the field's API name, as `salesforce.object.describe` lists them: texts, numbers, "
        "booleans, dates as `2026-11-22`, times as `2026-11-22T09:00:00Z`, lists of texts for multi-select picklists, "
        "null to clear.",
    ),
]
Stamp = Annotated[
    AwareDatetime | None,
    Field(
        description="The record's `LastModifiedDate` as you read it, to the second: if it was changed after that, "
        "nothing is done and the call fails with `upstream_conflict`."
    ),
]


class Key(Input):
    """A record's id in another system."""

    field: SetField = Field(description="API name of a field that is marked as external id: `Gateway_Key__c`.")
    value: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")] | int = Field(
        description="Its value, which no two records should share."
    )


class OfObject(Input):
    """An input about one object."""

    object: ObjectName


class OfRecord(OfObject):
    """An input about one record."""

    id: RecordId


THE_OBJECT = Resource("{object}", canonical=canonical)
THE_RECORD = Resource("{object}/{id}", canonical=canonical)
ALL_RECORDS = Resource("{object}/*", canonical=canonical)


def record_of(name: str, field: str) -> Resource:
    """Return the resource of an action on one record of an object that it fixes; `field` holds the id."""
    return Resource(f"{name}/{{{field}}}", canonical=canonical)


def new_of(name: str) -> Located:
    """Return the resource of an action that creates a record of an object that it fixes. Reads nothing."""

    async def read(api: Upstream, what: Input) -> str:
        del api, what
        return canonical(name)

    return Located(read, canonical=canonical)


def identity(item: Any) -> str:
    """Return what constraints match of an output with `object` and `id`."""
    return f"{item.object}/{item.id}"


def each(of: Callable[[Any], Sequence[str]], item: Callable[[Any], str] = identity) -> Searched:
    """Return the resource of an action on several: each identity that `of` finds in the input must be covered.

    Unlike a search it is never narrowed: one that is not covered refuses the whole call.
    """

    def narrow(what: Any, patterns: Sequence[str]) -> Any:
        for one in map(canonical, of(what)):
            if not any(resource_matches(pattern, one) for pattern in patterns):
                raise ConstraintDenied(
                    f"{one!r} is outside the resources that this agent's grants name.",
                    hint=f"The grants name: {', '.join(patterns[:10])}.",
                )
        return what

    return Searched(narrow, item, canonical)


def sent(values: dict[str, Any]) -> dict[str, object]:
    """Return values of fields as Salesforce takes them."""
    return {name: plain(value) for name, value in values.items()}


def plain(value: object) -> object:
    """Return one value as JSON: a multi-select picklist as one text, times in UTC."""
    if isinstance(value, list):
        return ";".join(str(one) for one in value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def iso(moment: datetime) -> str:
    """Return a time as SOQL and records write it, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def guarded(stamp: datetime | None) -> dict[str, str]:
    """Return the header that makes Salesforce refuse (412) a change of a record that is no longer as it was."""
    if stamp is None:
        return {}
    return {"If-Unmodified-Since": stamp.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")}
