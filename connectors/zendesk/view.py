"""Views: the lists that agents work from. Source: Zendesk Ticketing API v2, "Views"."""

from pydantic import Field

from connectors.sdk import Effect, Output, Page, PageQuery, Upstream
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import Id, listed
from connectors.zendesk.paging import Numbered, by_cursor, by_number, cursored, numbered
from connectors.zendesk.permissions import READ
from connectors.zendesk.ticket import Many, Ticket, identity


class View(Output):
    """A view."""

    id: int
    title: str
    description: str | None = None
    active: bool = True
    position: int | None = None


class ListViews(PageQuery):
    """Which views to read."""

    active: bool | None = Field(default=None, description="Only those in use, or only the others.")


class ListViewTickets(PageQuery):
    """Which view's tickets to read."""

    view_id: Id = Field(description="The view's id, from `zendesk.view.list`.")


class _Views(Numbered):
    views: list[View]


def _identity(view: View) -> str:
    return f"view/{view.id}"


@zendesk.action(
    "view.list",
    scopes={"zendesk:view:read"},
    effect=Effect.READ,
    resource=listed(_identity),
    vendor_scopes=READ,
)
async def list_views(api: Upstream, query: ListViews) -> Page[View]:
    """List the views that the connected user can see."""
    found = api.read(_Views, await api.get("/api/v2/views", params=numbered(query, active=query.active)))
    return by_number(found, query, found.views)


@zendesk.action(
    "view.list_tickets",
    scopes={"zendesk:view:read", "zendesk:ticket:read"},
    effect=Effect.READ,
    resource=listed(identity),
    vendor_scopes=READ,
)
async def list_view_tickets(api: Upstream, query: ListViewTickets) -> Page[Ticket]:
    """List the tickets in a view, in the order in which agents see them. Five times a minute for each view."""
    found = api.read(Many, await api.get("/api/v2/views/{view_id}/tickets", query, params=cursored(query)))
    return by_cursor(found, found.tickets)
