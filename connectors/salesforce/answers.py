"""How Salesforce says no, and what it says of its limits.

Errors are a JSON array of objects, of a few resources a bare object. Limits are refused with 403, as a lack of
permission is: only the code tells them apart.
Source: REST API Developer Guide v67.0, "Status Codes and Error Responses", "Limits"; header `Sforce-Limit-Info`.
"""

import re
from email.utils import parsedate_to_datetime
from typing import Any, cast

import orjson

from connectors.sdk import Quota, Response, Throttled, UpstreamProblem

_LONGEST_MESSAGE = 500
_LIMIT = "REQUEST_LIMIT_EXCEEDED"
_HOUR = 3600.0
_MINUTE = 60.0
_CONCURRENT = 5.0
_BUSY = 1.0
# Refused before anything was saved: another transaction has the row, or a read took too long.
_AGAIN = {"UNABLE_TO_LOCK_ROW": "another transaction has the row", "QUERY_TIMEOUT": "a query took too long"}
_USAGE = re.compile(r"(?:^|[,;\s])(?:per-app-)?api-usage=([0-9]{1,12})/([0-9]{1,12})")


def problem(response: Response) -> UpstreamProblem:
    """Read an error body: the first code, and all messages with the fields that they are about."""
    faults = errors_of(response)
    texts = [told(fault) for fault in faults[:20]]
    code = next((found for found in map(code_of, faults) if found), None)
    return UpstreamProblem(
        status=response.status,
        code=code,
        message="; ".join(dict.fromkeys(filter(None, texts)))[:_LONGEST_MESSAGE] or code,
        request_id=response.headers.get("x-request-id") or response.headers.get("sforce-request-id"),
    )


def quota(response: Response) -> list[Quota]:
    """Read the org's calls of the last 24 hours, or the app's share of them where that is nearer to its end.

    The window rolls, so nothing says when there will be more: an hour after the answer is worth another look.
    """
    now = _date(response)
    found = [(int(used), int(most)) for used, most in _USAGE.findall(response.headers.get("sforce-limit-info", ""))]
    found = [(used, most) for used, most in found if most > 0]
    if now is None or not found:
        return []
    used, most = max(found, key=lambda usage: usage[0] / usage[1])
    return [Quota("core", most, max(most - used, 0), now + _HOUR)]


def throttled(response: Response, now: float) -> Throttled | None:
    """Say how long a refusal for limits asks to wait; Salesforce names no time.

    Calls of the day come back as the oldest hour leaves the window, places for concurrent ones in seconds. A lock on
    a row and a query that took too long are told here too: nothing was saved, and the same request may succeed.
    """
    del now
    if response.status not in {400, 403, 503}:
        return None
    for fault in errors_of(response):
        code, said = code_of(fault), _text(fault.get("message")) or ""
        if code == _LIMIT and response.status != 400:
            if said.startswith("Concurrent"):
                return Throttled(_CONCURRENT, "too many requests run at once")
            whole = said.startswith("TotalRequests")
            return Throttled(_HOUR if whole else _MINUTE, "the org's requests of 24 hours" if whole else "its limit")
        if response.status == 400 and code in _AGAIN:
            return Throttled(_BUSY, f"{_AGAIN[code]} ({code})")
    return None


def errors_of(response: Response) -> list[dict[str, Any]]:
    """Return the faults of an error body, in whichever shape it has."""
    try:
        parsed = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return []
    found = cast("list[object]", parsed) if isinstance(parsed, list) else [parsed]
    return [cast("dict[str, Any]", one) for one in found if isinstance(one, dict)]


def code_of(fault: dict[str, Any]) -> str | None:
    """Return a fault's code: `errorCode` of a request, `statusCode` of a record, `error` of OAuth."""
    return next((text for name in ("errorCode", "statusCode", "error") if (text := _text(fault.get(name)))), None)


def told(fault: dict[str, Any]) -> str:
    """Return what a fault says, with the fields that it is about where its text does not name them."""
    said = _text(fault.get("message")) or _text(fault.get("error_description")) or code_of(fault) or ""
    listed = fault.get("fields")
    fields = [str(name) for name in cast("list[object]", listed)[:10]] if isinstance(listed, list) else []
    missing = [name for name in fields if name not in said]
    return f"{said} ({', '.join(missing)})" if missing else said


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _date(response: Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        return None
