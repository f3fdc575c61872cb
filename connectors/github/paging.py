"""GitHub's paging: the `Link` header names the next page, and its query says where that is.

The cursor is that position alone (`page=2`, `after=...`), so a page's other parameters always come from the input.
Source: GitHub documentation, "Using pagination in the REST API".
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from connectors.sdk import PageQuery, Response
from connectors.sdk.errors import InvalidCursor

_LINK = re.compile(r'<([^>]*)>\s*;[^,]*\brel="next"')
_POSITIONS = ("page", "after", "before")


def next_page(response: Response) -> str | None:
    """Return the cursor of the next page, or None on the last one."""
    link = _LINK.search(response.headers.get("link", ""))
    if link is None:
        return None
    query = dict(parse_qsl(urlsplit(link.group(1)).query))
    return urlencode({name: query[name] for name in _POSITIONS if name in query}) or None


def paged(query: PageQuery, **params: object) -> Mapping[str, object]:
    """Return the parameters of the page that the query asks for. Raises `InvalidCursor`."""
    if query.cursor is None:
        return {**params, "per_page": query.limit}
    position = dict(parse_qsl(query.cursor))
    if not position or not set(position) <= set(_POSITIONS):
        raise InvalidCursor("The cursor is none of this action's.", hint="Leave it out to start from the first page.")
    return {**params, "per_page": query.limit, **position}
