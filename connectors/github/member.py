"""Members of organizations. Source: GitHub REST API 2022-11-28, "Organization members"."""

from typing import Literal

from pydantic import Field, TypeAdapter

from connectors.github.connector import github
from connectors.github.names import Owner, canonical
from connectors.github.paging import next_page, paged
from connectors.sdk import Effect, Output, Page, PageQuery, Resource, Upstream


class Member(Output):
    """A member of an organization."""

    login: str
    id: int
    url: str = Field(validation_alias="html_url")


class ListMembers(PageQuery):
    """Whose members to read."""

    org: Owner
    role: Literal["all", "admin", "member"] = Field(default="all", description="Only members of this role.")


_LIST = TypeAdapter(list[Member])


@github.action(
    "member.list",
    scopes={"github:member:read"},
    effect=Effect.READ,
    # About all of an organization: a grant for single repositories does not cover it.
    resource=Resource("{org}/*", canonical=canonical),
    vendor_scopes={"members:read"},
)
async def list_members(api: Upstream, query: ListMembers) -> Page[Member]:
    """List the members of an organization; without the vendor's `read:org` only those who are public.

    These are the logins that issues can be assigned to and reviews requested from, if they have access.
    """
    response = await api.get("/orgs/{org}/members", query, params=paged(query, role=query.role))
    return Page[Member](items=api.read(_LIST, response), next_cursor=next_page(response))
