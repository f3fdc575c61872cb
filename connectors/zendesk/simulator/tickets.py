"""Tickets, their tags, comments and audits. Source: Zendesk Ticketing API v2, official description."""

import operator
from collections.abc import Callable
from typing import Any, cast

from connectors.sdk.simulator import Answer
from connectors.zendesk.simulator import edits, render
from connectors.zendesk.simulator.ask import Ask, text_of
from connectors.zendesk.simulator.refusals import invalid, mispaged, named, not_found
from connectors.zendesk.simulator.routing import Route
from connectors.zendesk.simulator.world import Audit, Comment, Ticket, User

_SORTS = ("id", "updated_at", "status")


def list_tickets(ask: Ask) -> Answer:
    """GET /tickets: all that are not deleted, exact."""
    found = [ticket for ticket in ask.world.tickets.values() if not ticket.deleted]
    if "external_id" in ask.query:
        found = [ticket for ticket in found if ticket.external_id == ask.query["external_id"]]
    if "page[size]" in ask.query:
        name = ask.query.get("sort", "id")
        if name.removeprefix("-") not in _SORTS:
            raise mispaged(f"sort is not valid: {name}")
        found.sort(key=lambda ticket: (getattr(ticket, name.removeprefix("-")), ticket.id), reverse=name[0] == "-")
    return ask.page("tickets", found, lambda ticket: render.ticket(ticket, ask.root))


def count_tickets(ask: Ask) -> Answer:
    """GET /tickets/count."""
    value = sum(not ticket.deleted for ticket in ask.world.tickets.values())
    return Answer.of({"count": {"value": value, "refreshed_at": render.stamp(ask.now)}})


def get_ticket(ask: Ask) -> Answer:
    """GET /tickets/{ticket_id}."""
    return Answer.of({"ticket": render.ticket(ask.ticket(), ask.root)})


def create_ticket(ask: Ask) -> Answer:
    """POST /tickets. The server has looked at the idempotency key before."""
    wanted = ask.fields("ticket")
    if not wanted.get("comment") and wanted.get("description"):
        wanted["comment"] = {"body": wanted["description"]}
    if not wanted.get("comment"):
        raise invalid("base", "Description: cannot be blank", "BlankValue")
    edits.check(ask, wanted)
    requester = _requester(ask, wanted)
    copied = [_known(ask, str(one.get("user_email")), None) for one in wanted.get("email_ccs") or []]
    brand = wanted.get("brand_id") or next(iter(ask.world.brands))
    ticket = Ticket(
        next(ask.world.numbers), "", requester.id, ask.user.id, brand, ask.now, ask.now, cc_ids=[u.id for u in copied]
    )
    ticket.organization_id = requester.organization_id
    ask.world.tickets[ticket.id] = ticket
    audit = edits.change(ask, ticket, wanted, created=True)
    body = {"ticket": render.ticket(ticket, ask.root), "audit": render.audit(audit, ticket)}
    return ask.applied(body, 201, {"location": f"{ask.root}/tickets/{ticket.id}.json"})


def _requester(ask: Ask, wanted: dict[str, Any]) -> User:
    if wanted.get("requester_id") is not None:
        return ask.world.users[wanted["requester_id"]]
    given = wanted.get("requester")
    if not isinstance(given, dict):
        return ask.user
    fields = cast("dict[str, Any]", given)
    return _known(ask, str(text_of(fields, "email", required=True)), text_of(fields, "name"))


def _known(ask: Ask, email: str, name: str | None) -> User:
    """Return the user with an address; somebody unknown becomes one."""
    return ask.world.user_of(email) or ask.world.add_user(name or email, email, "end-user", ask.now)


def update_ticket(ask: Ask) -> Answer:
    """PUT /tickets/{ticket_id}."""
    ticket, wanted = ask.ticket(), ask.fields("ticket")
    if ticket.status == "closed":
        raise invalid("status", "Status: closed prevents ticket update")
    edits.check_current(ticket, wanted)
    edits.check(ask, wanted)
    audit = edits.change(ask, ticket, wanted)
    return Answer.of({"ticket": render.ticket(ticket, ask.root), "audit": render.audit(audit, ticket)})


def delete_ticket(ask: Ask) -> Answer:
    """DELETE /tickets/{ticket_id}: softly."""
    ask.ticket().deleted = True
    return ask.done()


def restore_ticket(ask: Ask) -> Answer:
    """PUT /deleted_tickets/{ticket_id}/restore."""
    ticket = ask.world.tickets.get(ask.number("ticket_id"))
    if ticket is None or not ticket.deleted:
        raise not_found()
    ticket.deleted = False
    return ask.applied("")


