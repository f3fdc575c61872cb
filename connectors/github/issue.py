"""GitHub issues. Every pull request is an issue too: `issue.get` and comments serve both.

Source: GitHub REST API 2022-11-28, "Issues".
"""

from typing import Annotated, Literal

from pydantic import AliasPath, AwareDatetime, BeforeValidator, Field, TypeAdapter, model_validator

from connectors.github.connector import github
from connectors.github.names import (
    REPOSITORY,
    InRepository,
    Login,
    Logins,
    Names,
    OfIssue,
    Owner,
    Repo,
    iso,
    same_names,
)
from connectors.github.paging import next_page, paged
from connectors.github.tracing import SETTLE, find_marked, since
from connectors.sdk import Effect, Output, Page, PageQuery, Reconcile, Undo, Upstream, strip_markers

ISSUES = "/repos/{owner}/{repo}/issues"
ISSUE = ISSUES + "/{number}"


class Issue(Output):
    """An issue, cut down to what an agent acts on. `author` is null where the account is gone."""

    number: int
    title: str
    body: str | None = None
    state: str = Field(description="`open` or `closed`.")
    state_reason: str | None = None
    url: str = Field(validation_alias="html_url")
    author: str | None = Field(default=None, validation_alias=AliasPath("user", "login"))
    labels: Names
    assignees: Logins = Field(default_factory=list[str])
    milestone: int | None = Field(default=None, validation_alias=AliasPath("milestone", "number"))
    comments: int = Field(default=0, description="How many comments it has.")
    locked: bool = False
    lock_reason: str | None = Field(default=None, validation_alias="active_lock_reason")
    is_pull_request: Annotated[bool, BeforeValidator(bool)] = Field(default=False, validation_alias="pull_request")
    created_at: AwareDatetime
    updated_at: AwareDatetime
    closed_at: AwareDatetime | None = None


class ListIssues(PageQuery):
    """Which issues of a repository to read."""

    owner: Owner
    repo: Repo
    state: Literal["open", "closed", "all"] = "open"
    labels: list[str] = Field(default_factory=list[str], max_length=20, description="Only issues with all of these.")
    assignee: str | None = Field(default=None, description="A login, `none` or `*`.")
    creator: Login | None = Field(default=None, description="Only issues opened by this login.")
    milestone: str | None = Field(default=None, description="A milestone's number, `none` or `*`.")
    updated_since: AwareDatetime | None = Field(default=None, description="Only issues changed at or after this time.")
    sort: Literal["created", "updated", "comments"] = Field(
        default="created", description="What the list is ordered by."
    )
    direction: Literal["asc", "desc"] = Field(default="desc", description="Newest or oldest first.")


class CreateIssue(InRepository):
    """The issue to open."""

    title: str = Field(min_length=1, max_length=256)
    body: str = Field(default="", max_length=65_000, description="GitHub Markdown.")
    labels: list[str] = Field(default_factory=list[str], max_length=100, description="Unknown ones are created.")
    assignees: list[Login] = Field(default_factory=list[str], max_length=10, description="Logins of up to 10 people.")
    milestone: int | None = Field(default=None, ge=1, description="The milestone's number.")


class UpdateIssue(OfIssue):
    """What to change; fields left out stay as they are."""

    title: str | None = Field(default=None, min_length=1, max_length=256)
    body: str | None = Field(default=None, max_length=65_000, description="Replaces the whole text.")
    state: Literal["open", "closed"] | None = None
    state_reason: Literal["completed", "not_planned", "duplicate", "reopened"] | None = Field(
        default=None, description="Only together with a change of `state`."
    )
    labels: list[str] | None = Field(default=None, max_length=100, description="Replaces all labels.")
    assignees: list[Login] | None = Field(default=None, max_length=10, description="Replaces all assignees.")
    milestone: int | None = Field(default=None, ge=1, description="Number of the milestone to put it under.")

    @model_validator(mode="after")
    def _changes_something(self) -> "UpdateIssue":
        if not changes(self):
            raise ValueError("name at least one field to change")
        return self


_LIST = TypeAdapter(list[Issue])


def changes(update: OfIssue) -> dict[str, object]:
    """Return the fields that an update sends, in the order they are declared."""
    return update.model_dump(exclude={"owner", "repo", "number"}, exclude_none=True)


