"""Who works on a ticket, and its tags. Source: Zendesk Ticketing API v2, "Tickets" and "Tags"."""

from pydantic import Field, model_validator

from connectors.sdk import Done, Effect, Output, Reconcile, Undo, Upstream
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import OF_TICKET, TICKET, Id, OfTicket, Stamp, Tag, guarded
from connectors.zendesk.permissions import READ_TICKETS, WRITE_TICKETS
from connectors.zendesk.ticket import One, Ticket
from connectors.zendesk.tracing import SETTLE

TAGS = TICKET + "/tags"


class Tags(Output):
    """All tags that the ticket has now."""

    tags: list[str]


class AssignTicket(OfTicket):
    """Who is to work on it."""

    assignee_id: Id | None = Field(default=None, description="The agent, from `zendesk.user.search`.")
    group_id: Id | None = Field(
        default=None, description="The group, from `zendesk.group.list`; the agent must be in it."
    )
    if_updated_at: Stamp = None

    @model_validator(mode="after")
    def _names_somebody(self) -> "AssignTicket":
        if self.assignee_id is None and self.group_id is None:
            raise ValueError("name an assignee or a group")
        return self


class TagTicket(OfTicket):
    """Tags of one ticket."""

    tags: list[Tag] = Field(min_length=1, max_length=50, description="Tags, without spaces.")
    if_updated_at: Stamp = None


async def find_assigned(api: Upstream, what: AssignTicket) -> Ticket | None:
    """Return the ticket if it is assigned as asked, else None."""
    ticket = api.read(One, await api.get(TICKET, what)).ticket
    there = what.assignee_id in {None, ticket.assignee_id} and what.group_id in {None, ticket.group_id}
    return ticket if there else None


@zendesk.action(
    "ticket.assign",
    scopes={"zendesk:ticket:write"},
    effect=Effect.UPDATE,
    resource=OF_TICKET,
    vendor_scopes=WRITE_TICKETS | READ_TICKETS,
    idempotency=Reconcile(find_assigned, settle=SETTLE, consistent=False),
    undo=Undo("zendesk.ticket.assign", note="Name those who had it before."),
    examples=[{"ticket_id": 35436, "assignee_id": 235323}],
)
async def assign(api: Upstream, what: AssignTicket) -> Ticket:
    """Hand a ticket to an agent, a group or both. With a group alone nobody in it has it yet."""
    body = what.model_dump(include={"assignee_id", "group_id"}, exclude_none=True)
    sent = {"ticket": {**body, **guarded(what.if_updated_at)}}
    return api.read(One, await api.put(TICKET, what, json=sent)).ticket


async def _tags(api: Upstream, what: TagTicket) -> tuple[Tags, set[str]]:
    """Return the ticket's tags, and those of the input in the spelling that Zendesk keeps."""
    return api.read(Tags, await api.get(TAGS, what)), {tag.lower() for tag in what.tags}


async def find_tagged(api: Upstream, what: TagTicket) -> Tags | None:
    """Return the ticket's tags if the added ones are among them, else None."""
    found, wanted = await _tags(api, what)
    return found if wanted <= set(found.tags) else None


@zendesk.action(
    "ticket.add_tag",
    scopes={"zendesk:ticket:write"},
    effect=Effect.UPDATE,
    resource=OF_TICKET,
    vendor_scopes=WRITE_TICKETS | READ_TICKETS,
    idempotency=Reconcile(find_tagged, settle=SETTLE, consistent=False),
    undo=Undo("zendesk.ticket.remove_tag"),
    examples=[{"ticket_id": 35436, "tags": ["vip"]}],
)
async def add_tags(api: Upstream, what: TagTicket) -> Tags:
    """Add tags to a ticket and keep those it has. Zendesk writes them in lower case."""
    body = {"tags": what.tags, **guarded(what.if_updated_at)}
    return api.read(Tags, await api.put(TAGS, what, json=body))


async def find_untagged(api: Upstream, what: TagTicket) -> Done | None:
    """Return `Done` if none of the tags is left, else None."""
    found, gone = await _tags(api, what)
    return None if gone & set(found.tags) else Done()


@zendesk.action(
    "ticket.remove_tag",
    scopes={"zendesk:ticket:write"},
    effect=Effect.UPDATE,
    resource=OF_TICKET,
    vendor_scopes=WRITE_TICKETS | READ_TICKETS,
    idempotency=Reconcile(find_untagged, settle=SETTLE, consistent=False),
    undo=Undo("zendesk.ticket.add_tag"),
    examples=[{"ticket_id": 35436, "tags": ["vip"]}],
)
async def remove_tags(api: Upstream, what: TagTicket) -> Done:
    """Take tags off a ticket. Those it does not have are ignored."""
    body = {"tags": what.tags, **guarded(what.if_updated_at)}
    return api.done(await api.delete(TAGS, what, json=body))
