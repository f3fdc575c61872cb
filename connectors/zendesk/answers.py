"""How Zendesk says no, and what it says of its limits.

Error bodies come in five shapes, and some are plain text.
Source: Zendesk developer documentation, "Rate limits", "Responses" of the Ticketing API (2026-08).
"""

import re
from email.utils import parsedate_to_datetime
from typing import Any, cast

import orjson

from connectors.sdk import Quota, Response, Throttled, UpstreamProblem

_LONGEST_MESSAGE = 500
_WITHOUT_WORD = 60.0
_ENDPOINT = "zendesk-ratelimit-"
_PART = re.compile(r"([a-z]+)\s*=\s*([0-9]+)")


def problem(response: Response) -> UpstreamProblem:
    """Read an error body: what it is called, what it says, and the faults of single fields."""
    body = _object(response)
    error = body.get("error")
    texts = [body.get("description"), body.get("error_description"), body.get("message")]
    code = error if isinstance(error, str) else None
    if isinstance(error, dict):
        named = cast("dict[str, object]", error)
        texts += [named.get("title"), named.get("message")]
    for fault in _dicts(body.get("errors"))[:20]:
        code = code or _text(fault.get("code"))
        texts.append(fault.get("detail") or fault.get("title"))
    texts += _details(body.get("details"))
    said = "; ".join(dict.fromkeys(text for text in map(_text, texts) if text)) or code or _plain(response)
    return UpstreamProblem(
        status=response.status,
        code=code,
        message=(said or "")[:_LONGEST_MESSAGE] or None,
        request_id=response.headers.get("x-request-id"),
    )


def quota(response: Response) -> list[Quota]:
    """Read the account's budget per minute, and those of single endpoints, which are named as Zendesk names them.

    Their times are seconds from the answer on, so an answer without a date tells nothing.
    """
    now = _date(response)
    if now is None:
        return []
    headers = response.headers
    whole = {name: headers.get(f"ratelimit-{name}", "") for name in ("limit", "remaining", "reset")}
    found: list[Quota] = []
    if all(value.isdigit() for value in whole.values()):
        limit, remaining, reset = (int(value) for value in whole.values())
        found.append(Quota("core", limit, remaining, now + reset))
    for name, value in headers.items():
        parts = dict(_PART.findall(value)) if name.startswith(_ENDPOINT) else {}
        if {"total", "remaining", "resets"} <= parts.keys():
            numbers = (int(parts[part]) for part in ("total", "remaining", "resets"))
            limit, remaining, reset = numbers
            found.append(Quota(name.removeprefix(_ENDPOINT), limit, remaining, now + reset))
    return found


def throttled(response: Response, now: float) -> Throttled | None:
    """Say how long a 429 asks to wait. A 503 in a maintenance is no promise that nothing was changed."""
    del now
    if response.status != 429:
        return None
    wait = response.headers.get("retry-after", "")
    return Throttled(max(float(wait), 1.0) if wait.isdigit() else _WITHOUT_WORD, "Zendesk's rate limit")


def _details(details: object) -> list[object]:
    """`{"subject": [{"description": "Subject: cannot be blank", "error": "BlankValue"}]}`."""
    if not isinstance(details, dict):
        return []
    faults = cast("dict[str, object]", details)
    return [fault.get("description") for field in list(faults.values())[:20] for fault in _dicts(field)[:5]]


def _plain(response: Response) -> str | None:
    if not response.headers.get("content-type", "").startswith("text/plain"):
        return None
    return response.body[:_LONGEST_MESSAGE].decode("utf-8", "replace").strip()


def _date(response: Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        return None


def _object(response: Response) -> dict[str, Any]:
    try:
        parsed = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}


def _dicts(value: object) -> list[dict[str, object]]:
    if not isinstance(value, list):
        return []
    return [cast("dict[str, object]", one) for one in cast("list[object]", value) if isinstance(one, dict)]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
