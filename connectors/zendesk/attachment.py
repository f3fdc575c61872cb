"""Files: uploaded first, then named in a comment; downloaded by way of the ticket that they are attached to.

Source: Zendesk Ticketing API v2, "Ticket attachments".
"""

import re
from typing import Annotated
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, model_validator

from connectors.sdk import (
    Effect,
    FileRef,
    Input,
    Irreversible,
    Output,
    StoredFile,
    Unbound,
    Unknowable,
    Upstream,
    UpstreamNotFound,
)
from connectors.sdk.errors import UpstreamInvalidResponse
from connectors.sdk.exchange import FileContent
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import OF_TICKET, TICKET, Id, OfTicket
from connectors.zendesk.paging import Cut
from connectors.zendesk.permissions import READ_TICKETS, WRITE

_LARGEST = 50 * 1024 * 1024
_CONTENT = re.compile(r"^/attachments/token/([^/]{1,200})/?$")

Uploads = Annotated[
    list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")]],
    Field(max_length=20, description="Tokens of `zendesk.attachment.create`; each can be used once, within 3 days."),
]


class Attachment(Output):
    """A file of a comment."""

    id: int
    name: str = Field(validation_alias="file_name")
    media_type: str | None = Field(default=None, validation_alias="content_type")
    size: int = Field(default=0, description="Bytes.")


class Upload(Output):
    """An uploaded file. `token` is what a comment's `uploads` take."""

    token: str
    attachment: Attachment


class CreateAttachment(Input):
    """The file to upload: one that was uploaded to the gateway, or a text."""

    file: FileRef | None = Field(default=None, description="The file.")
    text: str | None = Field(
        default=None, min_length=1, max_length=1_000_000, description="In place of `file`: a text."
    )
    name: str = Field(pattern=r'^[^/\\"\x00-\x1f\x7f]{1,255}$', description="As people shall see it.")

    @model_validator(mode="after")
    def _one_of_two(self) -> "CreateAttachment":
        if (self.file is None) == (self.text is None):
            raise ValueError("name either `file` or `text`")
        return self


class OneAttachment(OfTicket):
    """One attachment of a ticket."""

    attachment_id: Id = Field(description="The attachment's id, from `zendesk.comment.list`.")


class _Uploaded(Output):
    upload: Upload


class _File(Attachment):
    content_url: str


class _Comment(Output):
    attachments: list[_File] = Field(default_factory=list[_File])


class _Comments(Cut):
    comments: list[_Comment]


@zendesk.action(
    "attachment.create",
    scopes={"zendesk:attachment:write"},
    effect=Effect.CREATE,
    resource=Unbound("An upload belongs to no ticket until a comment names its token."),
    vendor_scopes=WRITE,
    idempotency=Unknowable("No list shows uploads. A lost one is not seen by anybody: upload again."),
    undo=Irreversible("Nobody sees an upload that no comment names; Zendesk drops it after three days."),
    examples=[{"file": {"file": "file_00000000000000000000000000"}, "name": "invoice.pdf"}],
)
async def create_attachment(api: Upstream, new: CreateAttachment) -> Upload:
    """Upload a file for a comment. Nobody sees it until a comment or a new ticket names the token in `uploads`."""
    file = await _content(api, new)
    headers = {"Content-Type": file.media_type}
    response = await api.post("/api/v2/uploads", params={"filename": new.name}, body=file.content, headers=headers)
    return api.read(_Uploaded, response).upload


async def _content(api: Upstream, new: CreateAttachment) -> FileContent:
    if new.file is not None:
        return await api.load(new.file)
    return FileContent((new.text or "").encode(), "text/plain; charset=utf-8")


async def _one(api: Upstream, what: OneAttachment) -> _File:
    after: str | None = None
    while True:
        params = {"page[size]": 100, "page[after]": after}
        found = api.read(_Comments, await api.get(TICKET + "/comments", what, params=params))
        for comment in found.comments:
            for file in comment.attachments:
                if file.id == what.attachment_id:
                    return file
        if not found.meta.has_more:
            raise UpstreamNotFound(
                f"Ticket {what.ticket_id} has no attachment {what.attachment_id}.",
                hint="`zendesk.comment.list` names those that it has.",
            )
        after = found.meta.after_cursor


@zendesk.action(
    "attachment.download",
    scopes={"zendesk:attachment:read"},
    effect=Effect.READ,
    resource=OF_TICKET,
    vendor_scopes=READ_TICKETS,
)
async def download_attachment(api: Upstream, what: OneAttachment) -> StoredFile:
    """Fetch a file of a ticket, up to 50 MiB, and keep it as a file that you can read for 24 h.

    The ticket's comments are read first: one of them must have that file.
    """
    known = await _one(api, what)
    url = urlsplit(known.content_url)
    content = _CONTENT.match(url.path)
    if content is None:
        # The host in the URL is not asked: it can be anybody's, and would be sent the credential.
        raise UpstreamInvalidResponse("The attachment's content is not at Zendesk's own address.")
    response = await api.get(
        "/attachments/token/{token}/",
        {"token": unquote(content.group(1))},
        params={"name": parse_qs(url.query).get("name", [None])[0]},
        headers={"Accept": "*/*"},
        max_bytes=_LARGEST,
        download=True,
    )
    return await api.save(response.body, known.media_type or "application/octet-stream")
