"""Releases. Source: GitHub REST API 2022-11-28, "Releases"."""

from pydantic import AliasPath, AwareDatetime, Field, TypeAdapter

from connectors.github.connector import github
from connectors.github.names import REPOSITORY, InRepository, Owner, Repo
from connectors.github.paging import next_page, paged
from connectors.github.tracing import SETTLE, find_marked, gone
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
    UpstreamNotFound,
)

RELEASES = "/repos/{owner}/{repo}/releases"
RELEASE = RELEASES + "/{release_id}"


class Release(Output):
    """A release. A draft is seen by people with push access only and has no tag yet."""

    id: int
    tag_name: str
    name: str | None = None
    body: str | None = None
    draft: bool
    prerelease: bool
    target: str | None = Field(default=None, validation_alias="target_commitish")
    author: str | None = Field(default=None, validation_alias=AliasPath("author", "login"))
    url: str = Field(validation_alias="html_url")
    created_at: AwareDatetime
    published_at: AwareDatetime | None = None


class ListReleases(PageQuery):
    """Whose releases to read."""

    owner: Owner
    repo: Repo


class OneRelease(InRepository):
    """One release."""

    release_id: int = Field(ge=1, description="The release's id, from `github.release.list`.")


class CreateRelease(InRepository):
    """The release to make."""

    tag_name: str = Field(min_length=1, max_length=255, description="Created where it is not there yet.")
    target: str | None = Field(
        default=None,
        max_length=255,
        description="Branch or commit that a new tag points to; the default branch else.",
    )
    name: str | None = Field(default=None, max_length=255)
    body: str = Field(default="", max_length=100_000, description="GitHub Markdown.")
    draft: bool = Field(default=False, description="Kept from the public until somebody publishes it.")
    prerelease: bool = Field(default=False, description="Not ready for production.")
    generate_release_notes: bool = Field(default=False, description="Let GitHub add notes of its own.")


_LIST = TypeAdapter(list[Release])


@github.action(
    "release.list",
    scopes={"github:release:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"contents:read"},
)
async def list_releases(api: Upstream, query: ListReleases) -> Page[Release]:
    """List a repository's releases, newest first. Tags without a release are not among them."""
    response = await api.get(RELEASES, query, params=paged(query))
    return Page[Release](items=api.read(_LIST, response), next_cursor=next_page(response))


@github.action(
    "release.get",
    scopes={"github:release:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"contents:read"},
)
async def get_release(api: Upstream, what: OneRelease) -> Release:
    """Read one release by its id."""
    return api.read(Release, await api.get(RELEASE, what))


async def find_created(api: Upstream, new: CreateRelease) -> Release | None:
    """Return the release that carries this call's marker, or None."""
    if new.draft:
        found = await find_marked(api, RELEASES, new)
        return None if found is None else api.read(Release, found)
    try:
        response = await api.get(RELEASES + "/tags/{tag_name}", new)
    except UpstreamNotFound:
        return None
    mine = api.comment in (response.json().get("body") or "")
    return api.read(Release, response) if mine else None


@github.action(
    "release.create",
    scopes={"github:release:write"},
    effect=Effect.CREATE,
    resource=REPOSITORY,
    vendor_scopes={"contents:write"},
    # A published release's tag is unique, but two drafts may name the same one: the marker tells.
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=True),
    undo=Undo("github.release.delete", note="The tag stays, and watchers were notified."),
    examples=[{"owner": "acme", "repo": "web", "tag_name": "v1.2.0", "name": "1.2.0", "body": "Fixes.", "draft": True}],
)
async def create_release(api: Upstream, new: CreateRelease) -> Release:
    """Publish a release, or keep it as a draft for a person to publish.

    Publishing notifies watchers and may start deployments. Fails with `upstream_rejected` where the tag has one.
    """
    body: dict[str, object] = {"tag_name": new.tag_name, "body": api.mark(new.body)}
    if new.target is not None:
        body["target_commitish"] = new.target
    if new.name is not None:
        body["name"] = new.name
    body |= {"draft": new.draft, "prerelease": new.prerelease, "generate_release_notes": new.generate_release_notes}
    return api.read(Release, await api.post(RELEASES, new, json=body))


async def find_deleted(api: Upstream, what: OneRelease) -> Done | None:
    """Return `Done` if the release is gone from a repository that can be read, else None."""
    return await gone(api, RELEASE, what)


@github.action(
    "release.delete",
    scopes={"github:release:delete"},
    effect=Effect.DELETE,
    resource=REPOSITORY,
    vendor_scopes={"contents:write"},
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=True),
    undo=Irreversible("Its text and uploaded files are lost; the tag stays."),
    examples=[{"owner": "acme", "repo": "web", "release_id": 1021}],
)
async def delete_release(api: Upstream, what: OneRelease) -> Done:
    """Delete a release or a draft with its uploaded files. The tag stays."""
    return api.done(await api.delete(RELEASE, what))
