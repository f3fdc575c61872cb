"""Branches. Source: GitHub REST API 2022-11-28, "Branches" and "Git references"."""

from pydantic import AliasPath, Field, TypeAdapter

from connectors.github.connector import github
from connectors.github.names import REPOSITORY, Branch, InRepository, Owner, Repo, Sha
from connectors.github.paging import next_page, paged
from connectors.github.tracing import SETTLE, gone
from connectors.sdk import (
    Done,
    Effect,
    Irreversible,
    NaturalKey,
    Output,
    Page,
    PageQuery,
    Reconcile,
    Undo,
    Upstream,
    UpstreamNotFound,
)

REF = "/repos/{owner}/{repo}/git/ref/heads/{branch+}"
_HEADS = "refs/heads/"


class BranchHead(Output):
    """A branch and the commit it points to."""

    name: str
    sha: str = Field(validation_alias=AliasPath("commit", "sha"))
    protected: bool = False


class ListBranches(PageQuery):
    """Whose branches to read."""

    owner: Owner
    repo: Repo
    protected: bool | None = Field(default=None, description="Only protected ones, or only others.")


class OneBranch(InRepository):
    """One branch."""

    branch: Branch


class CreateBranch(OneBranch):
    """The branch to create."""

    sha: Sha = Field(description="The commit that it starts from, `sha` of `github.branch.get`.")


class _Ref(Output):
    ref: str
    sha: str = Field(validation_alias=AliasPath("object", "sha"))


_LIST = TypeAdapter(list[BranchHead])


def _head(ref: _Ref) -> BranchHead:
    return BranchHead(name=ref.ref.removeprefix(_HEADS), sha=ref.sha)


@github.action(
    "branch.list",
    scopes={"github:branch:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"contents:read"},
)
async def list_branches(api: Upstream, query: ListBranches) -> Page[BranchHead]:
    """List a repository's branches by name, each with its newest commit."""
    response = await api.get("/repos/{owner}/{repo}/branches", query, params=paged(query, protected=query.protected))
    return Page[BranchHead](items=api.read(_LIST, response), next_cursor=next_page(response))


@github.action(
    "branch.get",
    scopes={"github:branch:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"contents:read"},
)
async def get_branch(api: Upstream, what: OneBranch) -> BranchHead:
    """Read one branch: the commit it points to and whether it is protected.

    After a rename GitHub answers for the new name, so look at `name`.
    """
    return api.read(BranchHead, await api.get("/repos/{owner}/{repo}/branches/{branch}", what))


async def find_created(api: Upstream, new: CreateBranch) -> BranchHead | None:
    """Return the branch if it points to the commit that this call would have given it, else None."""
    try:
        ref = api.read(_Ref, await api.get(REF, new))
    except UpstreamNotFound:
        return None
    return _head(ref) if ref.sha == new.sha else None


@github.action(
    "branch.create",
    scopes={"github:branch:write"},
    effect=Effect.CREATE,
    resource=REPOSITORY,
    vendor_scopes={"contents:write"},
    # GitHub refuses a second branch of that name with 422 "Reference already exists".
    idempotency=NaturalKey(("owner", "repo", "branch"), find_created),
    undo=Undo("github.branch.delete"),
    examples=[{"owner": "acme", "repo": "web", "branch": "fix-login", "sha": "0" * 40}],
)
async def create_branch(api: Upstream, new: CreateBranch) -> BranchHead:
    """Create a branch that starts from a commit. Fails with `upstream_rejected` where the name is taken."""
    body = {"ref": _HEADS + new.branch, "sha": new.sha}
    return _head(api.read(_Ref, await api.post("/repos/{owner}/{repo}/git/refs", new, json=body)))


async def find_deleted(api: Upstream, what: OneBranch) -> Done | None:
    """Return `Done` if the branch is gone from a repository that can be read, else None."""
    return await gone(api, REF, what)


@github.action(
    "branch.delete",
    scopes={"github:branch:delete"},
    effect=Effect.DELETE,
    resource=REPOSITORY,
    vendor_scopes={"contents:write"},
    # A name can be taken again, so a branch that is there proves nothing: then the call stays unknown.
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=False),
    undo=Irreversible("Commits that no other branch holds are lost after a while."),
    examples=[{"owner": "acme", "repo": "web", "branch": "fix-login"}],
)
async def delete_branch(api: Upstream, what: OneBranch) -> Done:
    """Delete a branch. Open pull requests that come from it are closed; the default branch cannot be deleted."""
    return api.done(await api.delete("/repos/{owner}/{repo}/git/refs/heads/{branch+}", what))
