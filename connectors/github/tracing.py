"""Finding again what a call has written: by the marker in its text, or by reading back what it should have changed.

GitHub ends a request after ten seconds, so one that was received is applied within fifteen or never. Its list and get
endpoints read the primary data; the search index lags and is never used here.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from urllib.parse import parse_qsl

import orjson

from connectors.github.names import iso
from connectors.github.paging import next_page
from connectors.sdk import Done, Response, Upstream, UpstreamNotFound

SETTLE = timedelta(seconds=15)
_SKEW = timedelta(seconds=60)
_PAGE = 100


def since(api: Upstream) -> str | None:
    """Return the moment to look back to, with room for clocks that differ."""
    return None if api.since is None else iso(api.since - _SKEW)


async def find_marked(
    api: Upstream, path: str, values: Any, params: Mapping[str, object] | None = None
) -> Response | None:
    """Return the answer cut to the one item of a list whose raw `body` holds the call's marker, or None.

    Reads every page that the parameters leave: a page that was skipped would look like an absence.
    """
    position: dict[str, str] = {}
    while True:
        response = await api.get(path, values, params={**(params or {}), "per_page": _PAGE, **position})
        for item in cast("list[dict[str, Any]]", response.json()):
            if api.comment in (item.get("body") or ""):
                return replace(response, body=orjson.dumps(item))
        cursor = next_page(response)
        if cursor is None:
            return None
        position = dict(parse_qsl(cursor))


async def gone(api: Upstream, path: str, values: Any) -> Done | None:
    """Return `Done` where a thing is absent from a repository that can be read, else None.

    GitHub answers 404 for what is hidden too; the repository tells the two apart. Raises `UpstreamNotFound` where
    the repository cannot be read either.
    """
    try:
        await api.get(path, values)
    except UpstreamNotFound:
        await api.get("/repos/{owner}/{repo}", values)
        return Done()
    return None
