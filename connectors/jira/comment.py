"""Comments on issues. Source: Jira Cloud platform REST API v3, "Issue comments" and "Issue comment properties"."""

from typing import Literal

from pydantic import AwareDatetime, Field

from connectors.jira.connector import READ, WRITE, jira
from connectors.jira.names import ISSUE, OF_ISSUE, Id, IssueKey, OfIssue, Person
from connectors.jira.paging import Position, page, paged
from connectors.jira.richtext import LONGEST, Markdown, build, same_text
from connectors.jira.tracing import PROPERTY, SETTLE, Record, gone, is_before, is_ours, properties
from connectors.sdk import Done, Effect, Irreversible, Output, Page, PageQuery, Reconcile, Undo, Upstream

COMMENTS = ISSUE + "/comment"
COMMENT = COMMENTS + "/{comment}"
_MARK = f"/comment/{{comment}}/properties/{PROPERTY}"


class Comment(Output):
    """A comment. `author` is null where the account is gone."""

    id: str
    body: Markdown = Field(default="", description="Markdown.")
    author: Person | None = None
    created_at: AwareDatetime = Field(validation_alias="created")
    updated_at: AwareDatetime = Field(validation_alias="updated")


class ListComments(PageQuery):
    """Which comments to read."""

    issue: IssueKey
    order: Literal["oldest", "newest"] = Field(default="oldest", description="Which come first.")


class CreateComment(OfIssue):
    """The comment to write."""

    body: str = Field(
        min_length=1,
        max_length=LONGEST,
        description="Markdown; a line end is a line break. `[@Ana](mention:ACCOUNT_ID)` notifies a person.",
    )


class OneComment(OfIssue):
    """One comment."""

    comment: Id = Field(description="The comment's id, from `jira.comment.list`.")


class UpdateComment(OneComment):
    """A comment's new text."""

    body: str = Field(min_length=1, max_length=LONGEST, description="Markdown. Replaces the whole text.")


class _Comments(Position):
    comments: list[Comment]


class _TracedComment(Comment, Record):
    """A comment with its properties."""


class _Traced(Position):
    comments: list[_TracedComment]


@jira.action(
    "comment.list",
    scopes={"jira:comment:read"},
    effect=Effect.READ,
    resource=OF_ISSUE,
    vendor_scopes=READ,
)
async def list_comments(api: Upstream, query: ListComments) -> Page[Comment]:
    """List the comments of an issue, oldest or newest first. The issue's own text is in `jira.issue.get`."""
    order = "created" if query.order == "oldest" else "-created"
    found = api.read(_Comments, await api.get(COMMENTS, query, params=paged(query, orderBy=order)))
    return page(found, found.comments)


async def find_created(api: Upstream, new: CreateComment) -> Comment | None:
    """Return the comment that carries this call's marker, or None. Reads back to the call, newest first."""
    start = 0
    while True:
        params = {"orderBy": "-created", "expand": "properties", "startAt": start, "maxResults": 100}
        found = api.read(_Traced, await api.get(COMMENTS, new, params=params))
        for one in found.comments:
            if await is_ours(api, one, _MARK, {"comment": one.id}):
                return Comment(**one.model_dump(include=set(Comment.model_fields)))
        start += len(found.comments)
        if not found.comments or start >= (found.total or 0) or is_before(api, found.comments[-1].created_at):
            return None


@jira.action(
    "comment.create",
    scopes={"jira:comment:write"},
    effect=Effect.CREATE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=True),
    undo=Undo("jira.comment.delete", note="People were notified when it was written."),
    examples=[{"issue": "OPS-1", "body": "Fixed in **1.2**."}],
)
async def create_comment(api: Upstream, new: CreateComment) -> Comment:
    """Write a comment on an issue; watchers and everybody mentioned are notified."""
    sent: dict[str, object] = {"body": build(new.body)}
    marks = properties(api)
    return api.read(Comment, await api.post(COMMENTS, new, json={**sent, "properties": marks} if marks else sent))


async def find_updated(api: Upstream, update: UpdateComment) -> Comment | None:
    """Return the comment if its text is the one that was sent, else None."""
    comment = api.read(Comment, await api.get(COMMENT, update))
    return comment if same_text(update.body, comment.body) else None


@jira.action(
    "comment.update",
    scopes={"jira:comment:write"},
    effect=Effect.UPDATE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    idempotency=Reconcile(find_updated, settle=SETTLE, consistent=True),
    undo=Undo("jira.comment.update", note="Send the former text; read it before. People were notified."),
    examples=[{"issue": "OPS-1", "comment": "10001", "body": "Fixed in **1.3**."}],
)
async def update_comment(api: Upstream, update: UpdateComment) -> Comment:
    """Replace a comment's text. Mentions in the old text are rendered as names: write them again to keep them."""
    return api.read(Comment, await api.put(COMMENT, update, json={"body": build(update.body)}))


async def find_deleted(api: Upstream, what: OneComment) -> Done | None:
    """Return `Done` if the comment is gone from an issue that can be read, else None."""
    return await gone(api, COMMENT, what, what.issue)


@jira.action(
    "comment.delete",
    scopes={"jira:comment:delete"},
    effect=Effect.DELETE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=True),
    undo=Irreversible("Jira keeps no copy of a deleted comment."),
    examples=[{"issue": "OPS-1", "comment": "10001"}],
)
async def delete_comment(api: Upstream, what: OneComment) -> Done:
    """Delete a comment for good."""
    return api.done(await api.delete(COMMENT, what))
