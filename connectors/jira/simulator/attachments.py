"""Files of issues. Shapes: `Attachment`, `AttachmentMetadata`."""

import re
from urllib.parse import unquote

from connectors.jira.simulator import render
from connectors.jira.simulator.ask import Ask
from connectors.jira.simulator.refusals import not_found, refusal
from connectors.jira.simulator.routing import WRITE, Route
from connectors.jira.simulator.world import Attachment, Issue
from connectors.sdk.simulator import Answer

LARGEST = 20 * 1024 * 1024
_OTHER = "application/octet-stream"
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_NAME = re.compile(r"""filename\*=utf-8''(\S+)|filename="([^"]*)\"""", re.IGNORECASE)
_KIND = re.compile(r"^content-type: *(\S+)", re.IGNORECASE | re.MULTILINE)


def add_attachments(ask: Ask) -> Answer:
    """POST /issue/{issue}/attachments, multipart, against forged requests only with `X-Atlassian-Token`."""
    if ask.call.headers.get("x-atlassian-token") != "no-check":
        raise refusal(403, "XSRF check failed")
    issue = ask.issue()
    files = _files(ask)
    if not files or len(files) > 60:
        raise refusal(400, "No file was sent under the name `file`." if not files else "Too many files.")
    made: list[Attachment] = []
    for name, kind, content in files:
        if len(content) > LARGEST:
            raise refusal(413, "The attachment is too large.")
        made.append(Attachment(ask.world.next_id(), ask.user, name, kind, content, ask.now))
    issue.attachments += made
    issue.updated = ask.now
    return ask.applied([render.attachment(one, ask) for one in made])


def get_attachment(ask: Ask) -> Answer:
    """GET /attachment/{id}. Its id is a number here, and nothing says whose it is."""
    _, found = _find(ask)
    return Answer.of({**render.attachment(found, ask), "id": int(found.id)})


def get_content(ask: Ask) -> Answer:
    """GET /attachment/content/{id}: the bytes with `redirect=false`, else a redirect to them."""
    _, found = _find(ask)
    if ask.query.get("redirect") != "false":
        return Answer(303, b"", {"location": f"{ask.api}/attachment/content/{found.id}?redirect=false"})
    return Answer(200, found.content, {"content-type": found.media_type})


def delete_attachment(ask: Ask) -> Answer:
    """DELETE /attachment/{id}."""
    issue, found = _find(ask)
    issue.attachments.remove(found)
    return ask.done()


def _find(ask: Ask) -> tuple[Issue, Attachment]:
    for issue in ask.world.issues.values():
        for one in issue.attachments:
            if one.id == ask.value("id") and ask.sees(issue):
                return issue, one
    raise not_found(f"The attachment with id '{ask.value('id')}'")


def _files(ask: Ask) -> list[tuple[str, str, bytes]]:
    """Return name, media type and content of the files in a form (RFC 7578)."""
    told = _BOUNDARY.search(ask.call.headers.get("content-type", ""))
    if told is None:
        return []
    pieces = (b"\r\n" + ask.call.body).split(b"\r\n--" + told.group(1).encode())
    found: list[tuple[str, str, bytes]] = []
    for piece in pieces[1:-1]:
        raw, _, content = piece.partition(b"\r\n\r\n")
        head = raw.decode("utf-8", "replace")
        name, kind = _NAME.search(head), _KIND.search(head)
        if 'name="file"' in head and name is not None:
            found.append((unquote(name.group(1) or "") or name.group(2), kind.group(1) if kind else _OTHER, content))
    return found


ROUTES = (
    Route("POST", "/issue/{issue}/attachments", add_attachments, WRITE),
    Route("GET", "/attachment/{id}", get_attachment),
    Route("GET", "/attachment/content/{id}", get_content),
    Route("DELETE", "/attachment/{id}", delete_attachment, WRITE),
)
