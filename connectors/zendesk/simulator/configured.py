"""What administrators set up: ticket fields, views and macros. Source: Zendesk Ticketing API v2."""

from typing import Any

from connectors.sdk.simulator import Answer
from connectors.zendesk.simulator import render
from connectors.zendesk.simulator.ask import Ask
from connectors.zendesk.simulator.refusals import not_found
from connectors.zendesk.simulator.routing import Route


def list_fields(ask: Ask) -> Answer:
    """GET /ticket_fields."""
    return ask.page("ticket_fields", list(ask.world.fields.values()), lambda one: render.ticket_field(one, ask.root))


def list_views(ask: Ask) -> Answer:
    """GET /views."""
    found = [view for view in ask.world.views.values() if _wanted(ask, active=view.active)]
    return ask.page("views", found, lambda one: render.view(one, ask.root))


def list_view_tickets(ask: Ask) -> Answer:
    """GET /views/{view_id}/tickets."""
    view = ask.world.views.get(ask.number("view_id"))
    if view is None:
        raise not_found()
    found = [one for one in ask.world.tickets.values() if one.status in view.statuses and not one.deleted]
    return ask.page("tickets", found, lambda ticket: render.ticket(ticket, ask.root))


def list_macros(ask: Ask) -> Answer:
    """GET /macros."""
    found = [macro for macro in ask.world.macros.values() if _wanted(ask, active=macro.active)]
    return ask.page("macros", found, lambda one: render.macro(one, ask.root))


def apply_macro(ask: Ask) -> Answer:
    """GET /tickets/{ticket_id}/macros/{macro_id}/apply: shows, changes nothing."""
    ticket, macro = ask.ticket(), ask.world.macros.get(ask.number("macro_id"))
    if macro is None:
        raise not_found()
    shown: dict[str, Any] = {**render.ticket(ticket, ask.root), **macro.changes}
    del shown["fields"]  # the description has an object here, real answers a list
    if macro.comment is not None:
        shown["comment"] = {"body": macro.comment, "public": True, "scoped_body": [["channel:all", macro.comment]]}
    return Answer.of({"result": {"ticket": shown}})


def _wanted(ask: Ask, *, active: bool) -> bool:
    return "active" not in ask.query or (ask.query["active"] == "true") == active


ROUTES = (
    Route("GET", "/api/v2/ticket_fields", list_fields),
    Route("GET", "/api/v2/views", list_views),
    Route("GET", "/api/v2/views/{view_id}/tickets", list_view_tickets),
    Route("GET", "/api/v2/macros", list_macros, "macros"),
    Route("GET", "/api/v2/tickets/{ticket_id}/macros/{macro_id}/apply", apply_macro),
)
