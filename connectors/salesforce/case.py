"""Cases and their comments. A published comment leaves the company, so it is an action of its own.

Source: Object Reference v67.0, "Case", "CaseComment"; REST API Developer Guide v67.0, "Assignment Rule Header".
"""

from typing import Annotated, ClassVar

from pydantic import AliasPath, AwareDatetime, Field, model_validator

from connectors.salesforce import describe
from connectors.salesforce.connector import API_SCOPE, salesforce
from connectors.salesforce.further import Email, Further, Text
from connectors.salesforce.names import RECORD, Key, RecordId, Stamp, guarded, new_of, record_of, sent
from connectors.salesforce.record import KEY
from connectors.salesforce.record_view import SETTLE, Record, Saved, find_by_key, holds, select, traces
from connectors.salesforce.saving import create
from connectors.salesforce.soql import Comparison, Order, Select
from connectors.sdk import Effect, Input, Irreversible, Output, Page, Reconcile, Undo, Unknowable, Upstream

_LOST = "A comment has no field that people do not see, so nothing tells ours from the same words of somebody else."
_MOST_COMMENTS = 200
OF_CASE = record_of("Case", "case")


class CreateCase(Further):
    """The case to open."""

    NAMES: ClassVar = {
        "subject": "Subject",
        "description": "Description",
        "status": "Status",
        "priority": "Priority",
        "origin": "Origin",
        "contact_id": "ContactId",
        "account_id": "AccountId",
        "email": "SuppliedEmail",
    }

    subject: Text = Field(description="What it is about.")
    description: str | None = Field(default=None, max_length=32_000, description="The whole matter.")
    priority: Text | None = Field(default=None, description="A value of the picklist: `High`.")
    status: Text | None = Field(default=None, description="A value of the picklist; the org's default else.")
    origin: Text | None = Field(default=None, description="How it came in: `Phone`, `Web`.")
    contact_id: RecordId | None = Field(default=None, description="Who has the matter.")
    account_id: RecordId | None = Field(default=None, description="The company's record.")
    email: Email | None = Field(default=None, description="The address that was given with it.")
    assign: bool = Field(default=False, description="Let the org's assignment rules choose an owner, who gets mail.")
    key: Key | None = Field(default=None, description=KEY)


class OfCase(Input):
    """An input about one case."""

    case: RecordId


class UpdateCase(Further, OfCase):
    """What to change; fields left out stay as they are."""

    NAMES: ClassVar = {"subject": "Subject", "status": "Status", "priority": "Priority"}

    subject: Text | None = Field(default=None, description="Replaces the subject.")
    status: Text | None = Field(default=None, description="A value of the picklist; `Closed` ends the case.")
    priority: Text | None = Field(default=None, description="A value of the picklist.")
    if_unmodified_since: Stamp = None

    @model_validator(mode="after")
    def _changes_something(self) -> "UpdateCase":
        if not self.values():
            raise ValueError("name at least one field to change")
        return self


class Write(OfCase):
    """The words."""

    body: Annotated[str, Field(min_length=1, max_length=4_000)] = Field(description="Plain text.")


class CaseComment(Output):
    """A comment on a case."""

    id: str = Field(validation_alias=AliasPath("fields", "Id"))
    body: str | None = Field(default=None, validation_alias=AliasPath("fields", "CommentBody"))
    public: bool = Field(validation_alias=AliasPath("fields", "IsPublished"))
    author_id: str | None = Field(default=None, validation_alias=AliasPath("fields", "CreatedById"))
    created_at: AwareDatetime = Field(validation_alias=AliasPath("fields", "CreatedDate"))


async def find_created(api: Upstream, new: CreateCase) -> Saved | None:
    """Return the case with the key if this call created it; without a key nothing tells."""
    return await find_by_key(api, "Case", new.key, new.values())


