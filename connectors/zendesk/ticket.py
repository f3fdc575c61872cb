"""Tickets: reading, opening, changing, deleting. Source: Zendesk Ticketing API v2, "Tickets"."""

from typing import Annotated, Literal

from pydantic import AliasPath, AwareDatetime, Field, model_validator

from connectors.sdk import Done, Effect, Output, Page, PageQuery, Reconcile, Unbound, Undo, Upstream
from connectors.sdk.errors import UpstreamNotFound
from connectors.zendesk import custom_field
from connectors.zendesk.connector import zendesk
from connectors.zendesk.custom_field import GivenValues
from connectors.zendesk.custom_field_type import OWN_FIELDS
from connectors.zendesk.names import OF_TICKET, TICKET, TICKETS, Id, OfTicket, Stamp, guarded, iso, listed, place
from connectors.zendesk.paging import Cut, by_cursor, cursored
from connectors.zendesk.permissions import READ_TICKETS, WRITE_TICKETS
from connectors.zendesk.tracing import SETTLE

Priority = Literal["urgent", "high", "normal", "low"]
Kind = Literal["problem", "incident", "question", "task"]
Status = Literal["new", "open", "pending", "hold", "solved"]


class Ticket(Output):
    """A ticket, cut down to what an agent acts on. Ids are null where there is nobody or nothing."""

    id: int
    subject: str | None = None
    description: str | None = Field(default=None, description="The text of the first comment.")
    status: str = Field(description="`new`, `open`, `pending`, `hold`, `solved` or `closed`; closed ones are final.")
    priority: str | None = None
    type: str | None = None
    requester_id: int | None = None
    assignee_id: int | None = None
    group_id: int | None = None
    organization_id: int | None = None
    brand_id: int | None = None
    external_id: str | None = None
    tags: list[str] = Field(default_factory=list[str])
    custom_fields: custom_field.Values = Field(default_factory=dict[str, custom_field.Value])
    due_at: AwareDatetime | None = None
    problem_id: int | None = None
    is_public: bool | None = Field(default=None, description="Whether the requester can see the conversation.")
    channel: str | None = Field(default=None, validation_alias=AliasPath("via", "channel"))
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ListTickets(PageQuery):
    """Which tickets to read."""

    external_id: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        default=None, description="Only tickets with this id of another system."
    )
    sort: Literal["id", "-id", "updated_at", "-updated_at"] = Field(
        default="-updated_at", description="What the list is ordered by; `-` for the highest or newest first."
    )


class UpdateTicket(OfTicket):
    """What to change; fields left out stay as they are."""

    subject: str | None = Field(default=None, min_length=1, max_length=255, description="Replaces the subject.")
    status: Status | None = Field(default=None, description="`solved` can set off an e-mail to the requester.")
    priority: Priority | None = Field(default=None, description="How urgent it is.")
    type: Kind | None = Field(default=None, description="What kind of matter it is.")
    organization_id: Id | None = Field(default=None, description="The requester's organization.")
    external_id: str | None = Field(default=None, min_length=1, max_length=255, description="Id in another system.")
    due_at: AwareDatetime | None = Field(default=None, description="When it is due; only for tickets of type `task`.")
    problem_id: Id | None = Field(default=None, description="The problem that an incident belongs to.")
    custom_fields: GivenValues = Field(default_factory=dict[str, custom_field.Value])
    if_updated_at: Stamp = None

    @model_validator(mode="after")
    def _changes_something(self) -> "UpdateTicket":
        if not changes(self):
            raise ValueError("name at least one field to change")
        return self


class One(Output):
    """An answer with one ticket."""

    ticket: Ticket


class Many(Cut):
    """An answer with tickets."""

    tickets: list[Ticket]


def identity(ticket: Ticket) -> str:
    """Return what constraints match."""
    return place(ticket.brand_id, ticket.group_id)


def changes(update: UpdateTicket) -> dict[str, object]:
    """Return the fields that an update sends."""
    plain = {"subject", "status", "priority", "type", "organization_id", "external_id", "problem_id"}
    found: dict[str, object] = update.model_dump(include=plain, exclude_none=True)
    if update.due_at is not None:
        found["due_at"] = iso(update.due_at)
    if update.custom_fields:
        found["custom_fields"] = custom_field.sent(update.custom_fields)
    return found


@zendesk.action(
    "ticket.get",
    scopes={"zendesk:ticket:read"},
    effect=Effect.READ,
    resource=OF_TICKET,
    vendor_scopes=READ_TICKETS,
)
async def get_ticket(api: Upstream, what: OfTicket) -> Ticket:
    """Read one ticket by its number. Its conversation is read with `zendesk.comment.list`."""
    return api.read(One, await api.get(TICKET, what)).ticket


