"""Uploads, and the content of attachments. Source: Zendesk Ticketing API v2, "Ticket attachments"."""

import hashlib

from connectors.sdk.simulator import Answer
from connectors.zendesk.simulator import render
from connectors.zendesk.simulator.ask import Ask
from connectors.zendesk.simulator.refusals import malformed, not_found
from connectors.zendesk.simulator.routing import Route
from connectors.zendesk.simulator.world import File


def upload(ask: Ask) -> Answer:
    """POST /uploads?filename=: the body is the file. `token` adds it to an upload that is there."""
    name = ask.query.get("filename")
    if not name or not ask.call.body:
        raise malformed("Parameter filename and a body are required")
    number = ask.world.next_id()
    media_type = ask.call.headers.get("content-type", "application/octet-stream")
    secret = hashlib.sha256(f"file{number}".encode()).hexdigest()[:32]
    file = File(number, name, media_type, ask.call.body, secret)
    token = ask.query.get("token") or hashlib.sha256(f"upload{number}".encode()).hexdigest()[:32]
    ask.world.uploads.setdefault(token, []).append(file)
    ask.world.files[secret] = file
    shown = render.file(file, ask.root)
    attachments = [render.file(one, ask.root) for one in ask.world.uploads[token]]
    return ask.applied({"upload": {"token": token, "attachment": shown, "attachments": attachments}}, 201)


def get_attachment(ask: Ask) -> Answer:
    """GET /attachments/{attachment_id}."""
    number = ask.number("attachment_id")
    for file in ask.world.files.values():
        if file.id == number:
            return Answer.of({"attachment": render.file(file, ask.root)})
    raise not_found()


def content(ask: Ask) -> Answer:
    """GET /attachments/token/{token}/: the bytes."""
    file = ask.world.files.get(ask.call.values["token"])
    if file is None:
        raise not_found()
    return Answer(200, file.content, {"content-type": file.media_type})


ROUTES = (
    Route("POST", "/api/v2/uploads", upload),
    Route("GET", "/api/v2/attachments/{attachment_id}", get_attachment, "tickets"),
    Route("GET", "/attachments/token/{token}", content, "tickets"),
)
