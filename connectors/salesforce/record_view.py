"""A record as agents see it, and finding one again. Source: REST API Developer Guide v67.0, "sObject Rows", "Query"."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from pydantic import AwareDatetime, Field, JsonValue, TypeAdapter, model_validator

from connectors.salesforce.connector import API
from connectors.salesforce.names import Key, plain
from connectors.salesforce.soql import Comparison, Select, Value, build, chunks
from connectors.sdk import Output, Response, Upstream, UpstreamConflict, UpstreamInvalidResponse
from connectors.sdk.errors import OutcomeUnknown

SETTLE = timedelta(minutes=11)
SKEW = timedelta(seconds=60)
_SYSTEM = ("Id", "CreatedById", "CreatedDate", "SystemModstamp")


class Record(Output):
    """A record: its object, its id, and the fields that were asked for, by their API names."""

    object: str
    id: str
    fields: dict[str, JsonValue]

    @model_validator(mode="before")
    @classmethod
    def _from_salesforce(cls, value: Any) -> Any:
        """Salesforce puts the type beside the fields, also in records inside it."""
        if not isinstance(value, dict) or "attributes" not in value:
            return value
        given = cast("dict[str, Any]", value)
        attributes: Any = given["attributes"]
        kind = attributes.get("type") if isinstance(attributes, dict) else None
        fields = {name: _bare(member) for name, member in given.items() if name != "attributes"}
        return {"object": kind, "id": given.get("Id"), "fields": fields}


class Saved(Output):
    """A record that was written. `created` is null where Salesforce does not tell."""

    object: str
    id: str
    created: bool | None = None


class Found(Output):
    """What a query gives. `next_url` is a path on the same host."""

    done: bool
    total: int = Field(validation_alias="totalSize")
    records: list[Record]
    next_url: str | None = Field(default=None, validation_alias="nextRecordsUrl")

    @model_validator(mode="after")
    def _leads_on(self) -> "Found":
        if not self.done and not self.next_url:
            raise ValueError("there is more, and no address that leads to it")
        return self


class Trace(Output):
    """A record with what tells who made and changed it when."""

    record: Record
    made_by: str
    made_at: AwareDatetime
    changed_at: AwareDatetime
    deleted: bool = False


_TIME = TypeAdapter(AwareDatetime)


def _bare(value: Any) -> Any:
    """Leave out `attributes` of records inside a record, and what queries wrap them in."""
    if isinstance(value, dict):
        return {name: _bare(item) for name, item in cast("dict[str, Any]", value).items() if name != "attributes"}
    if isinstance(value, list):
        items: list[Any] = value
        return [_bare(item) for item in items]
    return value


def unambiguous(response: Response) -> Response:
    """Refuse the answer that several records have the external id. Raises `UpstreamConflict`."""
    if response.status == 300:
        raise UpstreamConflict(
            "Several records have this external id; nothing was done.",
            hint="Find them with `salesforce.record.query` and name one by its id.",
        )
    return response


async def select(api: Upstream, query: Select, *, deleted: bool = False) -> list[Record]:
    """Return what a short query finds, with deleted records if asked for. Raises where it is more than one batch."""
    path = API + ("/queryAll" if deleted else "/query")
    found = api.read(Found, await api.get(path, params={"q": build(query)}))
    if not found.done:
        raise UpstreamInvalidResponse("Salesforce parts the answer of a query for single records.")
    return found.records


async def traces(api: Upstream, object: str, field: str, values: Sequence[Value], names: Iterable[str]) -> list[Trace]:
    """Return the records, deleted ones too, whose field has one of the values, with the named fields."""
    wanted = list({name.lower(): name for name in (*names, field, "IsDeleted", *_SYSTEM)}.values())
    found: list[Record] = []
    for part in chunks(values):
        where = [Comparison(field=field, op="in", value=part)]
        found += await select(api, Select(object=object, fields=wanted, where=where), deleted=True)
    return [_trace(record) for record in found]


def _trace(record: Record) -> Trace:
    fields = record.fields
    return Trace(
        record=record,
        made_by=str(fields.get("CreatedById")),
        made_at=_TIME.validate_python(fields.get("CreatedDate")),
        changed_at=_TIME.validate_python(fields.get("SystemModstamp")),
        deleted=fields.get("IsDeleted") is True,
    )


def is_ours(api: Upstream, trace: Trace) -> bool:
    """Whether this connection's user made the record since the call began."""
    return same_id(trace.made_by, api.account) and not is_before(api, trace.made_at)


