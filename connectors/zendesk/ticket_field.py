"""Fields of tickets, the account's own ones too. Source: Zendesk Ticketing API v2, "Ticket fields"."""

from pydantic import Field

from connectors.sdk import Effect, Output, Page, PageQuery, Upstream
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import listed
from connectors.zendesk.paging import Numbered, by_number, numbered
from connectors.zendesk.permissions import READ


class Option(Output):
    """A choice of a drop-down: `value` is what is sent."""

    name: str
    value: str


class TicketField(Output):
    """A field. Its `id` is the key in a ticket's `custom_fields`, unless it is one of Zendesk's own."""

    id: int
    type: str = Field(description="`text`, `tagger` (drop-down), `multiselect`, `integer`, `date`, `checkbox`, ...")
    title: str
    description: str | None = None
    active: bool = True
    required: bool = False
    removable: bool = Field(default=True, description="False for Zendesk's own fields.")
    options: list[Option] = Field(default_factory=list[Option], validation_alias="custom_field_options")


class ListTicketFields(PageQuery):
    """Which page to read."""


class _Fields(Numbered):
    ticket_fields: list[TicketField]


def _identity(field: TicketField) -> str:
    return f"ticket_field/{field.id}"


@zendesk.action(
    "ticket_field.list",
    scopes={"zendesk:ticket_field:read"},
    effect=Effect.READ,
    resource=listed(_identity),
    vendor_scopes=READ,
    max_output_bytes=1024 * 1024,
)
async def list_ticket_fields(api: Upstream, query: ListTicketFields) -> Page[TicketField]:
    """List the fields that tickets have, with the ids and choices that `custom_fields` need."""
    found = api.read(_Fields, await api.get("/api/v2/ticket_fields", params=numbered(query)))
    return by_number(found, query, found.ticket_fields)
