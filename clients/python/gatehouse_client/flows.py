"""Everything that can be asked of the gateway, as flows: no I/O, and nothing said twice.

Source: the gateway's `/openapi.json` and `docs/api.md`.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from gatehouse_client.errors import StillWaiting, error_of
from gatehouse_client.exchange import Exchange, body_of
from gatehouse_client.options import Options
from gatehouse_client.values import (
    ActionInfo,
    Call,
    Content,
    Event,
    File,
    Preview,
    action_of,
    call_of,
    event_of,
    file_of,
    preview_of,
)
from gatehouse_client.wire import Flow, Pause, Received, Send

_LONG_POLL = 60
_MARGIN = 15.0
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    items: list[Any]
    next_cursor: str | None


class Flows:
    """Writes requests and reads answers."""

    def __init__(self, exchange: Exchange) -> None:
        """Take what sends and repeats."""
        self._exchange = exchange

    def invoke(self, action: str, input: Mapping[str, Any], options: Options) -> Flow[Call[Any]]:
        """Run an action and return its call once it has ended well. Raises as its problem says, and `StillWaiting`."""
        started = yield from self.start(action, input, options, wait=True)
        return started if started.ended else (yield from self.wait(started.id, key=started.key))

    def start(self, action: str, input: Mapping[str, Any], options: Options, *, wait: bool = False) -> Flow[Call[Any]]:
        """Run an action and return its call as it stands: it may wait for a person, or still run.

        The key is made before the first try, and every try carries it.
        """
        options = options if options.key is not None else options.with_(key=new_key())
        headers = options.headers() | _JSON | ({} if wait else {"Prefer": "respond-async"})
        send = Send("POST", _path("actions", action), headers, dumps(input), _seconds(options))
        answer = yield from self._exchange.ask(send, repeatable=True)
        return call_of(body_of(answer), options.key)

    def preview(self, action: str, input: Mapping[str, Any], options: Options) -> Flow[Preview]:
        """Return what a call would do. Nothing is sent to the vendor but reads."""
        headers = options.with_(key=None).headers() | _JSON
        send = Send("POST", _path("actions", action, "preview"), headers, dumps(input), _seconds(options))
        return preview_of(body_of((yield from self._exchange.ask(send, repeatable=True))))

    def look(self, call: str, *, seconds: int = 0, key: str | None = None) -> Flow[Call[Any]]:
        """Return a call as it stands, waiting up to a minute for its end. Raises its problem where it failed."""
        query = {"wait": str(seconds)} if seconds else {}
        body = yield from self._get(_path("calls", call, query=query), seconds + _MARGIN)
        if body.get("error"):
            raise error_of({"call": call, **body["error"]}, key=key)
        return call_of(body, key)

    def wait(self, call: str, *, seconds: float | None = None, key: str | None = None) -> Flow[Call[Any]]:
        """Return a call once it has ended well. Raises its problem, and `StillWaiting` when the time is up."""
        now = self._exchange.now
        deadline = now() + (self._exchange.patience.wait if seconds is None else seconds)
        while True:
            left, asked_at = deadline - now(), now()
            found = yield from self.look(call, seconds=max(0, min(_LONG_POLL, int(left + 0.999))), key=key)
            if found.ended:
                return found
            if now() >= deadline:
                raise StillWaiting(_waiting(found), key=key)
            # A gateway that is about to stop answers a long-poll at once.
            if now() - asked_at < 1:
                yield Pause(min(1.0, max(deadline - now(), 0.05)))

    def cancel(self, call: str) -> Flow[Call[Any]]:
        """Take a call back before it is sent, and return it. Raises `FixTheCall` where that is too late."""
        send = Send("POST", _path("calls", call, "cancel"))
        return call_of(body_of((yield from self._exchange.ask(send, repeatable=True))))

    def output_page(self, call: str, pointer: str, cursor: str | None) -> Flow[Page]:
        """Return a page of a part of a call's output."""
        query = {"pointer": pointer, "limit": "200"} | ({"cursor": cursor} if cursor else {})
        return _page((yield from self._get(_path("calls", call, "output", query=query))))

    def actions_page(self, filters: Mapping[str, str], cursor: str | None) -> Flow[Page]:
        """Return a page of the actions that the key may call."""
        query = {"limit": "200", **filters} | ({"cursor": cursor} if cursor else {})
        return _page((yield from self._get(_path("actions", query=query))))

    def describe(self, action: str, filters: Mapping[str, str]) -> Flow[ActionInfo]:
        """Return one action with its schemas."""
        return action_of((yield from self._get(_path("actions", action, query=filters))))

    def upload(self, content: bytes, media_type: str) -> Flow[File]:
        """Keep a file at the gateway for a day. A try whose answer was lost leaves a file that nobody names."""
        send = Send("POST", _path("files"), {"Content-Type": media_type}, content)
        return file_of(body_of((yield from self._exchange.ask(send, repeatable=True))))

    def download(self, file: str) -> Flow[Content]:
        """Return a file's bytes."""
        answer = yield from self._exchange.ask(Send("GET", _path("files", file)), repeatable=True)
        return Content(answer.content, answer.headers.get("content-type", "application/octet-stream"))

    def open_run(self, details: Mapping[str, Any], actor: str | None) -> Flow[str]:
        """Open a run and return its id."""
        body = yield from self._post(_path("runs"), details, {"Gatehouse-Actor": actor} if actor else {})
        return str(body["id"])

    def note(self, run: str, type: str, data: Mapping[str, Any]) -> Flow[None]:
        """Add one of the agent's own links to a run. Raises `LookFirst` where the answer was lost."""
        yield from self._post(_path("runs", run, "events"), {"type": type, "data": data})

    def close_run(self, run: str, outcome: Mapping[str, Any]) -> Flow[None]:
        """Close a run with its outcome."""
        yield from self._post(_path("runs", run, "outcome"), outcome)

    def timeline_page(self, run: str, cursor: str | None) -> Flow[Page]:
        """Return a page of a run's timeline."""
        query = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
        page = _page((yield from self._get(_path("runs", run, query=query))))
        return Page([event_of(item) for item in page.items], page.next_cursor)

    def document(self) -> Flow[dict[str, Any]]:
        """Return the gateway's own description of its API."""
        found: dict[str, Any] = yield from self._get("/openapi.json")
        return found

    def _get(self, path: str, seconds: float = 75.0) -> Flow[Any]:
        answer: Received = yield from self._exchange.ask(Send("GET", path, seconds=seconds), repeatable=True)
        return body_of(answer)

    def _post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Flow[Any]:
        send = Send("POST", path, {**_JSON, **(headers or {})}, dumps(body))
        return body_of((yield from self._exchange.ask(send, repeatable=False)))


def new_key() -> str:
    """Return an idempotency key that nobody else has."""
    return secrets.token_urlsafe(24)


def dumps(value: object) -> bytes:
    """Return a value as the gateway reads JSON: no NaN, UTF-8. Raises `ValueError`, `TypeError`."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _path(*parts: str, query: Mapping[str, str] | None = None) -> str:
    path = "/v1/" + "/".join(quote(part, safe="") for part in parts)
    return f"{path}?{urlencode(query)}" if query else path


def _page(body: Any) -> Page:
    return Page(body["items"], body["next_cursor"])


def _seconds(options: Options) -> float:
    return 75.0 if options.timeout is None else options.timeout + _MARGIN


def _waiting(call: Call[Any]) -> dict[str, Any]:
    detail = f"The call {call.id} is {call.status} after the time that it was waited for."
    hint = "It goes on without you; wait for it again by its id."
    return {"code": call.status, "detail": detail, "call": call.id, "retryable": False, "hint": hint}


__all__ = ["Event", "Flows", "Page", "dumps", "new_key"]
