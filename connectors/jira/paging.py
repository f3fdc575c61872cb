"""Jira's paging: by position (`startAt`) almost everywhere, by a token in searches.

The cursor is the position or the token alone, so a page's other parameters always come from the input.
Source: Jira Cloud platform REST API v3, "Pagination".
"""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field

from connectors.sdk import Output, Page, PageQuery
from connectors.sdk.errors import InvalidCursor

ItemT = TypeVar("ItemT")


class Position(Output):
    """Where a page is. Jira may give less than was asked for; some lists do not say how much there is."""

    start: int = Field(default=0, validation_alias="startAt")
    total: int | None = None
    last: bool | None = Field(default=None, validation_alias="isLast")


def start_of(query: PageQuery) -> int:
    """Return the position of the page that the query asks for. Raises `InvalidCursor`."""
    if query.cursor is None:
        return 0
    if not (query.cursor.isascii() and query.cursor.isdigit() and len(query.cursor) < 10):
        raise InvalidCursor("The cursor is none of this action's.", hint="Leave it out to start from the first page.")
    return int(query.cursor)


def paged(query: PageQuery, /, **params: object) -> Mapping[str, object]:
    """Return the parameters of the page that the query asks for. Raises `InvalidCursor`."""
    return {**params, "startAt": start_of(query), "maxResults": query.limit}


def page(position: Position, items: list[ItemT]) -> Page[ItemT]:
    """Return one page. The next begins after what has come, not after what was asked for."""
    end = position.start + len(items)
    more = end < position.total if position.total is not None else not position.last
    return Page(items=items, next_cursor=str(end) if items and more and not position.last else None)


def unbounded(query: PageQuery, items: list[ItemT]) -> Page[ItemT]:
    """Return one page of a bare array. Jira drops hidden people after it has cut the page, so short ones go on."""
    start = start_of(query) + query.limit
    return Page(items=items, next_cursor=str(start) if items else None)
