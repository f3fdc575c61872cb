"""Changing one ticket: its fields, its comment, and the audit that says so.

Source: Zendesk developer documentation, "Creating and updating tickets"; Ticketing API, "Ticket audits".
"""

from collections.abc import Mapping
from typing import Any, cast

from connectors.zendesk.simulator import render
from connectors.zendesk.simulator.ask import Ask, text_of
from connectors.zendesk.simulator.refusals import collision, invalid
from connectors.zendesk.simulator.world import Audit, Comment, File, Ticket

STATUSES = ("new", "open", "pending", "hold", "solved", "closed")
PRIORITIES = ("urgent", "high", "normal", "low")
TYPES = ("problem", "incident", "question", "task")
MAX_COMMENTS = 5_000
_CHOICES = {"status": STATUSES, "priority": PRIORITIES, "type": TYPES}
_TEXTS = ("subject", "external_id", "due_at")
_KEYS = {
    "requester_id": "users",
    "assignee_id": "users",
    "group_id": "groups",
    "organization_id": "organizations",
    "problem_id": "tickets",
    "brand_id": "brands",
}


def check_current(ticket: Ticket, wanted: Mapping[str, Any]) -> None:
    """Refuse a safe update whose stamp is not the ticket's. `safe_update` counts whatever it says."""
    if "safe_update" in wanted and wanted.get("updated_stamp") != render.stamp(ticket.updated_at):
        raise collision()


def check(ask: Ask, wanted: Mapping[str, Any]) -> None:
    """Refuse values that a ticket cannot take. Nothing is changed before."""
    for name, choices in _CHOICES.items():
        if wanted.get(name) is not None and wanted[name] not in choices:
            raise invalid(name, f"{name.capitalize()}: {wanted[name]} is not a valid value")
    for name in _TEXTS:
        text_of(wanted, name)
    for name, kind in _KEYS.items():
        if wanted.get(name) is not None and wanted[name] not in getattr(ask.world, kind):
            raise invalid(name, f"{name.replace('_', ' ').capitalize()} {wanted[name]} is invalid")
    for field in _custom(wanted):
        if field not in ask.world.fields:
            raise invalid("base", f"Custom field {field} does not exist")
    comment = wanted.get("comment")
    if comment is not None:
        _check_comment(ask, comment)


def _check_comment(ask: Ask, comment: object) -> None:
    if not isinstance(comment, dict):
        raise invalid("comment", "Comment: is invalid")
    said = cast("dict[str, Any]", comment)
    if not (said.get("body") or said.get("html_body")):
        raise invalid("comment", "Comment: cannot be blank", "BlankValue")
    for token in said.get("uploads") or []:
        if token not in ask.world.uploads:
            raise invalid("base", "Upload token is invalid or expired")


def change(ask: Ask, ticket: Ticket, wanted: Mapping[str, Any], *, created: bool = False) -> Audit:
    """Change the fields that differ and write the comment. The audit is kept where it has any event."""
    audit = Audit(ask.world.next_id(), ask.user.id, ask.now, dict(wanted.get("metadata") or {}))
    for name in (*_CHOICES, *_TEXTS, *_KEYS):
        if name in wanted:
            _set(ask, audit, ticket, name, wanted[name], created=created)
    for field, value in _custom(wanted).items():
        before = ticket.custom.get(field)
        if before != value:
            ticket.custom[field] = value
            _event(ask, audit, str(field), value, before, created=created)
    if "tags" in wanted:
        set_tags(ask, audit, ticket, list(wanted["tags"] or []))
    if wanted.get("comment"):
        write(ask, audit, ticket, wanted["comment"])
    keep(ask, audit, ticket)
    return audit


def keep(ask: Ask, audit: Audit, ticket: Ticket) -> None:
    """Keep an audit that has events: only then the ticket counts as updated."""
    if audit.events:
        ticket.audits.append(audit)
        ticket.updated_at = ask.now
        ask.call.applied()


def set_tags(ask: Ask, audit: Audit, ticket: Ticket, tags: list[str]) -> None:
    """Replace the tags: in lower case, once each, sorted."""
    new = sorted({str(tag).lower() for tag in tags})
    if new != ticket.tags:
        before, ticket.tags = ticket.tags, new
        _event(ask, audit, "tags", new, before)


def write(ask: Ask, audit: Audit, ticket: Ticket, said: Mapping[str, Any]) -> Comment:
    """Add a comment. Without `public` it is as the ticket's first one."""
    if len(ticket.comments) >= MAX_COMMENTS:
        raise invalid("base", "Ticket has reached the maximum number of comments")
    public = said.get("public", ticket.comments[0].public if ticket.comments else True)
    files: list[File] = []
    for token in said.get("uploads") or []:
        files += ask.world.uploads.pop(token)
    author = int(said.get("author_id") or ask.user.id)
    body = str(said.get("body") or said.get("html_body"))
    comment = Comment(ask.world.next_id(), audit.id, author, body, bool(public), ask.now, files)
    ticket.comments.append(comment)
    shown = render.comment(comment, ask.root)
    audit.events.append({name: value for name, value in shown.items() if name not in {"created_at", "metadata", "via"}})
    if comment.public:
        recipients = [ticket.requester_id, *ticket.cc_ids]
        notification = {"type": "Notification", "subject": ticket.subject, "body": body, "recipients": recipients}
        audit.events.append({"id": ask.world.next_id(), **notification})
    return comment


def _set(ask: Ask, audit: Audit, ticket: Ticket, name: str, value: Any, *, created: bool) -> None:
    before = getattr(ticket, name)
    if before == value and not created:
        return
    setattr(ticket, name, value)
    if name == "assignee_id" and value is not None and ticket.status == "new":
        ticket.status = "open"
    _event(ask, audit, name, value, before, created=created)


def _event(ask: Ask, audit: Audit, name: str, value: Any, before: Any, *, created: bool = False) -> None:
    event: dict[str, Any] = {"id": ask.world.next_id(), "field_name": name, "value": _shown(value)}
    event["type"] = "Create" if created else "Change"
    if not created:
        event["previous_value"] = _shown(before)
    audit.events.append(event)


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else str(value)


def _custom(wanted: Mapping[str, Any]) -> dict[int, Any]:
    return {int(one["id"]): one.get("value") for one in wanted.get("custom_fields") or []}
