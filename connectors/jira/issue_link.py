"""Links between issues. Source: Jira Cloud platform REST API v3, "Issue links" and "Issue link types"."""

from pydantic import AliasPath, Field

from connectors.jira.connector import READ, WRITE, jira
from connectors.jira.names import ISSUE, Id, IssueKey, project_of, where_is
from connectors.jira.tracing import SETTLE
from connectors.sdk import (
    Done,
    Effect,
    Input,
    Located,
    Output,
    Page,
    Reconcile,
    Unbound,
    Undo,
    Upstream,
    UpstreamNotFound,
)

LINK = "/issueLink/{link}"


class LinkType(Output):
    """A type of link and its words: from the first issue `outward`, from the second `inward`."""

    id: str
    name: str
    inward: str
    outward: str


class NoInput(Input):
    """Nothing."""


class CreateLink(Input):
    """The link to make, `OPS-1 blocks OPS-2`."""

    type: str = Field(min_length=1, max_length=255, description="Name, from `jira.issue_link_type.list`: `Blocks`.")
    inward_issue: IssueKey = Field(description="The issue that the link goes out from, `OPS-1`.")
    outward_issue: IssueKey = Field(description="The issue that it leads to, `OPS-2`.")


class OneLink(Input):
    """One link."""

    link: Id = Field(description="The link's id, from `links` of `jira.issue.get`.")


class _Types(Output):
    types: list[LinkType] = Field(validation_alias="issueLinkTypes")


class _Link(Output):
    inward: str = Field(validation_alias=AliasPath("inwardIssue", "key"))
    outward: str = Field(validation_alias=AliasPath("outwardIssue", "key"))


class _LinkOut(Output):
    type: str = Field(validation_alias=AliasPath("type", "name"))
    outward: str | None = Field(default=None, validation_alias=AliasPath("outwardIssue", "key"))


class _Links(Output):
    links: list[_LinkOut] = Field(default_factory=list[_LinkOut], validation_alias=AliasPath("fields", "issuelinks"))


async def _both(api: Upstream, new: CreateLink) -> str:
    """Return the projects of both issues: one key, or `OPS/WEB` for a link that a grant must name as such."""
    return project_of(f"{await where_is(api, new.inward_issue)}/{await where_is(api, new.outward_issue)}")


async def _ends(api: Upstream, what: OneLink) -> str:
    link = api.read(_Link, await api.get(LINK, what))
    return project_of(f"{link.inward}/{link.outward}")


@jira.action(
    "issue_link_type.list",
    scopes={"jira:field:read"},
    effect=Effect.READ,
    resource=Unbound("types of links belong to the site"),
    vendor_scopes=READ,
)
async def list_link_types(api: Upstream, what: NoInput) -> Page[LinkType]:
    """List the types of links that the site has, such as `Blocks` with `blocks` and `is blocked by`."""
    del what
    return Page[LinkType](items=api.read(_Types, await api.get("/issueLinkType")).types)


async def find_linked(api: Upstream, new: CreateLink) -> Done | None:
    """Return `Done` if the first issue shows such a link to the second, else None."""
    response = await api.get(ISSUE, {"issue": new.inward_issue}, params={"fields": "issuelinks"})
    for link in api.read(_Links, response).links:
        if link.type.lower() == new.type.lower() and link.outward == new.outward_issue.upper():
            return Done()
    return None


@jira.action(
    "issue_link.create",
    scopes={"jira:issue_link:write"},
    effect=Effect.CREATE,
    resource=Located(_both, project_of),
    vendor_scopes=WRITE,
    # Jira keeps one link of a type between two issues: a repeat is answered as if it had made it.
    idempotency=Reconcile(find_linked, settle=SETTLE, consistent=True),
    undo=Undo("jira.issue_link.delete", note="The link's id is in `links` of `jira.issue.get`."),
    examples=[{"type": "Blocks", "inward_issue": "OPS-1", "outward_issue": "OPS-2"}],
)
async def create_link(api: Upstream, new: CreateLink) -> Done:
    """Link two issues; people who watch them are notified. Jira tells no id: `jira.issue.get` shows the link.

    A link between two projects needs a grant on both, written `OPS/WEB` in a constraint.
    """
    sent = {
        "type": {"name": new.type},
        "inwardIssue": {"key": new.inward_issue},
        "outwardIssue": {"key": new.outward_issue},
    }
    return api.done(await api.post("/issueLink", json=sent))


async def find_unlinked(api: Upstream, what: OneLink) -> Done | None:
    """Return `Done` if there is no such link, else None."""
    try:
        await api.get(LINK, what)
    except UpstreamNotFound:
        return Done()
    return None


@jira.action(
    "issue_link.delete",
    scopes={"jira:issue_link:delete"},
    effect=Effect.DELETE,
    resource=Located(_ends, project_of),
    vendor_scopes=WRITE,
    # A link is hidden, and so looks deleted, where its issues may no longer be seen.
    idempotency=Reconcile(find_unlinked, settle=SETTLE, consistent=True),
    undo=Undo("jira.issue_link.create"),
    examples=[{"link": "10001"}],
)
async def delete_link(api: Upstream, what: OneLink) -> Done:
    """Remove a link between two issues."""
    return api.done(await api.delete(LINK, what))
