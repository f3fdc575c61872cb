"""One authenticated request to Zendesk, as the resources' handlers see it."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

import orjson

from connectors.sdk.simulator import Answer, Call
from connectors.zendesk.simulator.refusals import invalid, malformed, mispaged, named, not_found
from connectors.zendesk.simulator.world import Ticket, User, World

ItemT = TypeVar("ItemT")
MAX_PAGE = 100
DEEPEST = 10_000
_PRE = "p:"


@dataclass(frozen=True, slots=True)
class Ask:
    """The request, who makes it, and what there is. `index_lag` is how many seconds searches are behind."""

    call: Call
    world: World
    user: User
    now: float
    index_lag: float = 0.0

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters."""
        return self.call.query

    @property
    def root(self) -> str:
        """What URLs of records start with."""
        return f"{self.call.root}/api/v2"

    def number(self, name: str) -> int:
        """Return a number of the path; anything else is not found."""
        text = self.call.values[name]
        if not text.isdigit():
            raise not_found()
        return int(text)

    def fields(self, name: str) -> dict[str, Any]:
        """Return the members of the object that a body holds under a name. Raises 400 where there is none."""
        value = self.body().get(name)
        if not isinstance(value, dict):
            raise malformed(f"Parameter {name} is required")
        return cast("dict[str, Any]", value)

    def body(self) -> dict[str, Any]:
        """Return the body's members. Raises 400 where it cannot be read."""
        try:
            return self.call.fields()
        except (orjson.JSONDecodeError, ValueError) as error:
            raise malformed("Unexpected token in JSON") from error

    def ticket(self) -> Ticket:
        """Return the ticket of the path."""
        found = self.world.tickets.get(self.number("ticket_id"))
        if found is None or found.deleted:
            raise not_found()
        return found

    def page(self, name: str, items: Sequence[ItemT], render: Callable[[ItemT], object]) -> Answer:
        """Answer one page: with a cursor where `page[size]` is asked for, else by page number."""
        if "page[size]" in self.query:
            return self._by_cursor(name, items, render)
        return self.by_number(name, items, render, DEEPEST)

    def _by_cursor(self, name: str, items: Sequence[ItemT], render: Callable[[ItemT], object]) -> Answer:
        size = _size(self.query["page[size]"])
        start = _position(self.query.get("page[after]"))
        shown = items[start : start + size]
        end = start + len(shown)
        more = end < len(items)
        after, before = (_cursor(end), _cursor(start)) if shown else (None, None)
        following = {**self.query, "page[after]": after or ""}
        links = {"next": self._url(following) if more else None, "prev": None}
        meta = {"has_more": more, "after_cursor": after, "before_cursor": before}
        return Answer.of({name: [render(item) for item in shown], "meta": meta, "links": links})

    def by_number(
        self, name: str, items: Sequence[ItemT], render: Callable[[ItemT], object], most: int, status: int = 400
    ) -> Answer:
        """Answer one page by its number. Raises where it lies beyond the `most` that are given."""
        size = _size(self.query.get("per_page", "100"))
        number = int(self.query["page"]) if self.query.get("page", "").isdigit() else 1
        if number * size > most and number > 1:
            raise named(status, "InvalidPaginationDepth", "Requested response size was greater than the limits")
        shown = items[(number - 1) * size : number * size]
        more = number * size < len(items)
        body = {
            name: [render(item) for item in shown],
            "next_page": self._url({**self.query, "page": str(number + 1)}) if more else None,
            "previous_page": self._url({**self.query, "page": str(number - 1)}) if number > 1 else None,
            "count": len(items),
        }
        return Answer.of(body)

    def applied(self, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """Answer with what a write has made."""
        self.call.applied()
        return Answer.of(value, status, headers or {})

    def done(self, status: int = 204) -> Answer:
        """Answer a write that gives nothing back."""
        self.call.applied()
        return Answer(status)

    def _url(self, query: Mapping[str, str]) -> str:
        return f"{self.call.root}{self.call.path}?{urlencode(query)}"


def text_of(fields: Mapping[str, Any], name: str, *, required: bool = False) -> str | None:
    """Return a text member. Raises 422 where it is of another type, or blank and required."""
    value = fields.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and not value.strip()):
        raise invalid(name, f"{name.capitalize()}: cannot be blank", "BlankValue")
    return value


def _size(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise mispaged("page[size] is not a positive number")
    return min(int(text), MAX_PAGE)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"{_PRE}{position}".encode()).decode()


def _position(cursor: str | None) -> int:
    if not cursor:
        return 0
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise mispaged("page[after] is not valid") from error
    if not text.startswith(_PRE) or not text[len(_PRE) :].isdigit():
        raise mispaged("page[after] is not valid")
    return int(text[len(_PRE) :])
