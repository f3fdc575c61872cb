"""Opening tickets: with an internal note, or publicly, which writes to the requester.

Source: Zendesk Ticketing API v2, "Tickets" and "Idempotency".
"""

from datetime import timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field

from connectors.sdk import Effect, Input, Located, Native, Undo, Upstream
from connectors.zendesk import custom_field
from connectors.zendesk.attachment import Uploads
from connectors.zendesk.connector import zendesk
from connectors.zendesk.custom_field import GivenValues
from connectors.zendesk.custom_field_type import OWN_FIELDS
from connectors.zendesk.names import TICKETS, Id, Tag, iso, place
from connectors.zendesk.permissions import WRITE_TICKETS
from connectors.zendesk.ticket import Kind, One, Priority, Status, Ticket

Email = Annotated[str, Field(pattern=r"^[^\s@<>,;\"]{1,64}@[^\s@<>,;\"]{1,190}$")]
# Zendesk keeps the key and the answer for two hours, for creating tickets only.
IDEMPOTENCY = Native("Idempotency-Key", timedelta(hours=2))


class _New(Input):
    subject: str = Field(min_length=1, max_length=255, description="What it is about, in one line.")
    body: str = Field(min_length=1, max_length=65_000, description="The first comment; plain text or Markdown.")
    status: Status | None = Field(default=None, description="`new` when left out.")
    priority: Priority | None = Field(default=None, description="How urgent it is.")
    type: Kind | None = Field(default=None, description="What kind of matter it is.")
    tags: list[Tag] = Field(default_factory=list[str], max_length=50, description="Tags, without spaces.")
    group_id: Id | None = Field(default=None, description="The group to work on it, from `zendesk.group.list`.")
    assignee_id: Id | None = Field(default=None, description="The agent to work on it, from `zendesk.user.search`.")
    brand_id: Id | None = Field(default=None, description="The brand; the account's default one when left out.")
    external_id: str | None = Field(default=None, min_length=1, max_length=255, description="Id in another system.")
    due_at: AwareDatetime | None = Field(default=None, description="When it is due; only for tickets of type `task`.")
    custom_fields: GivenValues = Field(default_factory=dict[str, custom_field.Value])
    uploads: Uploads = Field(default_factory=list[str])


class CreateTicket(_New):
    """The ticket to open."""

    requester_id: Id | None = Field(default=None, description="Whose matter it is; the connected user when left out.")


class CreatePublicTicket(_New):
    """The ticket to open, and whom to write to."""

    requester_email: Email = Field(description="Who gets the mail. Somebody unknown becomes a user.")
    requester_name: str = Field(min_length=1, max_length=255, description="The name of somebody unknown.")
    cc_emails: list[Email] = Field(default_factory=list[str], max_length=40, description="Who gets copies.")


async def _place(api: Upstream, new: _New) -> str:
    """The input says where it goes; a brand that is left out is the default one, which nothing here knows."""
    del api
    return place(new.brand_id, new.group_id)


def _fields(new: _New, *, public: bool) -> dict[str, object]:
    comment: dict[str, object] = {"body": new.body, "public": public}
    if new.uploads:
        comment["uploads"] = new.uploads
    plain = {"status", "priority", "type", "group_id", "assignee_id", "brand_id", "external_id"}
    found: dict[str, object] = {"subject": new.subject, "comment": comment}
    found |= new.model_dump(include=plain, exclude_none=True)
    if new.tags:
        found["tags"] = new.tags
    if new.due_at is not None:
        found["due_at"] = iso(new.due_at)
    if new.custom_fields:
        found["custom_fields"] = custom_field.sent(new.custom_fields)
    return found


@zendesk.action(
    "ticket.create",
    scopes={"zendesk:ticket:write"},
    effect=Effect.CREATE,
    resource=Located(_place),
    vendor_scopes=WRITE_TICKETS,
    idempotency=IDEMPOTENCY,
    custom=OWN_FIELDS,
    undo=Undo("zendesk.ticket.delete"),
    examples=[{"subject": "Printer on fire", "body": "Reported by phone.", "priority": "urgent", "tags": ["printer"]}],
)
async def create_ticket(api: Upstream, new: CreateTicket) -> Ticket:
    """Open a ticket that begins with an internal note: the requester does not see it and is not written to.

    To write to a customer use `zendesk.ticket.create_public`, to go on with a matter that is known
    `zendesk.comment.create` or `comment.reply`. Triggers may change more: compare the answer.
    """
    ticket = _fields(new, public=False)
    if new.requester_id is not None:
        ticket["requester_id"] = new.requester_id
    return api.read(One, await api.post(TICKETS, json={"ticket": ticket})).ticket


@zendesk.action(
    "ticket.create_public",
    scopes={"zendesk:ticket:write", "zendesk:reply:write"},
    effect=Effect.SEND,
    resource=Located(_place),
    vendor_scopes=WRITE_TICKETS,
    idempotency=IDEMPOTENCY,
    custom=OWN_FIELDS,
    undo=Undo("zendesk.ticket.delete", note="The mail to the requester cannot be taken back."),
    recipients=("requester_email", "cc_emails"),
    examples=[
        {
            "subject": "Your order is late",
            "body": "We are looking into it.",
            "requester_email": "ana@example.com",
            "requester_name": "Ana",
        }
    ],
)
async def create_public_ticket(api: Upstream, new: CreatePublicTicket) -> Ticket:
    """Open a ticket whose first comment the requester and the copied people see, and usually get by e-mail.

    For an agent's own task or note use `zendesk.ticket.create`.
    """
    ticket = _fields(new, public=True)
    ticket["requester"] = {"name": new.requester_name, "email": new.requester_email}
    if new.cc_emails:
        ticket["email_ccs"] = [{"user_email": email, "action": "put"} for email in new.cc_emails]
    return api.read(One, await api.post(TICKETS, json={"ticket": ticket})).ticket
