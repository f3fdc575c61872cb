"""How Jira says no, and what it says of its limits.

Source: Atlassian developer documentation, "Rate limiting" (2026-08) and the schema `ErrorCollection`; the gateway
`api.atlassian.com` has error bodies of its own.
"""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import orjson

from connectors.sdk import Quota, Response, Throttled, UpstreamProblem

_LONGEST_MESSAGE = 500
_HOUR = 3600.0
_ENTRY = re.compile(r'"([^"]*)"((?:\s*;\s*[a-z]+=[0-9]+)*)')
_PART = re.compile(r"([a-z]+)=([0-9]+)")


def problem(response: Response) -> UpstreamProblem:
    """Read an error body: Jira's messages and faults of single fields, or the gateway's message."""
    body = _object(response)
    faults = _members(body.get("errors"))
    texts = [str(text) for text in _list(body.get("errorMessages"))]
    texts += [f"{field}: {fault}" for field, fault in list(faults.items())[:20]]
    if not texts:
        texts = [str(body[name]) for name in ("message", "error_description", "error") if body.get(name)][:1]
    return UpstreamProblem(
        status=response.status,
        code=next(iter(faults), None) or _code(body),
        message="; ".join(filter(None, texts))[:_LONGEST_MESSAGE] or None,
        request_id=response.headers.get("atl-traceid"),
    )


def quota(response: Response) -> list[Quota]:
    """Read the budget of points per hour. Of several (the app's, the tenant's) the one that is nearest to its end.

    Headers that begin with `Beta-` only announce limits, and those that begin with `X-` speak of bursts of a second.
    """
    limits = {name: parts.get("q") for name, parts in _entries(response.headers.get("ratelimit-policy", ""))}
    now = _date(response)
    found: list[Quota] = []
    for name, parts in _entries(response.headers.get("ratelimit", "")):
        limit, remaining, seconds = limits.get(name), parts.get("r"), parts.get("t")
        if now is not None and limit and remaining is not None and seconds is not None:
            found.append(Quota("core", limit, remaining, now + seconds))
    return sorted(found, key=lambda quota: quota.remaining / quota.limit)[:1]


def throttled(response: Response, now: float) -> Throttled | None:
    """Say how long a 429 asks to wait: for points until the hour is over where it does not say.

    A 503 with `Retry-After` is no promise that nothing was changed.
    """
    if response.status != 429:
        return None
    reason = response.headers.get("ratelimit-reason", "rate limit")
    wait = response.headers.get("retry-after", "")
    if wait.isdigit():
        return Throttled(max(float(wait), 1.0), f"Jira's {reason}")
    reset = _moment(response.headers.get("x-ratelimit-reset", ""))
    if reset is not None:
        return Throttled(max(reset - now, 1.0), f"Jira's {reason}")
    return Throttled(_HOUR - now % _HOUR if "quota" in reason else 5.0, f"Jira's {reason}")


def _entries(header: str) -> list[tuple[str, dict[str, int]]]:
    """Parse `"name";q=65000;w=3600, "other";...`; what does not fit is left out."""
    return [(name, {key: int(value) for key, value in _PART.findall(parts)}) for name, parts in _ENTRY.findall(header)]


def _date(response: Response) -> float | None:
    """Return the moment of the answer: the limits' times count from there."""
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        return None


def _moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None


def _code(body: dict[str, Any]) -> str | None:
    code = body.get("error") or body.get("code")
    return str(code) if isinstance(code, str) else None


def _object(response: Response) -> dict[str, Any]:
    try:
        return _members(orjson.loads(response.body))
    except orjson.JSONDecodeError:
        return {}


def _members(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value)[:20] if isinstance(value, list) else []
