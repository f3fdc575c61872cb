"""Changing many tickets in one request, which Zendesk works off as a job.

Source: Zendesk Ticketing API v2, "Tickets" ("Update many tickets") and "Job statuses".
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from connectors.sdk import Effect, Input, Irreversible, Output, Unbound, Unknowable, Upstream
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import Id, Tag
from connectors.zendesk.permissions import READ, WRITE_TICKETS
from connectors.zendesk.ticket import Priority, Status


class JobResult(Output):
    """What became of one ticket."""

    id: int | None = None
    success: bool | None = None
    status: str | None = None
    error: str | None = None


def _results(value: Any) -> object:
    """Zendesk gives null before the job is over, and for some jobs an object."""
    return value if isinstance(value, list) else []


class Job(Output):
    """A job. `status` is `queued`, `working`, `completed`, `failed` or `killed`."""

    id: str
    status: str
    total: int | None = None
    progress: int | None = Field(default=None, description="How many tickets are done.")
    message: str | None = None
    results: Annotated[list[JobResult], BeforeValidator(_results)] = Field(default_factory=list[JobResult])


class OneJob(Input):
    """One job."""

    job_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,100}$", description="The job's id, from the action that began it.")


class UpdateTickets(Input):
    """Which tickets to change, all in the same way."""

    ticket_ids: list[Id] = Field(min_length=1, max_length=100, description="Numbers of up to 100 tickets.")
    status: Status | None = Field(default=None, description="`solved` can set off e-mails to the requesters.")
    priority: Priority | None = Field(default=None, description="How urgent they are.")
    assignee_id: Id | None = Field(default=None, description="The agent, from `zendesk.user.search`.")
    group_id: Id | None = Field(default=None, description="The group, from `zendesk.group.list`.")
    add_tags: list[Tag] = Field(default_factory=list[str], max_length=50, description="Tags to add.")
    remove_tags: list[Tag] = Field(default_factory=list[str], max_length=50, description="Tags to take off.")

    @model_validator(mode="after")
    def _changes_something(self) -> "UpdateTickets":
        if not _changes(self):
            raise ValueError("name at least one field to change")
        return self


class _Begun(Output):
    job_status: Job


def _changes(update: UpdateTickets) -> dict[str, object]:
    found: dict[str, object] = update.model_dump(
        include={"status", "priority", "assignee_id", "group_id"}, exclude_none=True
    )
    tags: dict[str, object] = {"additional_tags": update.add_tags, "remove_tags": update.remove_tags}
    return found | {name: value for name, value in tags.items() if value}


@zendesk.action(
    "ticket.update_many",
    scopes={"zendesk:ticket:write", "zendesk:ticket:admin"},
    effect=Effect.UPDATE,
    resource=Unbound("The tickets can be of several brands and groups."),
    vendor_scopes=WRITE_TICKETS,
    idempotency=Unknowable("The answer alone names the job, and its tickets change one after the other."),
    undo=Irreversible("Each ticket had values of its own: read them before."),
    records="ticket_ids",
    examples=[{"ticket_ids": [35436, 35437], "priority": "low", "add_tags": ["backlog"]}],
)
async def update_tickets(api: Upstream, update: UpdateTickets) -> Job:
    """Begin to change up to 100 tickets in the same way.

    Zendesk works it off later: success here says only that the job was taken. Ask `zendesk.job.get` until it is
    `completed`, and look at each of its results.
    """
    params = {"ids": update.ticket_ids}
    response = await api.put("/api/v2/tickets/update_many", params=params, json={"ticket": _changes(update)})
    return api.read(_Begun, response).job_status


@zendesk.action(
    "job.get",
    scopes={"zendesk:job:read"},
    effect=Effect.READ,
    resource=Unbound("A job can concern tickets of several brands and groups."),
    vendor_scopes=READ,
)
async def get_job(api: Upstream, what: OneJob) -> Job:
    """Read how a job is getting on, and what became of each of its tickets."""
    return api.read(_Begun, await api.get("/api/v2/job_statuses/{job_id}", what)).job_status
