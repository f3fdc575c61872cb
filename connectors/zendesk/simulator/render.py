"""Records as Zendesk shows them. Shapes: the schemas of the official description that each function names."""

from datetime import UTC, datetime
from typing import Any

from connectors.zendesk.simulator.world import (
    Audit,
    Comment,
    File,
    Group,
    Macro,
    Organization,
    Ticket,
    TicketField,
    User,
    View,
)

Json = dict[str, Any]


def stamp(at: float) -> str:
    """Return a time to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ticket(one: Ticket, root: str) -> Json:
    """TicketObject."""
    first = one.comments[0] if one.comments else None
    custom = [{"id": field, "value": value} for field, value in one.custom.items()]
    return {
        "url": f"{root}/tickets/{one.id}.json",
        "id": one.id,
        "external_id": one.external_id,
        "via": {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}},
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "generated_timestamp": int(one.updated_at),
        "type": one.type,
        "subject": one.subject,
        "raw_subject": one.subject,
        "description": first.body if first else None,
        "priority": one.priority,
        "status": one.status,
        "recipient": None,
        "requester_id": one.requester_id,
        "submitter_id": one.submitter_id,
        "assignee_id": one.assignee_id,
        "organization_id": one.organization_id,
        "group_id": one.group_id,
        "collaborator_ids": one.cc_ids,
        "follower_ids": [],
        "email_cc_ids": one.cc_ids,
        "problem_id": one.problem_id,
        "has_incidents": False,
        "is_public": any(comment.public for comment in one.comments),
        "due_at": one.due_at,
        "tags": one.tags,
        "custom_fields": custom,
        "fields": custom,
        "satisfaction_rating": {"score": "unoffered"},
        "sharing_agreement_ids": [],
        "followup_ids": [],
        "brand_id": one.brand_id,
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": False,
    }


def file(one: File, root: str) -> Json:
    """AttachmentObject. The content is at the account's own address, by a token."""
    site = root.removesuffix("/api/v2")
    return {
        "url": f"{root}/attachments/{one.id}.json",
        "id": one.id,
        "file_name": one.name,
        "content_url": f"{site}/attachments/token/{one.token}/?name={one.name}",
        "mapped_content_url": f"{site}/attachments/token/{one.token}/?name={one.name}",
        "content_type": one.media_type,
        "size": len(one.content),
        "width": None,
        "height": None,
        "inline": False,
        "deleted": False,
        "malware_access_override": False,
        "malware_scan_result": "malware_not_found",
        "thumbnails": [],
    }


def comment(one: Comment, root: str) -> Json:
    """TicketCommentObject."""
    return {
        "id": one.id,
        "type": "Comment",
        "author_id": one.author_id,
        "body": one.body,
        "html_body": f'<div class="zd-comment" dir="auto">{one.body}</div>',
        "plain_body": one.body,
        "public": one.public,
        "attachments": [file(each, root) for each in one.files],
        "audit_id": one.audit_id,
        "via": {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}},
        "created_at": stamp(one.created_at),
        "metadata": {"system": {}, "custom": {}},
    }


def audit(one: Audit, of: Ticket) -> Json:
    """TicketAuditObject."""
    return {
        "id": one.id,
        "ticket_id": of.id,
        "created_at": stamp(one.created_at),
        "author_id": one.author_id,
        "metadata": {"system": {"client": "", "ip_address": "127.0.0.1"}, "custom": one.custom},
        "events": one.events,
        "via": {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}},
    }


def user(one: User, root: str) -> Json:
    """UserForAdmin."""
    return {
        "id": one.id,
        "url": f"{root}/users/{one.id}.json",
        "name": one.name,
        "email": one.email,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "time_zone": "Berlin",
        "iana_time_zone": "Europe/Berlin",
        "phone": one.phone,
        "shared_phone_number": None,
        "photo": None,
        "locale_id": 1,
        "locale": "en-US",
        "organization_id": one.organization_id,
        "role": one.role,
        "verified": one.verified,
        "external_id": one.external_id,
        "tags": one.tags,
        "alias": "",
        "active": True,
        "shared": False,
        "shared_agent": False,
        "last_login_at": None,
        "two_factor_auth_enabled": None,
        "signature": "",
        "details": "",
        "notes": one.notes,
        "role_type": None,
        "custom_role_id": None,
        "moderator": one.role != "end-user",
        "ticket_restriction": "requested" if one.role == "end-user" else None,
        "only_private_comments": False,
        "restricted_agent": one.role != "admin",
        "suspended": False,
        "report_csv": False,
        "user_fields": {},
    }


def organization(one: Organization, root: str) -> Json:
    """OrganizationObject."""
    return {
        "url": f"{root}/organizations/{one.id}.json",
        "id": one.id,
        "name": one.name,
        "shared_tickets": False,
        "shared_comments": False,
        "external_id": one.external_id,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
        "domain_names": one.domain_names,
        "details": "",
        "notes": one.notes,
        "group_id": one.group_id,
        "tags": [],
        "organization_fields": {},
    }


def group(one: Group, root: str) -> Json:
    """GroupObject."""
    return {
        "url": f"{root}/groups/{one.id}.json",
        "id": one.id,
        "is_public": True,
        "name": one.name,
        "description": "",
        "default": one.default,
        "deleted": False,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
    }


def ticket_field(one: TicketField, root: str) -> Json:
    """TicketFieldObject. Only fields with choices have `custom_field_options`."""
    shown: Json = {
        "url": f"{root}/ticket_fields/{one.id}.json",
        "id": one.id,
        "type": one.type,
        "title": one.title,
        "raw_title": one.title,
        "description": one.title,
        "raw_description": one.title,
        "position": 1,
        "active": True,
        "required": False,
        "collapsed_for_agents": False,
        "regexp_for_validation": None,
        "title_in_portal": one.title,
        "raw_title_in_portal": one.title,
        "visible_in_portal": True,
        "editable_in_portal": True,
        "required_in_portal": False,
        "tag": None,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
        "removable": one.removable,
        "agent_description": None,
    }
    if one.options:
        options = enumerate(one.options, one.id * 10)
        shown["custom_field_options"] = [
            {"id": number, "name": name, "raw_name": name, "value": value} for number, (name, value) in options
        ]
    return shown


def view(one: View, root: str) -> Json:
    """ViewObject."""
    return {
        "url": f"{root}/views/{one.id}.json",
        "id": one.id,
        "title": one.title,
        "active": one.active,
        "default": False,
        "position": 1,
        "description": None,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
        "conditions": {"all": [], "any": []},
        "execution": {},
        "restriction": None,
    }


def macro(one: Macro, root: str) -> Json:
    """MacroObject."""
    actions = [{"field": name, "value": value} for name, value in one.changes.items()]
    if one.comment is not None:
        actions.append({"field": "comment_value", "value": one.comment})
    return {
        "url": f"{root}/macros/{one.id}.json",
        "id": one.id,
        "title": one.title,
        "active": one.active,
        "position": 1,
        "default": False,
        "description": None,
        "actions": actions,
        "restriction": None,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
    }
