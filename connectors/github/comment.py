"""Comments on issues and on the conversations of pull requests.

Comments on single lines of a pull request are part of reviews. Source: GitHub REST API 2022-11-28, "Comments".
"""

from pydantic import AliasPath, AwareDatetime, Field, TypeAdapter

from connectors.github.connector import github
from connectors.github.issue import ISSUE
from connectors.github.names import REPOSITORY, InRepository, Number, OfIssue, Owner, Repo, iso
from connectors.github.paging import next_page, paged
from connectors.github.tracing import SETTLE, find_marked, gone, since
from connectors.sdk import (
    Done,
    Effect,
    Irreversible,
    Output,
    Page,
    PageQuery,
    Reconcile,
    Undo,
    Upstream,
    strip_markers,
)

COMMENTS = ISSUE + "/comments"
COMMENT = "/repos/{owner}/{repo}/issues/comments/{comment_id}"


class Comment(Output):
    """A comment. `author` is null where the account is gone."""

    id: int
    body: str | None = None
    author: str | None = Field(default=None, validation_alias=AliasPath("user", "login"))
    url: str = Field(validation_alias="html_url")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ListComments(PageQuery):
    """Which comments to read."""

    owner: Owner
    repo: Repo
    number: Number
    updated_since: AwareDatetime | None = Field(
        default=None, description="Only comments changed at or after this time."
    )


class CreateComment(OfIssue):
    """The comment to write."""

    body: str = Field(min_length=1, max_length=65_000, description="GitHub Markdown; @mentions notify people.")


class OneComment(InRepository):
    """One comment."""

    comment_id: int = Field(ge=1, description="The comment's id, from `github.comment.list`.")


class UpdateComment(OneComment):
    """A comment's new text."""

    body: str = Field(min_length=1, max_length=65_000, description="Replaces the whole text.")


_LIST = TypeAdapter(list[Comment])


@github.action(
    "comment.list",
    scopes={"github:comment:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"issues:read"},
)
async def list_comments(api: Upstream, query: ListComments) -> Page[Comment]:
    """List the comments of an issue or of a pull request's conversation, oldest first.

    The text that opened it is not among them: `github.issue.get` has it. Reviews are read with `github.review.list`.
    """
    params = paged(query, since=None if query.updated_since is None else iso(query.updated_since))
    response = await api.get(COMMENTS, query, params=params)
    return Page[Comment](items=api.read(_LIST, response), next_cursor=next_page(response))


async def find_created(api: Upstream, new: CreateComment) -> Comment | None:
    """Return the comment that carries this call's marker, or None."""
    found = await find_marked(api, COMMENTS, new, {"since": since(api)})
    return None if found is None else api.read(Comment, found)


@github.action(
    "comment.create",
    scopes={"github:comment:write"},
    effect=Effect.CREATE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=True),
    undo=Undo("github.comment.delete", note="People were notified when it was written."),
    examples=[{"owner": "acme", "repo": "web", "number": 1, "body": "Fixed by #2."}],
)
async def create_comment(api: Upstream, new: CreateComment) -> Comment:
    """Write a comment on an issue or on a pull request's conversation.

    Everybody who takes part or is mentioned is notified. To approve or to request changes use `github.review.create`.
    """
    return api.read(Comment, await api.post(COMMENTS, new, json={"body": api.mark(new.body)}))


async def find_updated(api: Upstream, update: UpdateComment) -> Comment | None:
    """Return the comment if its text is the one that was sent, else None."""
    comment = api.read(Comment, await api.get(COMMENT, update))
    return comment if comment.body == strip_markers(update.body) else None


@github.action(
    "comment.update",
    scopes={"github:comment:write"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    idempotency=Reconcile(find_updated, settle=SETTLE, consistent=True),
    undo=Undo("github.comment.update", note="Send the former text; read it before."),
    examples=[{"owner": "acme", "repo": "web", "comment_id": 1017, "body": "Fixed by #3."}],
)
async def update_comment(api: Upstream, update: UpdateComment) -> Comment:
    """Replace a comment's text. Nobody is notified again, but for people who are newly mentioned."""
    return api.read(Comment, await api.patch(COMMENT, update, json={"body": update.body}))


async def find_deleted(api: Upstream, what: OneComment) -> Done | None:
    """Return `Done` if the comment is gone from a repository that can be read, else None."""
    return await gone(api, COMMENT, what)


@github.action(
    "comment.delete",
    scopes={"github:comment:delete"},
    effect=Effect.DELETE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=True),
    undo=Irreversible("GitHub keeps no deleted comments."),
    examples=[{"owner": "acme", "repo": "web", "comment_id": 1017}],
)
async def delete_comment(api: Upstream, what: OneComment) -> Done:
    """Delete a comment for good. To correct one, `github.comment.update` keeps its place in the conversation."""
    return api.done(await api.delete(COMMENT, what))
