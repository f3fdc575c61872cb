"""Comments on tickets: internal notes, and public replies, which are another action because they leave the company.

A comment is written by changing its ticket. `public` is always sent: Zendesk otherwise takes it from the ticket's
first comment. Source: Zendesk Ticketing API v2, "Ticket comments" and "Tickets".
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import orjson
from pydantic import AwareDatetime, Field

from connectors.sdk import Effect, Irreversible, Output, Page, PageQuery, Reconcile, Response, Upstream
from connectors.sdk.errors import UpstreamInvalidResponse
from connectors.zendesk.attachment import Attachment, Uploads
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import OF_TICKET, TICKET, Id, OfTicket, Stamp, guarded
from connectors.zendesk.paging import Cut, by_cursor, cursored
from connectors.zendesk.permissions import READ, READ_TICKETS, WRITE_TICKETS
from connectors.zendesk.ticket import Status
from connectors.zendesk.tracing import SETTLE, carries_marker, is_before, metadata

COMMENTS = TICKET + "/comments"


class Comment(Output):
    """A comment. Internal notes have `public` false."""

    id: int
    author_id: int | None = None
    body: str | None = None
    public: bool
    attachments: list[Attachment] = Field(default_factory=list[Attachment])
    created_at: AwareDatetime


class ListComments(PageQuery):
    """Which conversation to read."""

    ticket_id: Id = Field(description="The ticket's number.")
    order: Literal["oldest", "newest"] = Field(default="oldest", description="Oldest or newest first.")


class _Write(OfTicket):
    body: str = Field(min_length=1, max_length=65_000, description="Plain text or Markdown.")
    uploads: Uploads = Field(default_factory=list[str])
    if_updated_at: Stamp = None


class CreateComment(_Write):
    """The internal note to write."""


class Reply(_Write):
    """The public answer to send."""

    status: Status | None = Field(
        default=None, description="The ticket's status from then on; left as it is if not named."
    )


class _Comment(Comment):
    audit_id: int | None = None


class _Comments(Cut):
    comments: list[_Comment]


class _Audit(Output):
    created_at: AwareDatetime
    events: list[dict[str, Any]]


class _Updated(Output):
    audit: _Audit


@zendesk.action(
    "comment.list",
    scopes={"zendesk:comment:read"},
    effect=Effect.READ,
    resource=OF_TICKET,
    vendor_scopes=READ_TICKETS,
)
async def list_comments(api: Upstream, query: ListComments) -> Page[Comment]:
    """List the conversation on a ticket, public replies and internal notes; the first one is the description."""
    found = await _page(api, query, cursored(query, sort=_NEWEST if query.order == "newest" else None))
    return by_cursor(found, [Comment.model_validate(one.model_dump()) for one in found.comments])


_NEWEST = "-created_at"


async def _page(api: Upstream, of: Any, params: Mapping[str, object]) -> _Comments:
    return api.read(_Comments, await api.get(COMMENTS, {"ticket_id": of.ticket_id}, params=params))


async def _find(api: Upstream, what: _Write, *, public: bool) -> Comment | None:
    """Return the comment whose audit carries this call's marker, or None. Reads back to the call, newest first."""
    after: str | None = None
    while True:
        found = await _page(api, what, {"page[size]": 100, "page[after]": after, "sort": _NEWEST})
        for one in found.comments:
            if one.audit_id is None or one.public is not public or is_before(api, one.created_at):
                continue
            if await carries_marker(api, what.ticket_id, one.audit_id):
                return Comment.model_validate(one.model_dump())
        if not found.meta.has_more or any(is_before(api, one.created_at) for one in found.comments[-1:]):
            return None
        after = found.meta.after_cursor


async def _write(api: Upstream, what: _Write, *, public: bool, **more: object) -> Comment:
    comment: dict[str, object] = {"body": what.body, "public": public}
    if what.uploads:
        comment["uploads"] = what.uploads
    ticket = {"comment": comment, **more, **metadata(api), **guarded(what.if_updated_at)}
    return _written(api, await api.put(TICKET, what, json={"ticket": ticket}))


def _written(api: Upstream, response: Response) -> Comment:
    """Return the comment among the events of the audit that the answer comes with.

    Raises `UpstreamInvalidResponse` where there is none.
    """
    audit = api.read(_Updated, response).audit
    for event in audit.events:
        if event.get("type") == "Comment":
            return api.read(Comment, replace(response, body=orjson.dumps({"created_at": audit.created_at, **event})))
    raise UpstreamInvalidResponse("Zendesk's answer names no comment.", hint="Look with `zendesk.comment.list`.")


async def find_created(api: Upstream, new: CreateComment) -> Comment | None:
    """Return the note that this call has written, or None."""
    return await _find(api, new, public=False)


@zendesk.action(
    "comment.create",
    scopes={"zendesk:comment:write"},
    effect=Effect.CREATE,
    resource=OF_TICKET,
    vendor_scopes=WRITE_TICKETS | READ,
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=False),
    undo=Irreversible("Zendesk deletes no comments."),
    examples=[{"ticket_id": 35436, "body": "The customer called: it is **urgent**."}],
)
async def create_comment(api: Upstream, new: CreateComment) -> Comment:
    """Write an internal note on a ticket: agents see it, the requester does not.

    To answer the customer use `zendesk.comment.reply`.
    """
    return await _write(api, new, public=False)


async def find_sent(api: Upstream, what: Reply) -> Comment | None:
    """Return the reply that this call has sent, or None."""
    return await _find(api, what, public=True)


@zendesk.action(
    "comment.reply",
    scopes={"zendesk:reply:write"},
    # Who gets it only the ticket says, so a grant that bounds recipients refuses it.
    effect=Effect.SEND,
    resource=OF_TICKET,
    vendor_scopes=WRITE_TICKETS | READ,
    idempotency=Reconcile(find_sent, settle=SETTLE, consistent=False),
    undo=Irreversible("The requester and the copied people have got it by e-mail."),
    examples=[{"ticket_id": 35436, "body": "It is on its way to you.", "status": "pending"}],
)
async def reply(api: Upstream, what: Reply) -> Comment:
    """Answer publicly on a ticket: the requester and everybody copied see it and usually get it by e-mail.

    It cannot be taken back. Name `if_updated_at`, so that it is not sent if the customer has written meanwhile. For a
    note among agents use `zendesk.comment.create`.
    """
    status = {} if what.status is None else {"status": what.status}
    return await _write(api, what, public=True, **status)