@salesforce.action(
    "case.create",
    scopes={"salesforce:case:write"},
    effect=Effect.CREATE,
    resource=new_of("Case"),
    vendor_scopes=API_SCOPE,
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=False),
    custom=describe.more_of("Case", describe.read_new),
    undo=Undo("salesforce.record.delete", note="Mails of auto-response and assignment rules have gone out."),
    examples=[{"subject": "Printer on fire", "priority": "High", "origin": "Phone"}],
)
async def create_case(api: Upstream, new: CreateCase) -> Saved:
    """Open a case. The org's auto-response rules may write to the contact; assignment rules run only with `assign`."""
    key = {new.key.field: new.key.value} if new.key else {}
    # Salesforce's default is to run them.
    headers = {"Sforce-Auto-Assign": "TRUE" if new.assign else "FALSE"}
    return await create(api, "Case", {**new.values(), **key}, headers)


async def find_updated(api: Upstream, update: UpdateCase) -> Saved | None:
    """Return the case if every field that was sent is there as sent, else None."""
    values = update.values()
    found = await traces(api, "Case", "Id", [update.case], values)
    same = any(not trace.deleted and holds(trace.record, values) for trace in found)
    return Saved(object="Case", id=update.case, created=False) if same else None


@salesforce.action(
    "case.update",
    scopes={"salesforce:case:write"},
    effect=Effect.UPDATE,
    resource=OF_CASE,
    vendor_scopes=API_SCOPE,
    idempotency=Reconcile(find_updated, settle=SETTLE, consistent=False),
    custom=describe.more_of("Case", describe.read_changes),
    undo=Undo("salesforce.case.update", note="Send the former values; mails may have been sent."),
    examples=[{"case": "500000000000001AAA", "status": "Closed"}],
)
async def update_case(api: Upstream, update: UpdateCase) -> Saved:
    """Change a case's status, priority, subject or further fields. Flows of the org may write to the contact."""
    names = {"object": "Case", "id": update.case}
    headers = {"Sforce-Auto-Assign": "FALSE", **guarded(update.if_unmodified_since)}
    api.done(await api.patch(RECORD, names, json=sent(update.values()), headers=headers))
    return Saved(object="Case", id=update.case, created=False)


@salesforce.action(
    "case.comment",
    scopes={"salesforce:case:write"},
    effect=Effect.CREATE,
    resource=OF_CASE,
    vendor_scopes=API_SCOPE,
    idempotency=Unknowable(_LOST),
    undo=Irreversible("Agents have seen it, and may have got it by mail; `record.delete` takes it off the case."),
    examples=[{"case": "500000000000001AAA", "body": "The customer called."}],
)
async def comment_case(api: Upstream, what: Write) -> Saved:
    """Comment on a case internally: agents see it, customers do not."""
    return await _comment(api, what, public=False)


@salesforce.action(
    "case.reply",
    scopes={"salesforce:reply:write"},
    effect=Effect.SEND,
    resource=OF_CASE,
    vendor_scopes=API_SCOPE,
    idempotency=Unknowable(_LOST),
    undo=Irreversible("The contact can have read it, or got it by e-mail."),
    examples=[{"case": "500000000000001AAA", "body": "It is on its way."}],
)
async def reply_to_case(api: Upstream, what: Write) -> Saved:
    """Publish a comment on a case: customers see it in the portal and may get it by e-mail."""
    return await _comment(api, what, public=True)


async def _comment(api: Upstream, what: Write, *, public: bool) -> Saved:
    return await create(api, "CaseComment", {"ParentId": what.case, "CommentBody": what.body, "IsPublished": public})


@salesforce.action(
    "case.list_comments",
    scopes={"salesforce:case:read"},
    effect=Effect.READ,
    resource=OF_CASE,
    vendor_scopes=API_SCOPE,
    max_output_bytes=1024 * 1024,
)
async def list_comments(api: Upstream, what: OfCase) -> Page[CaseComment]:
    """List the comments on a case, internal and published ones, newest first, at most 200."""
    query = Select(
        object="CaseComment",
        fields=["Id", "CommentBody", "IsPublished", "CreatedById", "CreatedDate"],
        where=[Comparison(field="ParentId", op="eq", value=what.case)],
        order=[Order(field="CreatedDate", descending=True)],
        limit=_MOST_COMMENTS,
    )
    return Page[CaseComment](items=[_shown(record) for record in await select(api, query)])


def _shown(record: Record) -> CaseComment:
    return CaseComment.model_validate({"fields": record.fields})
