"""Many records of one object in one request. Source: REST API Developer Guide v67.0, "sObject Collections".

`all_or_none` has no default: whether the others stay when one is refused is for the caller to say.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, model_validator

from connectors.salesforce import describe
from connectors.salesforce.connector import API_SCOPE, salesforce
from connectors.salesforce.names import (
    ALL_RECORDS,
    COLLECTION,
    THE_OBJECT,
    FieldName,
    OfObject,
    RecordId,
    Scalar,
    SetField,
    Values,
    each,
    sent,
)
from connectors.salesforce.record_view import SETTLE, holds, is_ours, select, settled, traces
from connectors.salesforce.saving import RESULTS, ROLLED_BACK, Result, refusal, refused
from connectors.salesforce.soql import Comparison, Select
from connectors.sdk import (
    Effect,
    Input,
    Irreversible,
    NaturalKey,
    Output,
    Reconcile,
    Response,
    Undo,
    Upstream,
    UpstreamInvalidResponse,
    UpstreamNotFound,
)
from connectors.sdk.errors import Issue

_SCOPES = {"salesforce:record:write", "salesforce:record:admin"}
_MOST = 200
_EACH = "Up to 200."
AllOrNone = Annotated[
    bool,
    Field(
        description="True: if Salesforce refuses one, none is saved. False: the others are saved; look at each item."
    ),
]


class Outcome(Output):
    """What became of one record, in the order that was given. `code` and `reason` say why it was refused."""

    object: str
    id: str | None = None
    success: bool
    created: bool | None = None
    code: str | None = None
    reason: str | None = None


class Outcomes(Output):
    """What became of all records."""

    items: list[Outcome]


class CreateMany(OfObject):
    """The records to create."""

    records: list[Values] = Field(min_length=1, max_length=_MOST, description="The fields of each. " + _EACH)
    key_field: SetField | None = Field(
        default=None,
        description="A field marked as external id that each record sets: then they can be found should the answer be "
        "lost.",
    )
    all_or_none: AllOrNone

    @model_validator(mode="after")
    def _keyed(self) -> "CreateMany":
        if self.key_field is not None:
            _keys(self.key_field, self.records)
        return self


class UpsertMany(OfObject):
    """What the records with the external ids shall have."""

    key_field: SetField = Field(description="A field that is marked as external id.")
    records: list[Values] = Field(
        min_length=1, max_length=_MOST, description="The fields of each, with the external id. " + _EACH
    )
    all_or_none: AllOrNone

    @model_validator(mode="after")
    def _keyed(self) -> "UpsertMany":
        _keys(self.key_field, self.records)
        return self


class Change(Input):
    """What to change of one record."""

    id: RecordId
    fields: Values = Field(min_length=1)


class UpdateMany(OfObject):
    """The records to change, each in its own way."""

    records: list[Change] = Field(min_length=1, max_length=_MOST, description=_EACH)
    all_or_none: AllOrNone

    @model_validator(mode="after")
    def _once(self) -> "UpdateMany":
        if len({one.id for one in self.records}) < len(self.records):
            raise ValueError("each record can be changed once")
        return self


class DeleteMany(OfObject):
    """The records to delete."""

    ids: list[RecordId] = Field(min_length=1, max_length=_MOST, description=_EACH)
    all_or_none: AllOrNone

    @model_validator(mode="after")
    def _once(self) -> "DeleteMany":
        if len(set(self.ids)) < len(self.ids):
            raise ValueError("each record can be deleted once")
        return self


def _keys(field: str, records: Sequence[dict[str, Scalar]]) -> list[str | int]:
    """Return the external id of each record. Raises `ValueError` where one is missing or comes twice."""
    found: list[str | int] = []
    for record in records:
        value = next((value for name, value in record.items() if name.lower() == field.lower()), None)
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise ValueError(f"each record needs a text or a whole number in {field}")
        found.append(value)
    if len({str(value).lower() for value in found}) < len(found):
        raise ValueError(f"each value of {field} can be given once")
    return found


def outcomes(api: Upstream, response: Response, what: Any, ids: Sequence[str | None], verb: bool | None) -> Outcomes:
    """Read what became of each record. Raises the error where all had to be saved and one was refused."""
    results = api.read(RESULTS, response)
    if len(results) != len(ids):
        raise UpstreamInvalidResponse("Salesforce answers for another number of records than it was given.")
    if what.all_or_none and not all(result.success for result in results):
        raise _all_refused(response.status, results)
    return Outcomes(
        items=[_outcome(what.object, result, known, verb) for result, known in zip(results, ids, strict=True)]
    )


def _outcome(object: str, result: Result, known: str | None, created: bool | None) -> Outcome:
    if not result.success:
        code, reason = refusal(result.errors)
        return Outcome(object=object, id=known, success=False, code=code, reason=reason)
    if not (result.id or known):
        raise UpstreamInvalidResponse("Salesforce reports success and names no record.")
    made = result.created if created is None else created
    return Outcome(object=object, id=result.id or known, success=True, created=made)


def _all_refused(status: int, results: Sequence[Result]) -> Exception:
    """Name the records that are to blame, not those that were only rolled back with them."""
    issues: list[Issue] = []
    first: list[dict[str, Any]] = []
    for index, result in enumerate(results):
        code, text = refusal(result.errors)
        if not result.success and code not in ROLLED_BACK:
            issues.append(Issue(pointer=f"/records/{index}", message=f"{code}: {text}"))
            first = first or result.errors
    return refused(status, first or results[0].errors, issues[:20])


async def find_all_created(api: Upstream, new: CreateMany) -> Outcomes | None:
    """Return the records if this call created all of them, known by their external ids, else None."""
    if new.key_field is None:
        return None
    keys = _keys(new.key_field, new.records)
    names = list(dict.fromkeys(name for record in new.records for name in record))
    found = await traces(api, new.object, new.key_field, list(keys), names)
    ours = {_key_of(trace.record.fields, new.key_field): trace.record for trace in found if is_ours(api, trace)}
    items: list[Outcome] = []
    for key, record in zip(keys, new.records, strict=True):
        one = ours.get(str(key).lower())
        if one is None or not holds(one, dict(record)):
            return None
        items.append(Outcome(object=new.object, id=one.id, success=True, created=True))
    return Outcomes(items=items)


def _key_of(fields: dict[str, Any], field: str) -> str:
    """Return a record's external id as ids are compared: Salesforce gives whole numbers with a point."""
    value = next((value for name, value in fields.items() if name.lower() == field.lower()), "")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).lower()


