"""Zendesk Support: tickets, their conversations, files and history, people, organizations, views and macros."""

from connectors.zendesk import (
    attachment,
    audit,
    comment,
    group,
    macro,
    organization,
    ticket,
    ticket_batch,
    ticket_create,
    ticket_field,
    ticket_search,
    ticket_state,
    user,
    view,
)
from connectors.zendesk.connector import zendesk

__all__ = [
    "attachment",
    "audit",
    "comment",
    "group",
    "macro",
    "organization",
    "ticket",
    "ticket_batch",
    "ticket_create",
    "ticket_field",
    "ticket_search",
    "ticket_state",
    "user",
    "view",
    "zendesk",
]
