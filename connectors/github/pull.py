"""Pull requests. Their conversations are issues: see `issue` and `comment`.

Source: GitHub REST API 2022-11-28, "Pull requests" and "Review requests".
"""

from typing import Literal

from pydantic import AliasPath, AwareDatetime, Field, TypeAdapter, model_validator

from connectors.github.connector import github
from connectors.github.issue import changes
from connectors.github.names import (
    REPOSITORY,
    Branch,
    InRepository,
    Login,
    Logins,
    Names,
    Number,
    OfIssue,
    Owner,
    Repo,
    Sha,
    holds_names,
)
from connectors.github.paging import next_page, paged
from connectors.github.tracing import SETTLE, find_marked
from connectors.sdk import (
    Effect,
    Irreversible,
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
    sort: Literal["created", "updated", "popularity", "long-running"] = "created"
    direction: Literal["asc", "desc"] = "desc"


class CreatePull(InRepository):
    """The pull request to open."""

    title: str = Field(min_length=1, max_length=256)
    head: Branch = Field(description="The branch with the changes; `owner:branch` for a fork's.")
    base: Branch = Field(description="The branch to merge into.")
    body: str = Field(default="", max_length=65_000, description="GitHub Markdown.")
    draft: bool = False
    maintainer_can_modify: bool = True


class UpdatePull(OfIssue):
    """What to change; fields left out stay as they are."""

    title: str | None = Field(default=None, min_length=1, max_length=256)
    body: str | None = Field(default=None, max_length=65_000, description="Replaces the whole text.")
    state: Literal["open", "closed"] | None = None
    base: Branch | None = None
    maintainer_can_modify: bool | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> "UpdatePull":
        if not changes(self):
            raise ValueError("name at least one field to change")
        return self


class MergePull(OfIssue):
    """The pull request to merge, at the head that was looked at."""

    sha: Sha = Field(description="`head_sha` as it was when it was reviewed; a merge of anything newer is refused.")
    method: Literal["merge", "squash", "rebase"] = "merge"
    commit_title: str | None = Field(default=None, max_length=256)
    commit_message: str | None = Field(default=None, max_length=65_000)


class Merged(Output):
    """A merge. `sha` is the commit that it made, null where GitHub no longer tells."""

    merged: bool
    sha: str | None = None


class RequestReview(OfIssue):
    """Whom to ask."""

    reviewers: list[Login] = Field(default_factory=list[str], max_length=15, description="Logins.")
    team_reviewers: list[str] = Field(default_factory=list[str], max_length=15, description="Slugs of teams.")

    @model_validator(mode="after")
    def _asks_somebody(self) -> "RequestReview":
        if not (self.reviewers or self.team_reviewers):
            raise ValueError("name at least one reviewer")
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


class _Requested(Output):
    requested_reviewers: Logins = Field(default_factory=list[str])
    requested_teams: list[dict[str, object]] = Field(default_factory=list[dict[str, object]])


class _MergeState(Output):
    merged: bool = False
    merge_commit_sha: str | None = None
    head_sha: str = Field(validation_alias=AliasPath("head", "sha"))


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
    return None if found is None else api.read(PullDetails, found)


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


async def find_merged(api: Upstream, what: MergePull) -> Merged | None:
    """Return the merge if the pull request is merged at the head that was named, else None."""
    state = api.read(_MergeState, await api.get(PULL, what))
    return Merged(merged=True, sha=state.merge_commit_sha) if state.merged and state.head_sha == what.sha else None


@github.action(
    "pull.merge",
    scopes={"github:pull:admin"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"contents:write"},
    # The head's id is a compare-and-swap, and a merged pull request cannot be merged again.
    idempotency=Reconcile(find_merged, settle=SETTLE, consistent=True),
    undo=Irreversible("The base branch has moved on; only a new change that reverts it takes it back."),
    examples=[{"owner": "acme", "repo": "web", "number": 2, "sha": "0" * 40, "method": "squash"}],
)
async def merge_pull(api: Upstream, what: MergePull) -> Merged:
    """Merge a pull request into its base branch.

    `sha` is the head that was reviewed: if something was pushed since, GitHub refuses with `upstream_conflict`. So it
    does where it is a draft, closed, in conflict with its base or held back by branch protection: `github.pull.get`
    tells.
    """
    named = {"commit_title": what.commit_title, "commit_message": what.commit_message}
    body = {"sha": what.sha, "merge_method": what.method}
    body |= {name: text for name, text in named.items() if text is not None}
    return api.read(Merged, await api.put(PULL + "/merge", what, json=body))


async def find_requested(api: Upstream, what: RequestReview) -> PullDetails | None:
    """Return the pull request if all who were to be asked are, else None."""
    response = await api.get(PULL, what)
    asked = api.read(_Requested, response)
    teams = [str(team.get("slug")) for team in asked.requested_teams]
    everybody = holds_names(asked.requested_reviewers, what.reviewers) and holds_names(teams, what.team_reviewers)
    return api.read(PullDetails, response) if everybody else None


@github.action(
    "pull.request_review",
    scopes={"github:pull:write"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"pull_requests:write"},
    idempotency=Reconcile(find_requested, settle=SETTLE, consistent=True),
    undo=Irreversible("The people were notified."),
    examples=[{"owner": "acme", "repo": "web", "number": 2, "reviewers": ["octavia"]}],
)
async def request_review(api: Upstream, what: RequestReview) -> Pull:
    """Ask people or teams to review a pull request; those who are asked already stay.

    They are notified. Only people with access to the repository can be asked, and not the author. Verdicts come back
    in `github.review.list`; to give one yourself use `github.review.create`.
    """
    body = what.model_dump(include={"reviewers", "team_reviewers"})
    sent = {name: names for name, names in body.items() if names}
    return api.read(Pull, await api.post(PULL + "/requested_reviewers", what, json=sent))


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