def update_many(ask: Ask) -> Answer:
    """PUT /tickets/update_many?ids=: as a job, which is over when it is asked for."""
    ids = [int(part) for part in ask.query.get("ids", "").split(",") if part.isdigit()]
    wanted = dict(ask.fields("ticket"))
    if not ids or len(ids) > 100:
        raise named(400, "TooManyValues", "Too many records! The limit is 100")
    edits.check(ask, wanted)
    results: list[dict[str, Any]] = []
    for index, number in enumerate(ids):
        ticket = ask.world.tickets.get(number)
        if ticket is None or ticket.deleted or ticket.status == "closed":
            results.append({"id": number, "index": index, "error": "TicketUpdateFailed", "success": False})
            continue
        tags = set(ticket.tags) | set(wanted.get("additional_tags") or []) - set(wanted.get("remove_tags") or [])
        edits.change(ask, ticket, {**wanted, "tags": sorted(tags - set(wanted.get("remove_tags") or []))})
        results.append({"id": number, "action": "update", "status": "Updated", "success": True})
    return Answer.of({"job_status": _job(ask, results)})


def _job(ask: Ask, results: list[dict[str, Any]]) -> dict[str, Any]:
    name = f"{ask.world.next_id():032x}"
    url = f"{ask.root}/job_statuses/{name}.json"
    queued: dict[str, Any] = {"id": name, "job_type": "Bulk Update Ticket", "url": url, "total": len(results)}
    ask.world.jobs[name] = {
        **queued,
        "status": "completed",
        "progress": len(results),
        "message": "Completed",
        "results": results,
    }
    return {**queued, "status": "queued", "progress": None, "message": None, "results": None}


def get_job(ask: Ask) -> Answer:
    """GET /job_statuses/{job_id}."""
    job = ask.world.jobs.get(ask.call.values["job_id"])
    if job is None:
        raise not_found()
    return Answer.of({"job_status": job})


def get_tags(ask: Ask) -> Answer:
    """GET /tickets/{ticket_id}/tags."""
    return Answer.of({"tags": ask.ticket().tags})


def add_tags(ask: Ask) -> Answer:
    """PUT /tickets/{ticket_id}/tags: adds."""
    return _tagged(ask, operator.or_)


def set_tags(ask: Ask) -> Answer:
    """POST /tickets/{ticket_id}/tags: replaces."""
    answer = _tagged(ask, _given)
    return Answer(201, answer.body, answer.headers)


def remove_tags(ask: Ask) -> Answer:
    """DELETE /tickets/{ticket_id}/tags: removes those in the body."""
    _tagged(ask, operator.sub)
    return Answer(204)


def _given(there: set[str], given: set[str]) -> set[str]:
    del there
    return given


def _tagged(ask: Ask, combine: Callable[[set[str], set[str]], set[str]]) -> Answer:
    ticket, body = ask.ticket(), ask.body()
    if ticket.status == "closed":
        raise invalid("status", "Status: closed prevents ticket update")
    edits.check_current(ticket, body)
    given = {str(tag).lower() for tag in body.get("tags") or []}
    audit = Audit(ask.world.next_id(), ask.user.id, ask.now)
    edits.set_tags(ask, audit, ticket, list(combine(set(ticket.tags), given)))
    edits.keep(ask, audit, ticket)
    return Answer.of({"tags": ticket.tags})


def list_comments(ask: Ask) -> Answer:
    """GET /tickets/{ticket_id}/comments, oldest first."""
    found: list[Comment] = list(ask.ticket().comments)
    if ask.query.get("sort") == "-created_at" or ask.query.get("sort_order") == "desc":
        found.reverse()
    return ask.page("comments", found, lambda comment: render.comment(comment, ask.root))


def list_audits(ask: Ask) -> Answer:
    """GET /tickets/{ticket_id}/audits, oldest first."""
    ticket = ask.ticket()
    return ask.page("audits", ticket.audits, lambda audit: render.audit(audit, ticket))


def get_audit(ask: Ask) -> Answer:
    """GET /tickets/{ticket_id}/audits/{audit_id}."""
    ticket, number = ask.ticket(), ask.number("audit_id")
    for audit in ticket.audits:
        if audit.id == number:
            return Answer.of({"audit": render.audit(audit, ticket)})
    raise not_found()


_TICKET = "/api/v2/tickets/{ticket_id}"
ROUTES = (
    Route("GET", "/api/v2/tickets", list_tickets, "tickets"),
    Route("GET", "/api/v2/tickets/count", count_tickets, "tickets"),
    Route("POST", "/api/v2/tickets", create_ticket, "tickets"),
    Route("PUT", "/api/v2/tickets/update_many", update_many, "tickets"),
    Route("GET", _TICKET, get_ticket, "tickets"),
    Route("PUT", _TICKET, update_ticket, "tickets"),
    Route("DELETE", _TICKET, delete_ticket, "tickets"),
    Route("PUT", "/api/v2/deleted_tickets/{ticket_id}/restore", restore_ticket, "tickets"),
    Route("GET", f"{_TICKET}/tags", get_tags, "tickets"),
    Route("PUT", f"{_TICKET}/tags", add_tags, "tickets"),
    Route("POST", f"{_TICKET}/tags", set_tags, "tickets"),
    Route("DELETE", f"{_TICKET}/tags", remove_tags, "tickets"),
    Route("GET", f"{_TICKET}/comments", list_comments, "tickets"),
    Route("GET", f"{_TICKET}/audits", list_audits),
    Route("GET", f"{_TICKET}/audits/{{audit_id}}", get_audit),
    Route("GET", "/api/v2/job_statuses/{job_id}", get_job),
)