def is_before(api: Upstream, moment: datetime) -> bool:
    """Whether something was done before the call, with room for clocks that differ."""
    return api.since is not None and moment < api.since - SKEW


def same_id(one: str, other: str) -> bool:
    """Whether two ids are one, with 15 or 18 characters."""
    return one[:15] == other[:15]


def holds(record: Record, values: dict[str, Any]) -> bool:
    """Whether a record has all values that were sent. Salesforce keeps an empty text as null."""
    known = {name.lower(): value for name, value in record.fields.items()}
    return all(_same(known.get(name.lower()), plain(value)) for name, value in values.items())


def _same(found: object, wanted: object) -> bool:
    if wanted in (None, ""):
        return found in (None, "")
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return float(found) == float(wanted)
    if not (isinstance(found, str) and isinstance(wanted, str)):
        return False
    return found == wanted.strip() or _same_id(found, wanted) or _same_time(found, wanted) or _same_set(found, wanted)


def _same_id(found: str, wanted: str) -> bool:
    return len(found) == 18 and len(wanted) == 15 and found.isalnum() and same_id(found, wanted)


def _same_time(found: str, wanted: str) -> bool:
    """Times come back as `2026-11-22T09:00:00.000+0000`, in UTC."""
    if "T" not in found or "T" not in wanted:
        return False
    try:
        return datetime.fromisoformat(found) == datetime.fromisoformat(wanted)
    except (ValueError, TypeError):
        return False


def _same_set(found: str, wanted: str) -> bool:
    """Multi-select picklists come back in the order of the picklist."""
    return ";" in wanted and sorted(found.split(";")) == sorted(wanted.split(";"))


async def find_by_key(api: Upstream, object: str, key: Key | None, values: dict[str, Any]) -> Saved | None:
    """Return the record of that external id if this call created it, else None. Deleted records are seen too.

    One that has other values may be of an earlier call, or was changed since: it is not taken for ours.
    """
    if key is None:
        return None
    found = await traces(api, object, key.field, [key.value], values)
    ours = [trace for trace in found if is_ours(api, trace) and holds(trace.record, values)]
    return Saved(object=object, id=ours[0].record.id, created=True) if len(ours) == 1 else None


async def find_upserted(api: Upstream, object: str, key: Key, values: dict[str, Any]) -> Saved | None:
    """Return the record if the upsert was applied, None where it may be sent again.

    Raises `OutcomeUnknown` where the record was changed since the call began and has other values: then either this
    upsert was applied and somebody changed the record after it, or it was not, and sending it again could undo what
    they changed.
    """
    found = await traces(api, object, key.field, [key.value], values)
    return settled(api, object, found, values)


def settled(api: Upstream, object: str, found: Sequence[Trace], values: dict[str, Any]) -> Saved | None:
    """Judge one record of an upsert by its traces. See `find_upserted`."""
    for trace in found:
        if not trace.deleted and holds(trace.record, values):
            untouched = trace.made_at == trace.changed_at
            return Saved(object=object, id=trace.record.id, created=untouched and is_ours(api, trace))
    if any(not is_before(api, trace.changed_at) for trace in found):
        raise OutcomeUnknown(
            f"A record of {object} was changed by somebody while this upsert was not answered.",
            hint="Look at the record; if it lacks your values, send them as a new call.",
        )
    return None
