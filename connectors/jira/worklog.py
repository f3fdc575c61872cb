"""Work logged on issues. Source: Jira Cloud platform REST API v3, "Issue worklogs"."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from connectors.jira.connector import READ, WRITE, jira
from connectors.jira.names import ISSUE, OF_ISSUE, Id, IssueKey, OfIssue, Person
from connectors.jira.paging import Position, page, paged
from connectors.jira.richtext import LONGEST, Markdown, build
from connectors.jira.tracing import PROPERTY, SETTLE, Record, gone, is_ours, properties
from connectors.sdk import Done, Effect, Irreversible, Output, Page, PageQuery, Reconcile, Undo, Upstream

WORKLOGS = ISSUE + "/worklog"
WORKLOG = WORKLOGS + "/{worklog}"
_MARK = f"{WORKLOG}/properties/{PROPERTY}"


class Worklog(Output):
    """Some work. `author` is null where the account is gone."""

    id: str
    comment: Markdown | None = Field(default=None, description="Markdown.")
    seconds: int = Field(validation_alias="timeSpentSeconds")
    started_at: AwareDatetime = Field(validation_alias="started")
    author: Person | None = None
    created_at: AwareDatetime = Field(validation_alias="created")


class ListWorklogs(PageQuery):
    """Which work to read."""

    issue: IssueKey


class CreateWorklog(OfIssue):
    """The work to log."""

    seconds: int = Field(ge=60, le=31_536_000, description="Time spent; Jira counts whole minutes.")
    started_at: AwareDatetime | None = Field(default=None, strict=False, description="Now, when left out.")
    comment: str | None = Field(default=None, min_length=1, max_length=LONGEST, description="Markdown.")
    adjust_estimate: Literal["auto", "leave"] = Field(
        default="auto", description="Whether the remaining estimate is reduced by the time spent."
    )


class OneWorklog(OfIssue):
    """One worklog."""

    worklog: Id = Field(description="The worklog's id, from `jira.worklog.list`.")


class _Worklogs(Position):
    worklogs: list[Worklog]


class _TracedWorklog(Worklog, Record):
    """A worklog with its properties."""


class _Traced(Position):
    worklogs: list[_TracedWorklog]


def _stamp(at: datetime) -> str:
    """Return a time as Jira takes it: with milliseconds, and without a colon in the offset."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


@jira.action(
    "worklog.list",
    scopes={"jira:worklog:read"},
    effect=Effect.READ,
    resource=OF_ISSUE,
    vendor_scopes=READ,
)
async def list_worklogs(api: Upstream, query: ListWorklogs) -> Page[Worklog]:
    """List the work that was logged on an issue, oldest first."""
    found = api.read(_Worklogs, await api.get(WORKLOGS, query, params=paged(query)))
    return page(found, found.worklogs)


async def find_created(api: Upstream, new: CreateWorklog) -> Worklog | None:
    """Return the worklog that carries this call's marker, or None."""
    start = 0
    while True:
        params = {"expand": "properties", "startAt": start, "maxResults": 1000}
        found = api.read(_Traced, await api.get(WORKLOGS, new, params=params))
        for one in found.worklogs:
            if await is_ours(api, one, _MARK, {"issue": new.issue, "worklog": one.id}):
                return Worklog(**one.model_dump(include=set(Worklog.model_fields)))
        start += len(found.worklogs)
        if not found.worklogs or start >= (found.total or 0):
            return None


@jira.action(
    "worklog.create",
    scopes={"jira:worklog:write"},
    effect=Effect.CREATE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=True),
    undo=Undo("jira.worklog.delete"),
    examples=[{"issue": "OPS-1", "seconds": 1800, "comment": "Read the logs."}],
)
async def create_worklog(api: Upstream, new: CreateWorklog) -> Worklog:
    """Log work that the connected user has done on an issue."""
    sent: dict[str, object] = {"timeSpentSeconds": new.seconds}
    if new.started_at is not None:
        sent["started"] = _stamp(new.started_at)
    if new.comment is not None:
        sent["comment"] = build(new.comment)
    marks = properties(api)
    if marks:
        sent["properties"] = marks
    params = {"adjustEstimate": new.adjust_estimate}
    return api.read(Worklog, await api.post(WORKLOGS, new, json=sent, params=params))


async def find_deleted(api: Upstream, what: OneWorklog) -> Done | None:
    """Return `Done` if the worklog is gone from an issue that can be read, else None."""
    return await gone(api, WORKLOG, what, what.issue)


@jira.action(
    "worklog.delete",
    scopes={"jira:worklog:delete"},
    effect=Effect.DELETE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=True),
    undo=Irreversible("Jira keeps no copy; log the work again with `jira.worklog.create`."),
    examples=[{"issue": "OPS-1", "worklog": "10001"}],
)
async def delete_worklog(api: Upstream, what: OneWorklog) -> Done:
    """Delete logged work. The remaining estimate grows by its time."""
    return api.done(await api.delete(WORKLOG, what))
