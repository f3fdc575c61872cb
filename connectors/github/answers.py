"""How GitHub says no, and what it says of its limits.

Source: GitHub documentation, "Rate limits for the REST API" and "Troubleshooting the REST API".
"""

from typing import Any, cast

import orjson

from connectors.sdk import Quota, Response, Throttled, UpstreamProblem

_LONGEST_MESSAGE = 500
_SECONDARY_SECONDS = 60.0


def problem(response: Response) -> UpstreamProblem:
    """Read an error body: its message, with those of single fields, and the first field's code."""
    body = _object(response)
    faults = _faults(body.get("errors"))
    texts = [str(body.get("message") or ""), *(_fault_text(fault) for fault in faults)]
    code = next((str(fault["code"]) for fault in faults if fault.get("code")), None)
    return UpstreamProblem(
        status=response.status,
        code=code,
        message="; ".join(filter(None, texts))[:_LONGEST_MESSAGE] or None,
        request_id=response.headers.get("x-github-request-id"),
    )


def quota(response: Response) -> list[Quota]:
    """Read the budget that this answer was counted against."""
    values = [response.headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining", "reset")]
    if not all(value.isdigit() for value in values):
        return []
    limit, remaining, reset = map(int, values)
    return [Quota(response.headers.get("x-ratelimit-resource", "core"), limit, remaining, float(reset))]


def throttled(response: Response, now: float) -> Throttled | None:
    """Tell a refusal for limits from a lack of permission: GitHub answers both with 403.

    Primary: nothing is left, wait for the reset. Secondary: `retry-after`, or a minute where it says nothing.
    """
    if response.status not in {403, 429} or not _speaks_of_limits(response):
        return None
    wait = response.headers.get("retry-after", "")
    if wait.isdigit():
        return Throttled(max(float(wait), 1.0), "GitHub's secondary rate limit")
    reset = response.headers.get("x-ratelimit-reset", "")
    if response.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return Throttled(max(float(reset) - now, 1.0), "GitHub's rate limit")
    return Throttled(_SECONDARY_SECONDS, "GitHub's secondary rate limit")


def _speaks_of_limits(response: Response) -> bool:
    if response.status == 429 or "retry-after" in response.headers:
        return True
    message = str(_object(response).get("message") or "").lower()
    if not message:
        return response.headers.get("x-ratelimit-remaining") == "0"
    return "rate limit" in message or "abuse detection" in message


def _object(response: Response) -> dict[str, Any]:
    try:
        parsed = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}


def _faults(errors: object) -> list[dict[str, Any]]:
    """`errors` holds objects, or plain texts in some answers."""
    if not isinstance(errors, list):
        return []
    found = cast("list[object]", errors)
    return [cast("dict[str, Any]", one) if isinstance(one, dict) else {"message": str(one)} for one in found[:10]]


def _fault_text(fault: dict[str, Any]) -> str:
    if fault.get("message"):
        return str(fault["message"])
    return " ".join(str(fault[name]) for name in ("field", "code") if fault.get(name))