@github.action(
    "issue.list",
    scopes={"github:issue:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"issues:read"},
)
async def list_issues(api: Upstream, query: ListIssues) -> Page[Issue]:
    """List a repository's issues, newest first.

    Use it to read one repository by state, label, assignee or time; `github.issue.search` looks for words and across
    repositories. GitHub lists pull requests among the issues: they are dropped here (see `github.pull.list`), so a
    page can hold fewer than `limit` items, or none, and still have a `next_cursor`.
    """
    params = paged(
        query,
        state=query.state,
        labels=query.labels or None,
        assignee=query.assignee,
        creator=query.creator,
        milestone=query.milestone,
        since=None if query.updated_since is None else iso(query.updated_since),
        sort=query.sort,
        direction=query.direction,
    )
    response = await api.get(ISSUES, query, params=params)
    found = [issue for issue in api.read(_LIST, response) if not issue.is_pull_request]
    return Page[Issue](items=found, next_cursor=next_page(response))


@github.action(
    "issue.get",
    scopes={"github:issue:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"issues:read"},
)
async def get_issue(api: Upstream, what: OfIssue) -> Issue:
    """Read one issue by its number.

    A pull request's number works too and gives its conversation's side (`is_pull_request` is true); branches, merge
    state and review come from `github.pull.get`. Comments are read with `github.comment.list`.
    """
    return api.read(Issue, await api.get(ISSUE, what))


async def find_created(api: Upstream, new: CreateIssue) -> Issue | None:
    """Return the issue that carries this call's marker, or None."""
    params = {"state": "all", "sort": "created", "direction": "desc", "since": since(api)}
    found = await find_marked(api, ISSUES, new, params)
    return None if found is None else api.read(Issue, found)


@github.action(
    "issue.create",
    scopes={"github:issue:write"},
    effect=Effect.CREATE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=True),
    undo=Undo("github.issue.update", note="Closes it; people who watch the repository were notified."),
    examples=[
        {
            "owner": "acme",
            "repo": "web",
            "title": "Login page answers 500",
            "body": "Steps:\n1. Open /login",
            "labels": ["bug"],
        }
    ],
)
async def create_issue(api: Upstream, new: CreateIssue) -> Issue:
    """Open an issue in a repository.

    Watchers and everybody mentioned are notified. Search first if the matter may be known already; to add to an
    issue that is there use `github.comment.create`. Labels and assignees need push access, else GitHub leaves them
    out without a word: compare the answer.
    """
    body = new.model_dump(include={"title", "labels", "assignees", "milestone"}, exclude_none=True)
    sent = {"title": new.title, "body": api.mark(new.body), **body}
    return api.read(Issue, await api.post(ISSUES, new, json=sent))


async def find_updated(api: Upstream, update: UpdateIssue) -> Issue | None:
    """Return the issue if every field that was sent is there as sent, else None."""
    issue = api.read(Issue, await api.get(ISSUE, update))
    wanted = (
        update.title in {None, issue.title},
        update.body is None or strip_markers(update.body) == (issue.body or ""),
        update.state in {None, issue.state},
        update.state_reason in {None, issue.state_reason},
        update.labels is None or same_names(update.labels, issue.labels),
        update.assignees is None or same_names(update.assignees, issue.assignees),
        update.milestone in {None, issue.milestone},
    )
    return issue if all(wanted) else None


@github.action(
    "issue.update",
    scopes={"github:issue:write"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    idempotency=Reconcile(find_updated, settle=SETTLE, consistent=True),
    undo=Undo("github.issue.update", note="Send the former values; read them before."),
    examples=[{"owner": "acme", "repo": "web", "number": 1, "state": "closed", "state_reason": "completed"}],
)
async def update_issue(api: Upstream, update: UpdateIssue) -> Issue:
    """Change an issue's title, text, state, labels, assignees or milestone; also closes and reopens it.

    `labels` and `assignees` replace the whole set: to add or remove single ones use `github.issue.add_label`,
    `remove_label`, `assign` and `unassign`. The last writer wins; read the issue first if others may edit it.
    """
    return api.read(Issue, await api.patch(ISSUE, update, json=changes(update)))
