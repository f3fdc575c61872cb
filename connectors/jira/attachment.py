"""Files of issues. An attachment's id does not say whose it is, so it is always looked for in its issue.

Source: Jira Cloud platform REST API v3, "Issue attachments".
"""

import hashlib
import mimetypes
from typing import Annotated

from pydantic import Field, TypeAdapter, model_validator

from connectors.jira.connector import READ, WRITE, jira
from connectors.jira.issue_view import Attachment
from connectors.jira.names import ISSUE, OF_ISSUE, THE_ISSUE, Id, OfIssue, stayed
from connectors.jira.tracing import SETTLE, SKEW
from connectors.sdk import (
    Done,
    Effect,
    FileRef,
    Irreversible,
    Output,
    Page,
    Reconcile,
    StoredFile,
    Undo,
    Upstream,
    UpstreamNotFound,
)
from connectors.sdk.exchange import FileContent

_LARGEST = 25 * 1024 * 1024
_LIST = TypeAdapter(list[Attachment])

FileName = Annotated[str, Field(pattern=r'^[^/\\"\x00-\x1f\x7f]{1,255}$', description="As people shall see it.")]


class OneAttachment(OfIssue):
    """One attachment of an issue."""

    attachment: Id = Field(description="The attachment's id, from `jira.attachment.list`.")


class CreateAttachment(OfIssue):
    """The file to attach, as `text` or as an uploaded `file`."""

    name: FileName
    text: str | None = Field(default=None, max_length=900_000, description="The content of a text file.")
    file: FileRef | None = Field(default=None, description="An uploaded file.")

    @model_validator(mode="after")
    def _has_one_content(self) -> "CreateAttachment":
        if (self.text is None) == (self.file is None):
            raise ValueError("give either `text` or `file`")
        return self


class _Fields(Output):
    attachment: list[Attachment] = Field(default_factory=list[Attachment])


class _Issue(Output):
    key: str
    fields: _Fields


async def _of_issue(api: Upstream, key: str) -> list[Attachment]:
    """Read an issue's attachments. Raises `UpstreamNotFound` where it was moved out of its project."""
    issue = api.read(_Issue, await api.get(ISSUE, {"issue": key}, params={"fields": "attachment"}))
    stayed(key, issue.key)
    return issue.fields.attachment


async def _one(api: Upstream, what: OneAttachment) -> Attachment:
    found = next((one for one in await _of_issue(api, what.issue) if one.id == what.attachment), None)
    if found is None:
        raise UpstreamNotFound(
            f"{what.issue} has no attachment {what.attachment}.", hint="`jira.attachment.list` lists what it has."
        )
    return found


@jira.action(
    "attachment.list",
    scopes={"jira:attachment:read"},
    effect=Effect.READ,
    resource=THE_ISSUE,
    vendor_scopes=READ,
)
async def list_attachments(api: Upstream, what: OfIssue) -> Page[Attachment]:
    """List all files of an issue; `jira.attachment.download` fetches one."""
    return Page[Attachment](items=await _of_issue(api, what.issue))


@jira.action(
    "attachment.download",
    scopes={"jira:attachment:read"},
    effect=Effect.READ,
    resource=THE_ISSUE,
    vendor_scopes=READ,
)
async def download_attachment(api: Upstream, what: OneAttachment) -> StoredFile:
    """Fetch a file of an issue, up to 25 MiB, and keep it as a file that you can read for 24 h."""
    known = await _one(api, what)
    headers = {"Accept": "*/*"}
    params = {"redirect": False}
    path = "/attachment/content/{attachment}"
    response = await api.get(path, what, params=params, headers=headers, max_bytes=_LARGEST)
    return await api.save(response.body, known.media_type or "application/octet-stream")


async def find_created(api: Upstream, new: CreateAttachment) -> Attachment | None:
    """Return a file of that name and size that this account attached since the call, or None.

    Attachments take no properties: the same file that another call of this account attached meanwhile looks the same.
    """
    size = len((await _content(api, new)).content)
    for one in reversed(await _of_issue(api, new.issue)):
        ours = one.author is None or not api.account or one.author.account_id == api.account
        fresh = api.since is None or one.created_at >= api.since - SKEW
        if ours and fresh and (one.name, one.size) == (new.name, size):
            return one
    return None


@jira.action(
    "attachment.create",
    scopes={"jira:attachment:write"},
    effect=Effect.CREATE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=True),
    undo=Undo("jira.attachment.delete", note="Watchers were notified."),
    examples=[{"issue": "OPS-1", "name": "error.log", "text": "ERROR out of memory"}],
)
async def create_attachment(api: Upstream, new: CreateAttachment) -> Attachment:
    """Attach a file to an issue: one that was uploaded, or a text; watchers are notified.

    Several files may have one name.
    """
    boundary, body = _form(new.name, await _content(api, new))
    headers = {"X-Atlassian-Token": "no-check", "Content-Type": f"multipart/form-data; boundary={boundary}"}
    response = await api.post(ISSUE + "/attachments", new, body=body, headers=headers)
    return api.read(_LIST, response)[0]


async def _content(api: Upstream, new: CreateAttachment) -> FileContent:
    if new.file is not None:
        return await api.load(new.file)
    kind = mimetypes.guess_type(new.name)[0] or "text/plain"
    return FileContent((new.text or "").encode(), kind if kind.startswith("text/") else "text/plain")


def _form(name: str, file: FileContent) -> tuple[str, bytes]:
    """Return a form with one file (RFC 7578). The boundary is its content's hash: the same file, the same bytes."""
    boundary = hashlib.sha256(file.content).hexdigest()
    kind = file.media_type if file.media_type.isascii() and file.media_type.isprintable() else ""
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {kind or 'application/octet-stream'}\r\n\r\n"
    )
    return boundary, head.encode() + file.content + f"\r\n--{boundary}--\r\n".encode()


async def find_deleted(api: Upstream, what: OneAttachment) -> Done | None:
    """Return `Done` if the issue can be read and has no such attachment, else None."""
    return None if any(one.id == what.attachment for one in await _of_issue(api, what.issue)) else Done()


@jira.action(
    "attachment.delete",
    scopes={"jira:attachment:delete"},
    effect=Effect.DELETE,
    resource=THE_ISSUE,
    vendor_scopes=WRITE,
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=True),
    undo=Irreversible("Jira keeps no copy of a deleted file."),
    examples=[{"issue": "OPS-1", "attachment": "10001"}],
)
async def delete_attachment(api: Upstream, what: OneAttachment) -> Done:
    """Delete a file of an issue for good. The issue is read first: it must have that file."""
    await _one(api, what)
    return api.done(await api.delete("/attachment/{attachment}", what))
