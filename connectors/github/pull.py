"""Pull requests. Their conversations are issues: see `issue` and `comment`.

Source: GitHub REST API 2022-11-28, "Pull requests".
"""

from typing import Literal

from pydantic import AliasPath, AwareDatetime, Field, TypeAdapter, model_validator

from connectors.github.connector import github
from connectors.github.issue import changes
from connectors.github.names import (
    REPOSITORY,
    Branch,
    InRepository,
    Logins,
    Names,
    Number,
    OfIssue,
    Owner,
    Repo,
)
from connectors.github.paging import next_page, paged
from connectors.github.tracing import SETTLE, find_marked
from connectors.sdk import (
    Effect,
    NaturalKey,
    Output,
    Page,
    PageQuery,
    Reconcile,
    Undo,
    Upstream,
    strip_markers,
)

PULLS = "/repos/{owner}/{repo}/pulls"
PULL = PULLS + "/{number}"


class Pull(Output):
    """A pull request as lists show it. `head_sha` is what `github.pull.merge` takes as `sha`."""

    number: int
    title: str
    body: str | None = None
    state: str = Field(description="`open` or `closed`; a merged one is closed and has `merged_at`.")
    draft: bool = False
    url: str = Field(validation_alias="html_url")
    author: str | None = Field(default=None, validation_alias=AliasPath("user", "login"))
    head: str = Field(validation_alias=AliasPath("head", "ref"), description="The branch with the changes.")
    head_sha: str = Field(validation_alias=AliasPath("head", "sha"))
    base: str = Field(validation_alias=AliasPath("base", "ref"), description="The branch to merge into.")
    labels: Names
    assignees: Logins = Field(default_factory=list[str])
    requested_reviewers: Logins = Field(default_factory=list[str], description="Asked, and yet to review.")
    created_at: AwareDatetime
    updated_at: AwareDatetime
    merged_at: AwareDatetime | None = None


class PullDetails(Pull):
    """A pull request with its merge state. `mergeable` is null while GitHub is still computing it: read again."""

    merged: bool = False
    mergeable: bool | None = None
    mergeable_state: str | None = None
    maintainer_can_modify: bool = False
    additions: int = 0
    deletions: int = 0
    changed_files: int = 0


class ListPulls(PageQuery):
    """Which pull requests to read."""

    owner: Owner
    repo: Repo
    state: Literal["open", "closed", "all"] = "open"
    head: Branch | None = Field(default=None, description="Only from this branch; `owner:branch` for a fork's.")
    base: Branch | None = Field(default=None, description="Only into this branch.")
    sort: Literal["created", "updated", "popularity", "long-running"] = Field(
        default="created", description="What the list is ordered by."
    )
    direction: Literal["asc", "desc"] = Field(default="desc", description="Newest or oldest first.")


class CreatePull(InRepository):
    """The pull request to open."""

    title: str = Field(min_length=1, max_length=256)
    head: Branch = Field(description="The branch with the changes; `owner:branch` for a fork's.")
    base: Branch = Field(description="The branch to merge into.")
    body: str = Field(default="", max_length=65_000, description="GitHub Markdown.")
    draft: bool = Field(default=False, description="Not ready for review yet.")
    maintainer_can_modify: bool = Field(default=True, description="Let maintainers push to the branch.")


class UpdatePull(OfIssue):
    """What to change; fields left out stay as they are."""

    title: str | None = Field(default=None, min_length=1, max_length=256)
    body: str | None = Field(default=None, max_length=65_000, description="Replaces the whole text.")
    state: Literal["open", "closed"] | None = None
    base: Branch | None = Field(default=None, description="Another branch to merge into.")
    maintainer_can_modify: bool | None = Field(default=None, description="Let maintainers push to the branch.")

    @model_validator(mode="after")
    def _changes_something(self) -> "UpdatePull":
        if not changes(self):
            raise ValueError("name at least one field to change")
        return self


class ChangedFile(Output):
    """A file that a pull request changes. `patch` is missing for binary and very large ones."""

    filename: str
    status: str
    previous_filename: str | None = None
    additions: int
    deletions: int
    patch: str | None = None


class ListFiles(PageQuery):
    """Whose files to read."""

    owner: Owner
    repo: Repo
    number: Number


_LIST = TypeAdapter(list[Pull])
_FILES = TypeAdapter(list[ChangedFile])


def _head(owner: str, head: str) -> str:
    return head if ":" in head else f"{owner}:{head}"


