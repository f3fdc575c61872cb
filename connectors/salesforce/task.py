"""Tasks: what somebody has to do. Source: Object Reference for Salesforce v67.0, "Task"."""

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from connectors.salesforce import describe
from connectors.salesforce.connector import API_SCOPE, salesforce
from connectors.salesforce.further import Further, Text
from connectors.salesforce.names import RECORD, Key, RecordId, Stamp, guarded, new_of, record_of, sent
from connectors.salesforce.record import KEY
from connectors.salesforce.record_view import SETTLE, Saved, find_by_key, holds, traces
from connectors.salesforce.saving import create
from connectors.sdk import Effect, Input, Reconcile, Undo, Upstream


class CreateTask(Further):
    """What is to be done."""

    NAMES: ClassVar = {
        "subject": "Subject",
        "due": "ActivityDate",
        "priority": "Priority",
        "status": "Status",
        "description": "Description",
        "who_id": "WhoId",
        "what_id": "WhatId",
        "owner_id": "OwnerId",
    }

    subject: Text = Field(description="In a few words.")
    due: Annotated[date, Field(strict=False)] | None = Field(default=None, description="The day when it is due.")
    priority: Text | None = Field(default=None, description="A value of the picklist: `High`, `Normal`, `Low`.")
    status: Text | None = Field(default=None, description="A value of the picklist; `Not Started` by default.")
    description: str | None = Field(default=None, max_length=32_000, description="The whole matter.")
    who_id: RecordId | None = Field(default=None, description="The contact or lead that it is about.")
    what_id: RecordId | None = Field(default=None, description="The account, opportunity or other record.")
    owner_id: RecordId | None = Field(default=None, description="The user who shall do it; the connected one else.")
    key: Key | None = Field(default=None, description=KEY)


class CompleteTask(Input):
    """Which task is done."""

    task: RecordId
    status: Text = Field(default="Completed", description="The org's value of the picklist for what is done.")
    if_unmodified_since: Stamp = None


async def find_created(api: Upstream, new: CreateTask) -> Saved | None:
    """Return the task with the key if this call created it; without a key nothing tells."""
    return await find_by_key(api, "Task", new.key, new.values())


@salesforce.action(
    "task.create",
    scopes={"salesforce:task:write"},
    effect=Effect.CREATE,
    resource=new_of("Task"),
    vendor_scopes=API_SCOPE,
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=False),
    custom=describe.more_of("Task", describe.read_new),
    undo=Undo("salesforce.record.delete", note="Its owner may have been notified."),
    examples=[{"subject": "Call Ana Silva back", "due": "2026-12-01", "priority": "High"}],
)
async def create_task(api: Upstream, new: CreateTask) -> Saved:
    """Give somebody a task, about a contact or lead (`who_id`) and a record (`what_id`) if need be."""
    key = {new.key.field: new.key.value} if new.key else {}
    return await create(api, "Task", {**new.values(), **key})


async def find_completed(api: Upstream, what: CompleteTask) -> Saved | None:
    """Return the task if it has the status, else None."""
    found = await traces(api, "Task", "Id", [what.task], ["Status"])
    done = any(not trace.deleted and holds(trace.record, {"Status": what.status}) for trace in found)
    return Saved(object="Task", id=what.task, created=False) if done else None


@salesforce.action(
    "task.complete",
    scopes={"salesforce:task:write"},
    effect=Effect.UPDATE,
    resource=record_of("Task", "task"),
    vendor_scopes=API_SCOPE,
    idempotency=Reconcile(find_completed, settle=SETTLE, consistent=False),
    undo=Undo("salesforce.record.update", note="Send the former status."),
    examples=[{"task": "00T000000000001EAA"}],
)
async def complete_task(api: Upstream, what: CompleteTask) -> Saved:
    """Set a task to done, with the status that the org has for that."""
    names, headers = {"object": "Task", "id": what.task}, guarded(what.if_unmodified_since)
    api.done(await api.patch(RECORD, names, json=sent({"Status": what.status}), headers=headers))
    return Saved(object="Task", id=what.task, created=False)
