"""Groups of agents. Source: Zendesk Ticketing API v2, "Groups"."""

from connectors.sdk import Effect, Output, Page, PageQuery, Upstream
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import listed
from connectors.zendesk.paging import Cut, by_cursor, cursored
from connectors.zendesk.permissions import READ


class Group(Output):
    """A group."""

    id: int
    name: str
    description: str | None = None
    default: bool = False
    is_public: bool = True


class ListGroups(PageQuery):
    """Which page to read."""


class _Groups(Cut):
    groups: list[Group]


def _identity(group: Group) -> str:
    return f"group/{group.id}"


@zendesk.action(
    "group.list",
    scopes={"zendesk:group:read"},
    effect=Effect.READ,
    resource=listed(_identity),
    vendor_scopes=READ,
)
async def list_groups(api: Upstream, query: ListGroups) -> Page[Group]:
    """List the groups that agents work in; tickets are assigned to them."""
    found = api.read(_Groups, await api.get("/api/v2/groups", params=cursored(query)))
    return by_cursor(found, found.groups)