@zendesk.action(
    "ticket.list",
    scopes={"zendesk:ticket:read"},
    effect=Effect.READ,
    resource=listed(identity),
    vendor_scopes=READ_TICKETS,
    budget="tickets-index",
)
async def list_tickets(api: Upstream, query: ListTickets) -> Page[Ticket]:
    """List all tickets, or those with an external id. Archived tickets are left out, as Zendesk does.

    To find tickets by status, words or people use `zendesk.ticket.search`; this list is exact, while the search index
    is minutes behind.
    """
    params = cursored(query, external_id=query.external_id, sort=query.sort)
    found = api.read(Many, await api.get(TICKETS, params=params))
    return by_cursor(found, found.tickets)


async def find_updated(api: Upstream, update: UpdateTicket) -> Ticket | None:
    """Return the ticket if every field that was sent is there as sent, else None."""
    ticket = api.read(One, await api.get(TICKET, update)).ticket
    wanted = (
        update.subject in {None, ticket.subject},
        update.status in {None, ticket.status},
        update.priority in {None, ticket.priority},
        update.type in {None, ticket.type},
        update.organization_id in {None, ticket.organization_id},
        update.external_id in {None, ticket.external_id},
        update.problem_id in {None, ticket.problem_id},
        update.due_at is None or (ticket.due_at is not None and iso(update.due_at) == iso(ticket.due_at)),
        custom_field.holds(ticket.custom_fields, update.custom_fields),
    )
    return ticket if all(wanted) else None


@zendesk.action(
    "ticket.update",
    scopes={"zendesk:ticket:write"},
    effect=Effect.UPDATE,
    resource=OF_TICKET,
    vendor_scopes=WRITE_TICKETS | READ_TICKETS,
    # Zendesk does not say that a read shows a write at once, and triggers may have changed a field again.
    idempotency=Reconcile(find_updated, settle=SETTLE, consistent=False),
    custom=OWN_FIELDS,
    undo=Undo("zendesk.ticket.update", note="Send the former values; read them before. E-mails may have been sent."),
    examples=[{"ticket_id": 35436, "status": "pending", "priority": "high"}],
)
async def update_ticket(api: Upstream, update: UpdateTicket) -> Ticket:
    """Change a ticket's subject, status, priority, type, custom fields or due date.

    To write to somebody use `zendesk.comment.reply` or `comment.create`; to hand it over `zendesk.ticket.assign`; for
    tags `zendesk.ticket.add_tag`. Triggers may change more: compare the answer. Name `if_updated_at` if others may
    work on it. A closed ticket refuses every change.
    """
    body = {**changes(update), **guarded(update.if_updated_at)}
    return api.read(One, await api.put(TICKET, update, json={"ticket": body})).ticket


async def find_deleted(api: Upstream, what: OfTicket) -> Done | None:
    """Return `Done` if the ticket is gone, else None. It was read before it was deleted, so it is not just hidden."""
    try:
        await api.get(TICKET, what)
    except UpstreamNotFound:
        return Done()
    return None


@zendesk.action(
    "ticket.delete",
    scopes={"zendesk:ticket:delete"},
    effect=Effect.DELETE,
    resource=OF_TICKET,
    vendor_scopes=WRITE_TICKETS | READ_TICKETS,
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=False),
    undo=Undo("zendesk.ticket.restore", note="For 30 days."),
    examples=[{"ticket_id": 35436}],
)
async def delete_ticket(api: Upstream, what: OfTicket) -> Done:
    """Delete a ticket; it can be restored for 30 days. To end a matter set its status to `solved` instead."""
    api.read(One, await api.get(TICKET, what))
    return api.done(await api.delete(TICKET, what))


async def find_restored(api: Upstream, what: OfTicket) -> Done | None:
    """Return `Done` if the ticket can be read, else None."""
    return None if await find_deleted(api, what) else Done()


@zendesk.action(
    "ticket.restore",
    scopes={"zendesk:ticket:delete"},
    effect=Effect.UPDATE,
    resource=Unbound("A deleted ticket cannot be read, so its brand and group are not known."),
    vendor_scopes=WRITE_TICKETS | READ_TICKETS,
    idempotency=Reconcile(find_restored, settle=SETTLE, consistent=False),
    undo=Undo("zendesk.ticket.delete"),
    examples=[{"ticket_id": 35436}],
)
async def restore_ticket(api: Upstream, what: OfTicket) -> Done:
    """Bring a deleted ticket back."""
    return api.done(await api.put("/api/v2/deleted_tickets/{ticket_id}/restore", what))