@github.action(
    "pull.list",
    scopes={"github:pull:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"pull_requests:read"},
)
async def list_pulls(api: Upstream, query: ListPulls) -> Page[Pull]:
    """List a repository's pull requests, newest first.

    To look for words or across repositories use `github.issue.search` with `kind: pull_request`. Whether one can be
    merged is told by `github.pull.get` alone.
    """
    params = paged(
        query,
        state=query.state,
        head=None if query.head is None else _head(query.owner, query.head),
        base=query.base,
        sort=query.sort,
        direction=query.direction,
    )
    response = await api.get(PULLS, query, params=params)
    return Page[Pull](items=api.read(_LIST, response), next_cursor=next_page(response))


@github.action(
    "pull.get",
    scopes={"github:pull:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"pull_requests:read"},
)
async def get_pull(api: Upstream, what: OfIssue) -> PullDetails:
    """Read one pull request: its branches, its head commit, whether it is merged or can be.

    `mergeable` is null while GitHub computes it; read again after some seconds. The changes are in
    `github.pull.list_files`, the verdicts in `github.review.list`, the conversation in `github.comment.list`.
    """
    return api.read(PullDetails, await api.get(PULL, what))


async def find_created(api: Upstream, new: CreatePull) -> PullDetails | None:
    """Return the pull request that carries this call's marker, open or not, or None."""
    params = {"state": "all", "head": _head(new.owner, new.head), "base": new.base}
    found = await find_marked(api, PULLS, new, params)
    if found is None:
        return None
    # A list does not hold all that creating one answers.
    where = {"owner": new.owner, "repo": new.repo, "number": api.read(Pull, found).number}
    return api.read(PullDetails, await api.get(PULL, where))


@github.action(
    "pull.create",
    scopes={"github:pull:write"},
    effect=Effect.CREATE,
    resource=REPOSITORY,
    vendor_scopes={"pull_requests:write"},
    # GitHub refuses a second open pull request for the same two branches with 422.
    idempotency=NaturalKey(("owner", "repo", "head", "base"), find_created),
    undo=Undo("github.pull.update", note="Closes it; people who watch the repository were notified."),
    examples=[
        {"owner": "acme", "repo": "web", "title": "Fix the login page", "head": "fix-login", "base": "main"},
    ],
)
async def create_pull(api: Upstream, new: CreatePull) -> PullDetails:
    """Open a pull request for a branch that is pushed already.

    Fails with `upstream_rejected` where one is open for the same branches or where they do not differ. Reviewers are
    asked with `github.pull.request_review`, labels added with `github.issue.add_label`.
    """
    body = {
        "title": new.title,
        "head": new.head,
        "base": new.base,
        "body": api.mark(new.body),
        "draft": new.draft,
        "maintainer_can_modify": new.maintainer_can_modify,
    }
    return api.read(PullDetails, await api.post(PULLS, new, json=body))


async def find_updated(api: Upstream, update: UpdatePull) -> PullDetails | None:
    """Return the pull request if every field that was sent is there as sent, else None."""
    pull = api.read(PullDetails, await api.get(PULL, update))
    wanted = (
        update.title in {None, pull.title},
        update.body is None or strip_markers(update.body) == (pull.body or ""),
        update.state in {None, pull.state},
        update.base in {None, pull.base},
        update.maintainer_can_modify in {None, pull.maintainer_can_modify},
    )
    return pull if all(wanted) else None


@github.action(
    "pull.update",
    scopes={"github:pull:write"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"pull_requests:write"},
    idempotency=Reconcile(find_updated, settle=SETTLE, consistent=True),
    undo=Undo("github.pull.update", note="Send the former values; read them before."),
    examples=[{"owner": "acme", "repo": "web", "number": 2, "state": "closed"}],
)
async def update_pull(api: Upstream, update: UpdatePull) -> PullDetails:
    """Change a pull request's title, text, base or state; also closes and reopens it.

    Labels, assignees and milestone are changed through the issue of the same number. Merging is `github.pull.merge`.
    """
    return api.read(PullDetails, await api.patch(PULL, update, json=changes(update)))


@github.action(
    "pull.list_files",
    scopes={"github:pull:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"pull_requests:read"},
    max_output_bytes=1024 * 1024,
)
async def list_files(api: Upstream, query: ListFiles) -> Page[ChangedFile]:
    """List the files that a pull request changes, with their patches; at most 3,000 files in all.

    A whole file is read with `github.content.get`, `ref` being the pull request's head branch.
    """
    response = await api.get(PULL + "/files", query, params=paged(query))
    return Page[ChangedFile](items=api.read(_FILES, response), next_cursor=next_page(response))
