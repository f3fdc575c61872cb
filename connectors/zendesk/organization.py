"""The customers' organizations. Source: Zendesk Ticketing API v2, "Organizations"."""

from typing import Annotated

from pydantic import AwareDatetime, Field, model_validator

from connectors.sdk import Effect, Input, Output, Page, PageQuery, Resource, Upstream
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import Id, listed
from connectors.zendesk.paging import Cut, Numbered, by_cursor, by_number, cursored, numbered
from connectors.zendesk.permissions import READ_ORGANIZATIONS

ORGANIZATIONS = "/api/v2/organizations"
Text = Annotated[str, Field(min_length=1, max_length=255)]


class Organization(Output):
    """An organization. Users whose address is in one of its domains belong to it."""

    id: int
    name: str
    external_id: str | None = None
    domain_names: list[str] = Field(default_factory=list[str])
    details: str | None = None
    notes: str | None = None
    group_id: int | None = Field(default=None, description="The group that gets its tickets.")
    tags: list[str] = Field(default_factory=list[str])
    created_at: AwareDatetime
    updated_at: AwareDatetime


class OneOrganization(Input):
    """One organization."""

    organization_id: Id = Field(description="The organization's id.")


class ListOrganizations(PageQuery):
    """Which page to read."""


class SearchOrganizations(PageQuery):
    """Which organization to look for: by its exact name, or by the exact id in another system."""

    name: Text | None = Field(default=None, description="The exact name; case does not matter.")
    external_id: Text | None = Field(default=None, description="Id in another system.")

    @model_validator(mode="after")
    def _one_of_two(self) -> "SearchOrganizations":
        if (self.name is None) == (self.external_id is None):
            raise ValueError("name either `name` or `external_id`")
        return self


class _One(Output):
    organization: Organization


class _Listed(Cut):
    organizations: list[Organization]


class _Found(Numbered):
    organizations: list[Organization]


def _identity(organization: Organization) -> str:
    return f"organization/{organization.id}"


@zendesk.action(
    "organization.get",
    scopes={"zendesk:organization:read"},
    effect=Effect.READ,
    resource=Resource("organization/{organization_id}"),
    vendor_scopes=READ_ORGANIZATIONS,
)
async def get_organization(api: Upstream, what: OneOrganization) -> Organization:
    """Read one organization by the id that tickets and users name."""
    return api.read(_One, await api.get(ORGANIZATIONS + "/{organization_id}", what)).organization


@zendesk.action(
    "organization.list",
    scopes={"zendesk:organization:read"},
    effect=Effect.READ,
    resource=listed(_identity),
    vendor_scopes=READ_ORGANIZATIONS,
)
async def list_organizations(api: Upstream, query: ListOrganizations) -> Page[Organization]:
    """List all organizations of the account."""
    found = api.read(_Listed, await api.get(ORGANIZATIONS, params=cursored(query)))
    return by_cursor(found, found.organizations)


@zendesk.action(
    "organization.search",
    scopes={"zendesk:organization:read"},
    effect=Effect.READ,
    resource=listed(_identity),
    vendor_scopes=READ_ORGANIZATIONS,
)
async def search_organizations(api: Upstream, query: SearchOrganizations) -> Page[Organization]:
    """Find organizations by exact name or by their id in another system."""
    params = numbered(query, name=query.name, external_id=query.external_id)
    found = api.read(_Found, await api.get(ORGANIZATIONS + "/search", params=params))
    return by_number(found, query, found.organizations)
