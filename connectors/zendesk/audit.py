"""The history of a ticket. Source: Zendesk Ticketing API v2, "Ticket audits"."""

from typing import Annotated

import orjson
from pydantic import AliasPath, AwareDatetime, BeforeValidator, Field

from connectors.sdk import Effect, Output, Page, PageQuery, Upstream
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import OF_TICKET, TICKET, Id
from connectors.zendesk.paging import Cut, by_cursor, cursored
from connectors.zendesk.permissions import READ


def _text(value: object) -> object:
    """Values of fields can be texts, lists and objects; those that are no text are given as JSON."""
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


Shown = Annotated[str | None, BeforeValidator(_text)]


class Event(Output):
    """One thing that an update did. `type` is `Change`, `Create`, `Comment`, `Notification` and others."""

    id: int
    type: str
    field_name: str | None = None
    value: Shown = None
    previous_value: Shown = None
    body: Shown = None
    public: bool | None = None


class Audit(Output):
    """One update of a ticket: who, when, through what, and all that it did."""

    id: int
    author_id: int | None = None
    created_at: AwareDatetime
    channel: Shown = Field(default=None, validation_alias=AliasPath("via", "channel"))
    events: list[Event] = Field(default_factory=list[Event])


class ListAudits(PageQuery):
    """Whose history to read."""

    ticket_id: Id = Field(description="The ticket's number.")


class _Audits(Cut):
    audits: list[Audit]


@zendesk.action(
    "audit.list",
    scopes={"zendesk:audit:read"},
    effect=Effect.READ,
    resource=OF_TICKET,
    vendor_scopes=READ,
    max_output_bytes=1024 * 1024,
)
async def list_audits(api: Upstream, query: ListAudits) -> Page[Audit]:
    """List every update of a ticket, oldest first: what changed, who changed it, which mails went out."""
    found = api.read(_Audits, await api.get(TICKET + "/audits", query, params=cursored(query)))
    return by_cursor(found, found.audits)
