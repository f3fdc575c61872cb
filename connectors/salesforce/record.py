"""Records of any object, standard or custom: read, create, change, delete.

Source: REST API Developer Guide v67.0, "sObject Rows", "sObject Rows by External ID", "Conditional Requests".
"""

from pydantic import Field, model_validator

from connectors.salesforce import describe
from connectors.salesforce.connector import API_SCOPE, salesforce
from connectors.salesforce.ids import canonical
from connectors.salesforce.names import (
    OBJECT,
    RECORD,
    THE_OBJECT,
    THE_RECORD,
    FieldName,
    Key,
    OfObject,
    OfRecord,
    Stamp,
    Values,
    guarded,
    sent,
)
from connectors.salesforce.record_view import (
    SETTLE,
    Record,
    Saved,
    find_by_key,
    find_upserted,
    holds,
    select,
    traces,
    unambiguous,
)
from connectors.salesforce.saving import create, upsert
from connectors.salesforce.soql import Comparison, Select
from connectors.sdk import (
    Done,
    Effect,
    Irreversible,
    Located,
    NaturalKey,
    Reconcile,
    Undo,
    Upstream,
    UpstreamConflict,
)

Names = list[FieldName]
_WHICH = "API names of the fields to read; all of them if none are named."
KEY = "An external id to set, so that the record can be found again should the answer be lost."


class GetRecord(OfRecord):
    """The record to read."""

    fields: Names = Field(default_factory=list[str], max_length=200, description=_WHICH)


class GetByKey(OfObject):
    """The record to read, by its id in another system."""

    key: Key = Field(description="The external id.")
    fields: Names = Field(default_factory=list[str], max_length=200, description=_WHICH)


class CreateRecord(OfObject):
    """The record to create."""

    fields: Values
    key: Key | None = Field(default=None, description=KEY)

    @model_validator(mode="after")
    def _key_once(self) -> "CreateRecord":
        if self.key is not None and self.key.field.lower() in {name.lower() for name in self.fields}:
            raise ValueError("the key's field stands in `fields` too: give it in `key` alone")
        return self


class UpsertRecord(OfObject):
    """What the record with an external id shall have."""

    key: Key = Field(description="The external id.")
    fields: Values
    update_only: bool = Field(default=False, description="Fail with `upstream_not_found` where there is no record.")

    @model_validator(mode="after")
    def _key_apart(self) -> "UpsertRecord":
        if self.key.field.lower() in {name.lower() for name in self.fields}:
            raise ValueError("the key's field stands in `fields` too: give it in `key` alone")
        return self


class UpdateRecord(OfRecord):
    """What to change; fields left out stay as they are."""

    fields: Values = Field(min_length=1)
    if_unmodified_since: Stamp = None


class DeleteRecord(OfRecord):
    """The record to delete."""


def _listed(fields: list[str]) -> str | None:
    return ",".join(dict.fromkeys(["Id", *fields])) if fields else None


async def locate_by_key(api: Upstream, object: str, key: Key) -> str:
    """Return the identity of the record with an external id, the object's where there is none.

    Raises `UpstreamConflict` where there are several.
    """
    where = [Comparison(field=key.field, op="eq", value=key.value)]
    found = await select(api, Select(object=object, fields=["Id"], where=where, limit=2))
    if len(found) > 1:
        raise UpstreamConflict("Several records have this external id.", hint="Name one by its id.")
    return canonical(f"{object}/{found[0].id}" if found else object)


async def _located(api: Upstream, what: GetByKey | UpsertRecord) -> str:
    return await locate_by_key(api, what.object, what.key)


BY_KEY = Located(_located, canonical=canonical)


@salesforce.action(
    "record.get",
    scopes={"salesforce:record:read"},
    effect=Effect.READ,
    resource=THE_RECORD,
    vendor_scopes=API_SCOPE,
)
async def get_record(api: Upstream, what: GetRecord) -> Record:
    """Read one record of any object by its id. Fields that the connected user may not see are missing."""
    return api.read(Record, await api.get(RECORD, what, params={"fields": _listed(what.fields)}))


@salesforce.action(
    "record.get_by_external_id",
    scopes={"salesforce:record:read"},
    effect=Effect.READ,
    resource=BY_KEY,
    vendor_scopes=API_SCOPE,
)
async def get_by_key(api: Upstream, what: GetByKey) -> Record:
    """Read one record by its id in another system. Fails with `upstream_conflict` where several have it."""
    names = {"object": what.object, "field": what.key.field, "value": what.key.value}
    response = await api.get(OBJECT + "/{field}/{value}", names, params={"fields": _listed(what.fields)})
    return api.read(Record, unambiguous(response))