def _typed(object: str, records: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return [{"attributes": {"type": object}, **record} for record in records]


@salesforce.action(
    "record.create_many",
    scopes=_SCOPES,
    effect=Effect.CREATE,
    resource=THE_OBJECT,
    vendor_scopes=API_SCOPE,
    idempotency=Reconcile(find_all_created, settle=SETTLE, consistent=False),
    custom=describe.NEW_ONES,
    undo=Undo("salesforce.record.delete_many"),
    records="records",
    max_output_bytes=1024 * 1024,
    examples=[{"object": "Lead", "records": [{"LastName": "Silva", "Company": "Globex"}], "all_or_none": True}],
)
async def create_many(api: Upstream, new: CreateMany) -> Outcomes:
    """Create up to 200 records of one object in one request. Without `key_field` a lost answer stays unknown."""
    records = _typed(new.object, [sent(record) for record in new.records])
    response = await api.post(COLLECTION, json={"allOrNone": new.all_or_none, "records": records})
    return outcomes(api, response, new, [None] * len(records), True)


async def find_all_upserted(api: Upstream, what: UpsertMany) -> Outcomes | None:
    """Return the records if all upserts were applied, None where they may be sent again. Raises `OutcomeUnknown`."""
    keys = _keys(what.key_field, what.records)
    names = list(dict.fromkeys(name for record in what.records for name in record))
    found = await traces(api, what.object, what.key_field, list(keys), names)
    items: list[Outcome] = []
    for key, record in zip(keys, what.records, strict=True):
        own = [trace for trace in found if _key_of(trace.record.fields, what.key_field) == str(key).lower()]
        one = settled(api, what.object, own, dict(record))
        if one is not None:
            items.append(Outcome(object=what.object, id=one.id, success=True, created=one.created))
    return Outcomes(items=items) if len(items) == len(keys) else None


@salesforce.action(
    "record.upsert_many",
    scopes=_SCOPES,
    effect=Effect.UPDATE,
    resource=ALL_RECORDS,
    vendor_scopes=API_SCOPE,
    idempotency=NaturalKey(("object", "key_field", "records"), find_all_upserted),
    custom=describe.BOTH_ONES,
    undo=Irreversible("Each record had values of its own: read them before."),
    records="records",
    max_output_bytes=1024 * 1024,
    examples=[
        {
            "object": "Contact",
            "key_field": "Gateway_Key__c",
            "records": [{"Gateway_Key__c": "crm-7-1", "LastName": "Silva"}],
            "all_or_none": False,
        }
    ],
)
async def upsert_many(api: Upstream, what: UpsertMany) -> Outcomes:
    """Create or change up to 200 records of one object by their ids in another system; repeats make no doubles."""
    records = _typed(what.object, [sent(record) for record in what.records])
    names = {"object": what.object, "field": what.key_field}
    body = {"allOrNone": what.all_or_none, "records": records}
    response = await api.patch(COLLECTION + "/{object}/{field}", names, json=body)
    return outcomes(api, response, what, [None] * len(records), None)


async def find_all_updated(api: Upstream, what: UpdateMany) -> Outcomes | None:
    """Return the records if all have the values that were sent, else None."""
    names: list[FieldName] = list(dict.fromkeys(name for one in what.records for name in one.fields))
    found = await traces(api, what.object, "Id", [one.id for one in what.records], names)
    living = {trace.record.id: trace.record for trace in found if not trace.deleted}
    if not all(one.id in living and holds(living[one.id], dict(one.fields)) for one in what.records):
        return None
    return Outcomes(items=[Outcome(object=what.object, id=one.id, success=True, created=False) for one in what.records])


@salesforce.action(
    "record.update_many",
    scopes=_SCOPES,
    effect=Effect.UPDATE,
    resource=each(lambda what: [f"{what.object}/{one.id}" for one in what.records]),
    vendor_scopes=API_SCOPE,
    idempotency=Reconcile(find_all_updated, settle=SETTLE, consistent=False),
    custom=describe.CHANGED_ONES,
    undo=Undo("salesforce.record.update_many", note="Send the former values; read them before."),
    records="records",
    max_output_bytes=1024 * 1024,
    examples=[
        {
            "object": "Opportunity",
            "records": [{"id": "006000000000001AAA", "fields": {"StageName": "Closed Lost"}}],
            "all_or_none": True,
        }
    ],
)
async def update_many(api: Upstream, what: UpdateMany) -> Outcomes:
    """Change up to 200 records of one object in one request, each in its own way. The last writer wins."""
    records = _typed(what.object, [{"id": one.id, **sent(one.fields)} for one in what.records])
    response = await api.patch(COLLECTION, json={"allOrNone": what.all_or_none, "records": records})
    return outcomes(api, response, what, [one.id for one in what.records], False)


async def find_all_deleted(api: Upstream, what: DeleteMany) -> Outcomes | None:
    """Return the records if all are in the recycle bin, else None."""
    found = await traces(api, what.object, "Id", list(what.ids), [])
    gone = {trace.record.id for trace in found if trace.deleted}
    if not set(what.ids) <= gone:
        return None
    return Outcomes(items=[Outcome(object=what.object, id=one, success=True, created=False) for one in what.ids])


@salesforce.action(
    "record.delete_many",
    scopes={"salesforce:record:delete", "salesforce:record:admin"},
    effect=Effect.DELETE,
    resource=each(lambda what: [f"{what.object}/{one}" for one in what.ids]),
    vendor_scopes=API_SCOPE,
    idempotency=Reconcile(find_all_deleted, settle=SETTLE, consistent=False),
    undo=Irreversible("The REST API restores nothing; for 15 days people can, from the recycle bin."),
    records="ids",
    max_output_bytes=1024 * 1024,
    examples=[{"object": "Lead", "ids": ["00Q000000000001EAA"], "all_or_none": True}],
)
async def delete_many(api: Upstream, what: DeleteMany) -> Outcomes:
    """Delete up to 200 records in one request; people can bring them back from the recycle bin for 15 days.

    They are read first: Salesforce deletes by id alone, and each must be of the object that was named.
    """
    where = [Comparison(field="Id", op="in", value=list(what.ids))]
    known = {record.id for record in await select(api, Select(object=what.object, fields=["Id"], where=where))}
    missing = [one for one in what.ids if one not in known]
    if missing:
        raise UpstreamNotFound(
            f"There is no record {missing[0]} of {what.object}; nothing was deleted.", hint="Name the others alone."
        )
    response = await api.delete(COLLECTION, params={"ids": what.ids, "allOrNone": what.all_or_none})
    return outcomes(api, response, what, what.ids, False)
