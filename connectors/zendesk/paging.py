"""Zendesk's paging: by cursor where the list has one, by page number in searches and in lists of settings.

A list that is asked for `page[size]` answers with `meta`; one that does not is not taken for a last page.
Source: Zendesk developer documentation, "Pagination".
"""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import model_validator

from connectors.sdk import Output, Page, PageQuery
from connectors.sdk.errors import InvalidCursor

ItemT = TypeVar("ItemT")
# Zendesk refuses to read further.
MOST_FOUND = 1_000
MOST_LISTED = 10_000


class Meta(Output):
    """Where a page stands. The cursor is there on the last page too."""

    has_more: bool
    after_cursor: str | None = None

    @model_validator(mode="after")
    def _leads_on(self) -> "Meta":
        if self.has_more and not self.after_cursor:
            raise ValueError("there is more, and no cursor that leads to it")
        return self


class Cut(Output):
    """An answer to a request with `page[size]`."""

    meta: Meta


class Numbered(Output):
    """An answer to a request with `page`. `next_page` is a URL."""

    next_page: str | None


def cursored(query: PageQuery, /, **params: object) -> Mapping[str, object]:
    """Return the parameters of the page that the query asks for."""
    return {**params, "page[size]": query.limit, "page[after]": query.cursor}


def by_cursor(cut: Cut, items: list[ItemT]) -> Page[ItemT]:
    """Return one page of a list with cursors."""
    return Page(items=items, next_cursor=cut.meta.after_cursor if cut.meta.has_more else None)


def numbered(query: PageQuery, /, **params: object) -> Mapping[str, object]:
    """Return the parameters of the page that the query asks for. Raises `InvalidCursor`."""
    return {**params, "page": _number(query), "per_page": query.limit}


def by_number(answer: Numbered, query: PageQuery, items: list[ItemT], most: int = MOST_LISTED) -> Page[ItemT]:
    """Return one page of a list with page numbers; none follows beyond the `most` items that Zendesk gives."""
    following = _number(query) + 1
    more = answer.next_page is not None and following * query.limit <= most
    return Page(items=items, next_cursor=str(following) if more else None)


def _number(query: PageQuery) -> int:
    if query.cursor is None:
        return 1
    if not (query.cursor.isascii() and query.cursor.isdigit() and len(query.cursor) < 6):
        raise InvalidCursor("The cursor is none of this action's.", hint="Leave it out to start from the first page.")
    return int(query.cursor)