async def find_created(api: Upstream, new: CreateRecord) -> Saved | None:
    """Return the record with the key if this call created it; without a key nothing tells."""
    return await find_by_key(api, new.object, new.key, new.fields)


@salesforce.action(
    "record.create",
    scopes={"salesforce:record:write"},
    effect=Effect.CREATE,
    resource=THE_OBJECT,
    vendor_scopes=API_SCOPE,
    # Not a natural key: whether a field is unique the org decides, so a repeat might make a second record.
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=False),
    custom=describe.NEW,
    undo=Undo("salesforce.record.delete", note="Flows may have sent mail and made other records."),
    examples=[
        {
            "object": "Invoice__c",
            "fields": {"Amount__c": 120.5, "Due__c": "2026-12-24"},
            "key": {"field": "Gateway_Key__c", "value": "order-17"},
        }
    ],
)
async def create_record(api: Upstream, new: CreateRecord) -> Saved:
    """Create one record of any object, standard or custom.

    Prefer `salesforce.record.upsert` where the object has an external id: it makes no doubles. Without `key` a lost
    answer stays unknown. Which fields there are is in `salesforce.object.describe`.
    """
    values = dict(new.fields) | ({new.key.field: new.key.value} if new.key else {})
    return await create(api, new.object, values)


async def find_upsert(api: Upstream, what: UpsertRecord) -> Saved | None:
    """Return the record if this upsert was applied. See `record_view.find_upserted`."""
    return await find_upserted(api, what.object, what.key, what.fields)


@salesforce.action(
    "record.upsert",
    scopes={"salesforce:record:write"},
    effect=Effect.UPDATE,
    resource=BY_KEY,
    vendor_scopes=API_SCOPE,
    idempotency=NaturalKey(("object", "key"), find_upsert),
    custom=describe.BOTH,
    undo=Undo("salesforce.record.update", note="Send the former values; a new record is deleted instead."),
    examples=[
        {
            "object": "Account",
            "key": {"field": "Gateway_Key__c", "value": "crm-7"},
            "fields": {"Name": "Globex", "Phone": "+4930123456"},
        }
    ],
)
async def upsert_record(api: Upstream, what: UpsertRecord) -> Saved:
    """Create the record with an external id, or change it where it is there: as often as you like, one record.

    The best way to write what another system knows under an id of its own. `created` tells which it was.
    """
    return await upsert(api, what.object, what.key, what.fields, update_only=what.update_only)


async def find_updated(api: Upstream, update: UpdateRecord) -> Saved | None:
    """Return the record if every field that was sent is there as sent, else None."""
    found = await traces(api, update.object, "Id", [update.id], update.fields)
    same = [trace for trace in found if not trace.deleted and holds(trace.record, update.fields)]
    return Saved(object=update.object, id=update.id, created=False) if same else None


@salesforce.action(
    "record.update",
    scopes={"salesforce:record:write"},
    effect=Effect.UPDATE,
    resource=THE_RECORD,
    vendor_scopes=API_SCOPE,
    # Other values prove nothing: somebody, or a flow, may have changed the record after this call did.
    idempotency=Reconcile(find_updated, settle=SETTLE, consistent=False),
    custom=describe.CHANGES,
    undo=Undo("salesforce.record.update", note="Send the former values; read them before."),
    examples=[{"object": "Contact", "id": "003000000000001AAA", "fields": {"Phone": "+4930123456"}}],
)
async def update_record(api: Upstream, update: UpdateRecord) -> Saved:
    """Change fields of one record. The last writer wins: name `if_unmodified_since` if others may work on it."""
    headers = guarded(update.if_unmodified_since)
    api.done(await api.patch(RECORD, update, json=sent(update.fields), headers=headers))
    return Saved(object=update.object, id=update.id, created=False)


async def find_deleted(api: Upstream, what: DeleteRecord) -> Done | None:
    """Return `Done` if the record is in the recycle bin, else None: one that is not seen at all may only be hidden."""
    found = await traces(api, what.object, "Id", [what.id], [])
    return Done() if any(trace.deleted for trace in found) else None


@salesforce.action(
    "record.delete",
    scopes={"salesforce:record:delete"},
    effect=Effect.DELETE,
    resource=THE_RECORD,
    vendor_scopes=API_SCOPE,
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=False),
    undo=Irreversible("The REST API restores nothing; for 15 days people can, from the recycle bin."),
    examples=[{"object": "Lead", "id": "00Q000000000001EAA"}],
)
async def delete_record(api: Upstream, what: DeleteRecord) -> Done:
    """Delete one record, and those that belong to it; people can bring it back from the recycle bin for 15 days."""
    return api.done(await api.delete(RECORD, what))
