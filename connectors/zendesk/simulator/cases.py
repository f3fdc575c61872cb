"""An account with something of everything, and one valid input for every action of the Zendesk connector.

`arrange(simulator)` fills the simulated account without leaving a trace in its record of effects, and returns the
inputs by action name. The contract suite runs every action with them.
"""

from typing import Any

from connectors.zendesk.simulator.server import ZendeskSimulator
from connectors.zendesk.simulator.world import Audit, Comment, File, Ticket, World


def arrange(simulator: ZendeskSimulator) -> dict[str, dict[str, Any]]:
    """Fill the world and return one valid input for every action."""
    world, now = simulator.world, simulator.clock()
    first, deleted, second = world.tickets[1], world.tickets[2], world.tickets[3]
    deleted.deleted = True
    first.tags, first.external_id = ["printer"], "crm-9"
    file = _talk(world, first, now)
    fields = [str(field.id) for field in world.fields.values() if field.removable]
    agent, berta, ana, _ = world.users
    support, billing = world.groups
    brand = next(iter(world.brands))
    globex, _ = world.organizations
    macro = next(iter(world.macros))
    world.jobs["8b726e606741012ffc2d782bcb7848fe"] = _job()
    return {
        "zendesk.attachment.create": {"text": "It smells.", "name": "note.txt"},
        "zendesk.attachment.download": {"ticket_id": 1, "attachment_id": file.id},
        "zendesk.audit.list": {"ticket_id": 1},
        "zendesk.comment.create": {"ticket_id": 1, "body": "The customer called."},
        "zendesk.comment.list": {"ticket_id": 1, "order": "newest"},
        "zendesk.comment.reply": {"ticket_id": 1, "body": "It is on its way.", "status": "pending"},
        "zendesk.group.list": {},
        "zendesk.job.get": {"job_id": "8b726e606741012ffc2d782bcb7848fe"},
        "zendesk.macro.list": {"active": True},
        "zendesk.macro.preview": {"ticket_id": 1, "macro_id": macro},
        "zendesk.organization.get": {"organization_id": globex},
        "zendesk.organization.list": {},
        "zendesk.organization.search": {"name": "globex"},
        "zendesk.ticket.add_tag": {"ticket_id": 1, "tags": ["VIP", "smoke"]},
        "zendesk.ticket.assign": {"ticket_id": 1, "assignee_id": berta, "group_id": billing},
        "zendesk.ticket.create": {
            "subject": "Order toner",
            "body": "Twelve of them.",
            "priority": "low",
            "type": "task",
            "status": "open",
            "due_at": "2030-01-02T03:04:05Z",
            "tags": ["toner"],
            "group_id": support,
            "assignee_id": agent,
            "brand_id": brand,
            "requester_id": ana,
            "external_id": "crm-12",
            "custom_fields": {fields[0]: "A-1", fields[1]: "toner"},
        },
        "zendesk.ticket.create_public": {
            "subject": "Your order is late",
            "body": "We are looking into it.",
            "requester_email": "dora@initech.example",
            "requester_name": "Dora Diaz",
            "cc_emails": ["ana@globex.example"],
        },
        "zendesk.ticket.delete": {"ticket_id": 1},
        "zendesk.ticket.get": {"ticket_id": 1},
        "zendesk.ticket.list": {"sort": "-id"},
        "zendesk.ticket.remove_tag": {"ticket_id": 1, "tags": ["printer"]},
        "zendesk.ticket.restore": {"ticket_id": deleted.id},
        "zendesk.ticket.search": {"query": "status<solved created>2020-01-01", "sort_by": "created_at"},
        "zendesk.ticket.update": {
            "ticket_id": 1,
            "subject": "The printer is out",
            "status": "pending",
            "priority": "high",
            "type": "task",
            "due_at": "2030-01-02T03:04:05Z",
            "custom_fields": {fields[1]: "printer"},
        },
        "zendesk.ticket.update_many": {
            "ticket_ids": [first.id, second.id],
            "priority": "low",
            "add_tags": ["backlog"],
            "remove_tags": ["printer"],
        },
        "zendesk.ticket_field.list": {},
        "zendesk.user.create": {
            "name": "Emil Eck",
            "email": "emil@globex.example",
            "organization_id": globex,
            "external_id": "crm-7-2",
        },
        "zendesk.user.get": {"user_id": ana},
        "zendesk.user.search": {"query": "role:end-user"},
        "zendesk.user.update": {"user_id": ana, "phone": "+4930123456", "notes": "Prefers calls."},
        "zendesk.view.list": {},
        "zendesk.view.list_tickets": {"view_id": next(iter(world.views))},
    }


def _talk(world: World, ticket: Ticket, now: float) -> File:
    """Write a note with a file, and return the file."""
    file = File(world.next_id(), "log.txt", "text/plain", b"smoke detected\n", "f" * 32)
    world.files[file.token] = file
    audit = Audit(world.next_id(), ticket.submitter_id, now)
    comment = Comment(world.next_id(), audit.id, ticket.submitter_id, "See the log.", False, now, [file])
    event = {"type": "Comment", "author_id": comment.author_id, "body": comment.body, "public": False}
    audit.events.append({"id": comment.id, **event})
    ticket.comments.append(comment)
    ticket.audits.append(audit)
    return file


def _job() -> dict[str, Any]:
    result = {"id": 1, "action": "update", "status": "Updated", "success": True}
    return {
        "id": "8b726e606741012ffc2d782bcb7848fe",
        "job_type": "Bulk Update Ticket",
        "url": "https://acme.zendesk.com/api/v2/job_statuses/8b726e606741012ffc2d782bcb7848fe.json",
        "total": 1,
        "progress": 1,
        "status": "completed",
        "message": "Completed",
        "results": [result],
    }
