"""Who an issue is assigned to, and its way through the workflow. Source: Jira REST API v3, "Issues"."""

from typing import Any, cast

from pydantic import AliasPath, AwareDatetime, Field

from connectors.jira.connector import READ, WRITE, jira
from connectors.jira.names import ISSUE, OF_ISSUE, AccountId, Id, IssueKey, OfIssue, Person, stayed
from connectors.jira.paging import Position, page, paged
from connectors.jira.richtext import LONGEST, build
from connectors.jira.tracing import SETTLE
from connectors.sdk import Done, Effect, Output, Page, PageQuery, Reconcile, Undo, Upstream


class Assign(OfIssue):
    """Whom to assign."""

    assignee: AccountId | None = Field(description="Account id, or null for nobody.")


class Transition(Output):
    """A step that the workflow allows from here. `needs` names fields that must be given with it."""

    id: str
    name: str
    to_status: str = Field(validation_alias=AliasPath("to", "name"))
    to_category: str | None = Field(default=None, validation_alias=AliasPath("to", "statusCategory", "key"))
    needs: list[str] = Field(default_factory=list[str])


class TransitionIssue(OfIssue):
    """The step to take."""

    transition: Id = Field(description="`id` from `jira.issue.list_transitions`; it differs between workflows.")
    to_status: str = Field(
        min_length=1, max_length=255, description="`to_status` of that transition: how it is told afterwards."
    )
    resolution: str | None = Field(
        default=None, min_length=1, max_length=255, description="Name, where the step asks for one, such as `Done`."
    )
    comment: str | None = Field(
        default=None, min_length=1, max_length=LONGEST, description="Markdown, where the step's screen takes one."
    )


class ListChanges(PageQuery):
    """Whose history to read."""

    issue: IssueKey


class Change(Output):
    """One field's change. Texts are as Jira shows them."""

    field: str
    before: str | None = Field(default=None, validation_alias="fromString")
    after: str | None = Field(default=None, validation_alias="toString")


class Changes(Output):
    """What somebody has changed at once."""

    id: str
    author: Person | None = None
    created_at: AwareDatetime = Field(validation_alias="created")
    changes: list[Change] = Field(validation_alias="items")


class _Transitions(Output):
    transitions: list[Transition]


class _History(Position):
    values: list[Changes]


class _Now(Output):
    key: str
    status: str | None = Field(default=None, validation_alias=AliasPath("fields", "status", "name"))
    assignee: str | None = Field(default=None, validation_alias=AliasPath("fields", "assignee", "accountId"))


async def _now(api: Upstream, issue: str) -> _Now:
    """Read an issue's status and person. Raises `UpstreamNotFound` where it was moved out of its project."""
    now = api.read(_Now, await api.get(ISSUE, {"issue": issue}, params={"fields": "status,assignee"}))
    stayed(issue, now.key)
    return now


async def find_assigned(api: Upstream, what: Assign) -> Done | None:
    """Return `Done` if the issue is assigned as asked, else None."""
    return Done() if (await _now(api, what.issue)).assignee == what.assignee else None


@jira.action(
    "issue.assign",
    scopes={"jira:issue:write"},
    effect=Effect.UPDATE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    idempotency=Reconcile(find_assigned, settle=SETTLE, consistent=True),
    undo=Undo("jira.issue.assign", note="Assign the former person; people were notified."),
    examples=[{"issue": "OPS-1", "assignee": "5b10ac8d82e05b22cc7d4ef5"}],
)
async def assign(api: Upstream, what: Assign) -> Done:
    """Assign an issue to one person, or to nobody with null. The person is notified.

    Account ids come from `jira.user.search_assignable`: not everybody can be assigned in every project.
    """
    return api.done(await api.put(ISSUE + "/assignee", what, json={"accountId": what.assignee}))


@jira.action(
    "issue.list_transitions",
    scopes={"jira:issue:read"},
    effect=Effect.READ,
    resource=OF_ISSUE,
    vendor_scopes=READ,
)
async def list_transitions(api: Upstream, what: OfIssue) -> Page[Transition]:
    """List the steps that the connected user may take with an issue now, with the status that each leads to."""
    response = await api.get(ISSUE + "/transitions", what, params={"expand": "transitions.fields"})
    found = api.read(_Transitions, response).transitions
    shown = cast("list[dict[str, Any]]", response.json()["transitions"])
    return Page[Transition](
        items=[one.model_copy(update={"needs": _needed(raw)}) for one, raw in zip(found, shown, strict=True)]
    )


def _needed(transition: dict[str, Any]) -> list[str]:
    fields = cast("dict[str, dict[str, Any]]", transition.get("fields") or {})
    return [name for name, field in fields.items() if field.get("required") and not field.get("hasDefaultValue")]


async def find_transitioned(api: Upstream, what: TransitionIssue) -> Done | None:
    """Return `Done` if the issue is in the status that the step leads to, else None."""
    now = await _now(api, what.issue)
    return Done() if (now.status or "").lower() == what.to_status.lower() else None


@jira.action(
    "issue.transition",
    scopes={"jira:issue:write"},
    effect=Effect.UPDATE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    # A workflow's rule or a person may have moved the issue on since: another status proves nothing, and the same
    # step taken twice could move it twice.
    idempotency=Reconcile(find_transitioned, settle=SETTLE, consistent=False),
    undo=Undo("jira.issue.transition", note="Take the step back, where the workflow has one; people were notified."),
    examples=[{"issue": "OPS-1", "transition": "31", "to_status": "Done"}],
)
async def transition(api: Upstream, what: TransitionIssue) -> Done:
    """Move an issue to another status by a step of its workflow; watchers are notified.

    Take `transition` and `to_status` from `jira.issue.list_transitions`. A step that is not possible from the present
    status is refused with `upstream_rejected`.
    """
    sent: dict[str, object] = {"transition": {"id": what.transition}}
    if what.resolution is not None:
        sent["fields"] = {"resolution": {"name": what.resolution}}
    if what.comment is not None:
        sent["update"] = {"comment": [{"add": {"body": build(what.comment)}}]}
    return api.done(await api.post(ISSUE + "/transitions", what, json=sent))


@jira.action(
    "issue.list_changes",
    scopes={"jira:issue:read"},
    effect=Effect.READ,
    resource=OF_ISSUE,
    vendor_scopes=READ,
)
async def list_changes(api: Upstream, query: ListChanges) -> Page[Changes]:
    """List who changed what of an issue, oldest first: status, people, texts, links. Comments are not among it."""
    history = api.read(_History, await api.get(ISSUE + "/changelog", query, params=paged(query)))
    return page(history, history.values)
