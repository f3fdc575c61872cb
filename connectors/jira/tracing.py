"""Finding again what a call has written: by a marker in an entity property, or by reading back what it changed.

Issues, comments and worklogs take properties when they are made: keys and values that people and agents do not see.
Reads by key come from the database; only the search index lags (see `issue.create`).
Source: Jira Cloud platform REST API v3, "Entity properties".
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, cast

from pydantic import AwareDatetime, BeforeValidator, Field, JsonValue

from connectors.jira.names import ISSUE, Person, stayed
from connectors.sdk import Done, Output, Upstream, UpstreamNotFound

# The gateway before Jira ends requests after a minute.
SETTLE = timedelta(seconds=75)
SKEW = timedelta(seconds=60)
PROPERTY = "gatehouse"


def properties(api: Upstream, suffix: str = "") -> list[dict[str, str]]:
    """Return the property that a new record carries; none where the call has no marker."""
    return [{"key": PROPERTY, "value": api.marker + suffix}] if api.marker else []


def _properties(value: object) -> object:
    """Issues show properties as an object, comments and worklogs as a list of keys and values."""
    if not isinstance(value, list):
        return value or {}
    pairs = [cast("dict[str, Any]", one) for one in cast("list[object]", value) if isinstance(one, dict)]
    return {str(one.get("key")): one.get("value") for one in pairs}


class Record(Output):
    """What tells whose a comment or a worklog is."""

    id: str
    created_at: AwareDatetime = Field(validation_alias="created")
    author: Person | None = None
    properties: Annotated[dict[str, JsonValue], BeforeValidator(_properties)] = Field(
        default_factory=dict[str, JsonValue]
    )


class _Property(Output):
    value: JsonValue = None


class _Where(Output):
    key: str


def is_before(api: Upstream, created_at: datetime) -> bool:
    """Whether a record was made before the call, with room for clocks that differ."""
    return api.since is not None and created_at < api.since - SKEW


async def is_ours(api: Upstream, record: Record, path: str, values: Mapping[str, object]) -> bool:
    """Whether a record of this account carries the call's marker.

    Where the list did not show its properties, the property is read at `path`, so that a record is never taken for
    another's because a list was short of words.
    """
    if is_before(api, record.created_at):
        return False
    if api.account and record.author is not None and record.author.account_id != api.account:
        return False
    if record.properties:
        return record.properties.get(PROPERTY) == api.marker
    try:
        return api.read(_Property, await api.get(path, values)).value == api.marker
    except UpstreamNotFound:
        return False


async def gone(api: Upstream, path: str, values: Any, issue: str) -> Done | None:
    """Return `Done` where a thing is absent from an issue that can be read, else None.

    Jira answers 404 for what is hidden too; the issue tells the two apart. Raises `UpstreamNotFound` where the issue
    cannot be read either.
    """
    try:
        await api.get(path, values)
    except UpstreamNotFound:
        answer = await api.get(ISSUE, {"issue": issue}, params={"fields": "project"})
        stayed(issue, api.read(_Where, answer).key)
        return Done()
    return None
