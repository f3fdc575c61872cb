"""Finding again what a call has written: by a marker in an entity property, or by reading back what it changed.

Issues, comments and worklogs take properties when they are made: keys and values that people and agents do not see.
Reads by key come from the database; only the search index lags (see `issue.create`).
Source: Jira Cloud platform REST API v3, "Entity properties".
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from connectors.jira.names import ISSUE, stayed
from connectors.sdk import Done, Upstream, UpstreamNotFound

# The gateway before Jira ends requests after a minute.
SETTLE = timedelta(seconds=75)
SKEW = timedelta(seconds=60)
PROPERTY = "gatehouse"


def properties(api: Upstream, suffix: str = "") -> list[dict[str, str]]:
    """Return the property that a new record carries; none where the call has no marker."""
    return [{"key": PROPERTY, "value": api.marker + suffix}] if api.marker else []


def is_before(api: Upstream, record: Mapping[str, Any]) -> bool:
    """Whether a record was made before the call, with room for clocks that differ."""
    if api.since is None:
        return False
    return datetime.fromisoformat(str(record.get("created"))) < api.since - SKEW


def marker_in(record: Mapping[str, Any]) -> str | None:
    """Return the marker that a record shows in its properties, as an object (issues) or as a list."""
    shown: object = record.get("properties")
    if isinstance(shown, dict):
        return str(cast("dict[str, Any]", shown).get(PROPERTY))
    for one in cast("list[dict[str, Any]]", shown or []):
        if one.get("key") == PROPERTY:
            return str(one.get("value"))
    return None


async def carries_marker(api: Upstream, record: Mapping[str, Any], path: str, values: Mapping[str, object]) -> bool:
    """Whether a record of this account carries the call's marker.

    Where the list did not show its properties, the property is read at `path`, so that a record is never taken for
    another's because a list was short of words.
    """
    author = cast("dict[str, Any]", record.get("author") or {}).get("accountId")
    if is_before(api, record) or (api.account and author not in {None, api.account}):
        return False
    if record.get("properties"):
        return marker_in(record) == api.marker
    try:
        answer = await api.get(path, values)
    except UpstreamNotFound:
        return False
    return bool(answer.json().get("value") == api.marker)


async def gone(api: Upstream, path: str, values: Any, issue: str) -> Done | None:
    """Return `Done` where a thing is absent from an issue that can be read, else None.

    Jira answers 404 for what is hidden too; the issue tells the two apart. Raises `UpstreamNotFound` where the issue
    cannot be read either.
    """
    try:
        await api.get(path, values)
    except UpstreamNotFound:
        answer = await api.get(ISSUE, {"issue": issue}, params={"fields": "project"})
        stayed(issue, str(answer.json().get("key")))
        return Done()
    return None
