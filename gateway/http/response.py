"""How this door writes: JSON, problem documents, lists."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web

from connectors.sdk.errors import ActionError
from gateway.answers import problem

JSON = "application/json"
PROBLEM = "application/problem+json"
CHALLENGE = 'Bearer realm="gatehouse"'


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a value as JSON."""
    return web.Response(body=orjson.dumps(value), status=status, headers=headers, content_type=JSON)


def problem_response(error: ActionError, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an error as a problem document, with `Retry-After` where there is a time to wait."""
    return problem_body(problem(error), error.status, error.retry_after_ms, headers)


def problem_body(
    body: Mapping[str, Any], status: int, retry_after_ms: float | None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a finished problem document."""
    extra = problem_headers(status, retry_after_ms, headers)
    return web.Response(body=orjson.dumps(body), status=status, headers=extra, content_type=PROBLEM)


def problem_headers(
    status: int, retry_after_ms: float | None, headers: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the headers of a problem, in whatever form its body is."""
    extra = dict(headers or {})
    if retry_after_ms is not None:
        extra["Retry-After"] = str(max(1, -int(-retry_after_ms // 1000)))
    if status == 401:
        extra.setdefault("WWW-Authenticate", CHALLENGE)
    return extra


def listing(items: Sequence[Mapping[str, Any]], next_cursor: str | None) -> web.Response:
    """Return one page of a list."""
    return json_response({"items": list(items), "next_cursor": next_cursor})
