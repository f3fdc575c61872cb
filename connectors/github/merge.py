"""Merging pull requests. Source: GitHub REST API 2022-11-28, "Pull requests"."""

from typing import Literal

from pydantic import AliasPath, Field

from connectors.github.connector import github
from connectors.github.names import REPOSITORY, OfIssue, Sha
from connectors.github.pull import PULL
from connectors.github.tracing import SETTLE
from connectors.sdk import Effect, Irreversible, Output, Reconcile, Upstream


class MergePull(OfIssue):
    """The pull request to merge, at the head that was looked at."""

    sha: Sha = Field(description="`head_sha` as it was when it was reviewed; a merge of anything newer is refused.")
    method: Literal["merge", "squash", "rebase"] = Field(
        default="merge", description="How the commits are put together."
    )
    commit_title: str | None = Field(default=None, max_length=256, description="Title of the merge commit.")
    commit_message: str | None = Field(default=None, max_length=65_000, description="Text of the merge commit.")


class Merged(Output):
    """A merge. `sha` is the commit that it made, null where GitHub no longer tells."""

    merged: bool
    sha: str | None = None


class _MergeState(Output):
    merged: bool = False
    merge_commit_sha: str | None = None
    head_sha: str = Field(validation_alias=AliasPath("head", "sha"))


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
