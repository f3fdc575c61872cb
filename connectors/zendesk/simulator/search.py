"""Search over tickets, users and organizations, from an index that can lag.

The part of the language that is understood: words, phrases, `type`, `status`, `priority`, `ticket_type`, `tags`,
`requester`, `assignee`, `group`, `created` and `updated`, with `:`, `<`, `>` and a leading `-`.
Source: Zendesk help, "Search reference"; developer documentation, "Search".
"""

import operator
import re
from collections.abc import Callable
from typing import Any

from connectors.sdk.simulator import Answer
from connectors.zendesk.simulator import render
from connectors.zendesk.simulator.ask import Ask
from connectors.zendesk.simulator.edits import PRIORITIES, STATUSES
from connectors.zendesk.simulator.people import matches
from connectors.zendesk.simulator.refusals import named
from connectors.zendesk.simulator.routing import Route
from connectors.zendesk.simulator.world import Ticket

MOST = 1_000
_TERM = re.compile(r'(-?)(?:([a-z_]+)(>=|<=|:|<|>))?(?:"([^"]*)"|(\S+))')
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ":": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_RANKS = {"status": STATUSES, "priority": PRIORITIES[::-1]}


def search(ask: Ask) -> Answer:
    """GET /search: at most 1,000 results, by page number."""
    if not ask.query.get("query"):
        raise named(422, "invalid", "The query parameter is required")
    terms = [match.groups() for match in _TERM.finditer(ask.query["query"])]
    kind = next((quoted or word for _, name, _, quoted, word in terms if name == "type"), None)
    rest = [term for term in terms if term[1] != "type"]
    found: list[dict[str, Any]] = []
    if kind in {None, "ticket"}:
        tickets = [one for one in ask.world.tickets.values() if not one.deleted and _indexed(ask, one)]
        hits = [one for one in tickets if all(_fits(ask, one, *term) for term in rest)]
        found += [{**render.ticket(one, ask.root), "result_type": "ticket"} for one in _sorted(ask, hits)]
    if kind in {None, "user"}:
        words = " ".join(f"{name}:{quoted or word}" if name else quoted or word for _, name, _, quoted, word in rest)
        users = [one for one in ask.world.users.values() if matches(one, words)]
        found += [{**render.user(one, ask.root), "result_type": "user"} for one in users]
    return ask.by_number("results", found, lambda one: one, MOST, 422)


def _indexed(ask: Ask, ticket: Ticket) -> bool:
    return ticket.created_at <= ask.now - ask.index_lag


def _sorted(ask: Ask, found: list[Ticket]) -> list[Ticket]:
    key = ask.query.get("sort_by", "updated_at")
    down = ask.query.get("sort_order", "desc") == "desc"
    if key in _RANKS:
        return sorted(found, key=lambda one: _rank(key, getattr(one, key)), reverse=down)
    if key == "ticket_type":
        return sorted(found, key=lambda one: one.type or "", reverse=down)
    return sorted(found, key=lambda one: (getattr(one, key, 0), one.id), reverse=down)


def _fits(ask: Ask, ticket: Ticket, minus: str, name: str | None, sign: str, quoted: str | None, word: str) -> bool:
    wanted = (quoted if quoted is not None else word).lower()
    if name is None:
        texts = [ticket.subject, *(comment.body for comment in ticket.comments)]
        return any(wanted in text.lower() for text in texts) != bool(minus)
    return _holds(ask, ticket, name, sign, wanted) != bool(minus)


def _holds(ask: Ask, ticket: Ticket, name: str, sign: str, wanted: str) -> bool:
    if name in _RANKS:
        return _COMPARE[sign](_rank(name, getattr(ticket, name)), _rank(name, wanted))
    if name in {"created", "updated"}:
        day = render.stamp(getattr(ticket, f"{name}_at"))[: len(wanted)]
        return _COMPARE[sign](day.lower(), wanted)
    if name == "tags":
        return wanted in ticket.tags
    if name == "ticket_type":
        return ticket.type == wanted
    if name in {"requester", "assignee", "group"}:
        return _is(ask, getattr(ticket, f"{name}_id"), wanted)
    return False


def _is(ask: Ask, number: int | None, wanted: str) -> bool:
    if wanted == "none" or number is None:
        return number is None and wanted == "none"
    user, group = ask.world.users.get(number), ask.world.groups.get(number)
    known = [str(number)]
    known += [user.email.lower(), user.name.lower()] if user else [group.name.lower()] if group else []
    return wanted in known


def _rank(name: str, value: str | None) -> int:
    return _RANKS[name].index(value) if value in _RANKS[name] else -1


ROUTES = (Route("GET", "/api/v2/search", search),)
