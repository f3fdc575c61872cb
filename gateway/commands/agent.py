"""Asks a running gateway's agent API, blocking, for `gatehouse try`."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote

from gateway.commands.client import DEFAULT_URL, check_url, sandbox_told
from gateway.commands.wire import CommandFailed, Waiting, Wire
from gateway.settings import RemoteSettings

_SECONDS = 90.0
_POLL_SECONDS = 30
_PAGE = 200
_WAITING = ("pending_approval", "queued", "running")


@dataclass(frozen=True, slots=True)
class Caller:
    """Which gateway to call, as which agent."""

    url: str
    key: str = field(repr=False)


def find_caller(settings: RemoteSettings, url: str | None, key: str | None) -> Caller:
    """Return the agent that the options, the environment or the sandbox's file name. Raises `CommandFailed`.

    The sandbox's key is sent to the sandbox's own address only.
    """
    sandbox = sandbox_told(settings.home)
    wanted = url or settings.url
    own = sandbox if wanted is None or wanted.rstrip("/") == sandbox.get("url") else {}
    root = (wanted or own.get("url") or DEFAULT_URL).rstrip("/")
    check_url(root)
    shown = key or settings.key or own.get("agent_key")
    if not shown:
        raise CommandFailed("No agent key was given.", "Set GATEHOUSE_KEY, or start the sandbox in this folder first.")
    return Caller(root, shown)


def new_key() -> str:
    """Return an idempotency key for one intended effect."""
    return f"try-{uuid.uuid4()}"


class AgentApi:
    """The agent API. Every method raises `CommandFailed` with the problem's detail and hint."""

    def __init__(self, caller: Caller, waiting: Waiting) -> None:
        """Take what to show while the gateway is waited for."""
        self.url = caller.url
        self._waiting = waiting
        self._wire = Wire(caller.url, caller.key, seconds=_SECONDS)

    def __enter__(self) -> "AgentApi":
        """Return this."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let the connections go."""
        self._wire.__exit__(kind, error, at)

    def actions(self, q: str | None = None) -> list[dict[str, Any]]:
        """Return the actions that the key may call; with words the ranked ones."""
        return self._all("/v1/actions", {"q": q} if q else {})

    def describe(self, action: str, connection: str | None = None) -> dict[str, Any]:
        """Return one action with its schemas."""
        query = {"connection": connection} if connection else {}
        return cast("dict[str, Any]", self._ask("GET", _path("actions", action), query))

    def preview(self, action: str, input: object, connection: str | None) -> dict[str, Any]:
        """Return what a call would do."""
        path = _path("actions", action, "preview")
        return cast("dict[str, Any]", self._ask("POST", path, body=input, headers=_headers(connection)))

    def run(self, action: str, input: object, connection: str | None, key: str) -> dict[str, Any]:
        """Run an action and return its call, which may wait."""
        headers = {**_headers(connection), "Idempotency-Key": key}
        return cast("dict[str, Any]", self._ask("POST", _path("actions", action), body=input, headers=headers))

    def ended(self, call: Mapping[str, Any], waits: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
        """Return a call once it has ended. `waits` is told each time that it has not."""
        now = dict(call)
        while now["status"] in _WAITING:
            waits(now)
            now = {**now, **self._ask("GET", _path("calls", now["id"]), {"wait": str(_POLL_SECONDS)})}
        return now

    def timeline(self, run: str) -> list[dict[str, Any]]:
        """Return what happened in a run, in order."""
        return self._all(_path("runs", run), {})

    def _all(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self._ask("GET", path, {**query, "limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        with self._waiting():
            return self._wire.ask(method, path, query, body=body, headers=headers)


def _headers(connection: str | None) -> dict[str, str]:
    return {"Gatehouse-Connection": connection} if connection else {}


def _path(*parts: str) -> str:
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)
