"""One recorded call as a fixture: its exchanges out of the ledger's events, redacted."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from gateway.redaction import Redactor

_HEADERS = frozenset({"content-type", "link", "location", "retry-after"})
_LIMITS = ("x-ratelimit-", "ratelimit")
_TRIED_AGAIN = frozenset({401, 429, 500, 502, 503, 504})
_EMPTY = bytes(64)


class NotWhole(ValueError):
    """The record of a call does not hold all that was answered. The message says what is missing."""


Exchange = tuple[Mapping[str, Any], Mapping[str, Any]]


def exchanges_of(events: Sequence[Mapping[str, Any]], base_url: str) -> list[Exchange]:
    """Return requests with their answers, without those that the gateway tried again. Raises `NotWhole`.

    A redirected download counts as one, answered by what it led to.
    """
    found: list[tuple[dict[str, Any], Mapping[str, Any]]] = []
    asked: dict[str, Any] | None = None
    for event in events:
        data = event["data"]
        if event["type"] == "upstream_request":
            if data.get("redirected") and found:
                asked = found.pop()[0]
            else:
                asked = {**data, "target": _target(str(data["url"]), base_url)}
        elif event["type"] == "upstream_response" and asked is not None:
            if "failure" in data:
                continue  # sent again, or the call has failed for it: there is no answer to keep
            if "body_cut_at" in data or "body_withheld" in data:
                raise NotWhole(f"the answer to {asked['method']} {asked['target']} is not whole on record")
            if found and _again(found[-1], asked):
                found.pop()
            found.append((asked, data))
            asked = None
    if not found:
        raise NotWhole("nothing was answered")
    return list(found)


def redacted_fixture(
    redactor: Redactor, action: str, value: Mapping[str, Any], exchanges: Sequence[Exchange], outcome: str
) -> dict[str, Any]:
    """Return the fixture, without anybody's names, addresses, texts and ids."""
    return {
        "action": action,
        "input": redactor.value(dict(value)),
        "outcome": outcome,
        "exchanges": [
            {"request": _request(redactor, asked), "response": _response(redactor, answered)}
            for asked, answered in exchanges
        ],
    }


def _again(before: Exchange, asked: Mapping[str, Any]) -> bool:
    same = (before[0]["method"], before[0]["url"]) == (asked["method"], asked["url"])
    return same and before[1]["status"] in _TRIED_AGAIN


def _target(url: str, base_url: str) -> str:
    """Return path and query below the connection's address, or below the origin where it was another."""
    if url.startswith(base_url):
        return url.removeprefix(base_url.rstrip("/"))
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _request(redactor: Redactor, asked: Mapping[str, Any]) -> dict[str, Any]:
    path, _, query = str(asked["target"]).partition("?")
    made = {"method": asked["method"], "path": redactor.target(path), "query": redactor.query(query)}
    return made | ({"body": redactor.value(_parsed(asked["body"]))} if asked.get("body") else {})


def _response(redactor: Redactor, answered: Mapping[str, Any]) -> dict[str, Any]:
    headers = {name: value for name, value in answered["headers"].items() if name in _HEADERS or _is_limit(name)}
    told = {"link", "location"}
    made: dict[str, Any] = {
        "status": answered["status"],
        "headers": {name: redactor.text(value) if name in told else value for name, value in headers.items()},
    }
    if "body_base64" in answered:
        return made | {"base64": base64.b64encode(_EMPTY).decode()}
    text = answered.get("body", "")
    parsed = _parsed(text)
    if isinstance(parsed, str):
        return made | {"text": redactor.text(parsed)}
    return made | {"json": redactor.value(parsed)}


def _is_limit(name: str) -> bool:
    return name.startswith(_LIMITS)


def _parsed(text: str) -> object:
    """Return JSON as its value, any other text as it is."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
