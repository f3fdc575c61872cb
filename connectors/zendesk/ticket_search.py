"""Searching tickets. Source: Zendesk Ticketing API v2, "Search"."""

from typing import Literal

from pydantic import Field, field_validator

from connectors.sdk import Effect, Page, PageQuery, Upstream
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import listed
from connectors.zendesk.paging import MOST_FOUND, Numbered, by_number, numbered
from connectors.zendesk.permissions import READ
from connectors.zendesk.ticket import Ticket, identity


class SearchTickets(PageQuery):
    """What to look for."""

    query: str = Field(
        min_length=1,
        max_length=1_000,
        description='Words, "quoted words" and properties: `status<solved`, `priority:urgent`, `tags:vip`, '
        "`requester:ana@example.com`, `assignee:none`, `created>2026-01-31`. Not `type:`.",
    )
    sort_by: Literal["created_at", "updated_at", "priority", "status", "ticket_type"] | None = Field(
        default=None, description="Best match when left out."
    )
    sort_order: Literal["asc", "desc"] = Field(default="desc", description="Highest or lowest first.")

    @field_validator("query")
    @classmethod
    def _of_tickets(cls, query: str) -> str:
        if "type:" in query.lower().replace("ticket_type:", ""):
            raise ValueError("leave `type:` out: tickets alone are looked for")
        return query


class _Found(Numbered):
    results: list[Ticket]


@zendesk.action(
    "ticket.search",
    scopes={"zendesk:ticket:read"},
    effect=Effect.READ,
    resource=listed(identity),
    vendor_scopes=READ,
    budget="search-index",
)
async def search_tickets(api: Upstream, query: SearchTickets) -> Page[Ticket]:
    """Search tickets by words and Zendesk's search properties.

    The index is minutes behind, so never search for what was just written: `zendesk.ticket.list` and `ticket.get` are
    exact. At most 1,000 results; narrow the query for others.
    """
    params = numbered(query, query=f"type:ticket {query.query}", sort_by=query.sort_by, sort_order=query.sort_order)
    found = api.read(_Found, await api.get("/api/v2/search", params=params))
    return by_number(found, query, found.results, MOST_FOUND)
