"""Asks a running gateway's admin API, blocking, for commands."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote, urlsplit

import orjson

from connectors.sdk.hosts import is_loopback
from gateway.commands.wire import CommandFailed, Waiting, Wire
from gateway.settings import RemoteSettings

DEFAULT_URL = "http://127.0.0.1:8080"
_SECONDS = 60.0
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Remote:
    """Which gateway to ask, as whom, about what."""

    url: str
    token: str = field(repr=False)
    tenant: str | None
    environment: str | None


def find_remote(
    settings: RemoteSettings, url: str | None, token: str | None, tenant: str | None, environment: str | None
) -> Remote:
    """Return the gateway that the options, the environment or the sandbox's file name. Raises `CommandFailed`.

    The sandbox's token is sent to the sandbox's own address only.
    """
    sandbox = sandbox_told(settings.home)
    wanted = url or settings.url
    own = sandbox if wanted is None or wanted.rstrip("/") == sandbox.get("url") else {}
    root = (wanted or own.get("url") or DEFAULT_URL).rstrip("/")
    check_url(root)
    shown = token or settings.token or own.get("admin_token")
    if not shown:
        raise CommandFailed(
            "No admin token was given.", "Set GATEHOUSE_TOKEN, or start the sandbox in this folder first."
        )
    return Remote(
        url=root,
        token=shown,
        tenant=tenant or settings.tenant or own.get("tenant"),
        environment=environment or settings.environment or own.get("environment"),
    )


class Api:
    """The admin API. Every method raises `CommandFailed` with the problem's detail and hint."""

    def __init__(self, remote: Remote, waiting: Waiting = nullcontext) -> None:
        """Take what to show while the gateway is waited for."""
        self._remote = remote
        self._waiting = waiting
        self._wire = Wire(remote.url, remote.token, seconds=_SECONDS)

    def __enter__(self) -> "Api":
        """Return this."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let the connections go."""
        self._wire.__exit__(kind, error, at)

    @property
    def tenant(self) -> str:
        """The tenant that the command is about."""
        if self._remote.tenant is None:
            raise CommandFailed("Which tenant?", "Name it with --tenant or GATEHOUSE_TENANT.")
        return self._remote.tenant

    @property
    def environment(self) -> str:
        """The environment that the command is about."""
        if self._remote.environment is None:
            raise CommandFailed("Which environment?", "Name it with --environment or GATEHOUSE_ENVIRONMENT.")
        return self._remote.environment

    def here(self, *parts: str) -> str:
        """Return a path below the tenant's environment."""
        return _path("tenants", self.tenant, "environments", self.environment, *parts)

    def tenants(self, *parts: str) -> str:
        """Return a path below all tenants."""
        return _path("tenants", *parts)

    def tokens(self, *parts: str) -> str:
        """Return a path below the admin tokens."""
        return _path("tokens", *parts)

    def get(self, path: str, params: Mapping[str, object] | None = None) -> Any:
        """Return what is at a path."""
        return self._ask("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, object] | None = None, version: int | None = None) -> Any:
        """Return what a POST answers."""
        return self._ask("POST", path, body=body or {}, version=version)

    def patch(self, path: str, body: Mapping[str, object], version: int | None = None) -> Any:
        """Return what a PATCH answers."""
        return self._ask("PATCH", path, body=body, version=version)

    def delete(self, path: str, version: int | None = None) -> Any:
        """Return what a DELETE answers."""
        return self._ask("DELETE", path, version=version)

    def items(self, path: str, limit: int, params: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Return at most `limit` items of a list, page by page, and the cursor of what follows."""
        found: list[Any] = []
        last: dict[str, Any] = {}
        with self._waiting():
            for last in self._pages(path, limit, params):
                found += last["items"]
        return {**last, "items": found}

    def _pages(self, path: str, limit: int, params: Mapping[str, object] | None) -> Iterator[dict[str, Any]]:
        left, cursor = limit, None
        while left > 0:
            asked = {**(params or {}), "limit": min(left, _PAGE), "cursor": cursor}
            page = cast("dict[str, Any]", self._send("GET", path, params=asked))
            yield page
            cursor = page["next_cursor"]
            left -= len(page["items"])
            if cursor is None:
                return

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        with self._waiting():
            return self._send(method, path, **options)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        version: int | None = None,
    ) -> Any:
        headers = {"If-Match": f'"{version}"'} if version is not None else {}
        given = {name: value for name, value in body.items() if value is not None} if body is not None else None
        query = {name: str(value) for name, value in (params or {}).items() if value is not None}
        return self._wire.ask(method, path, query, body=given, headers=headers)


def _path(*parts: str) -> str:
    return "/v1/admin/" + "/".join(quote(part, safe="") for part in parts)


def sandbox_told(home: Path) -> dict[str, str]:
    """Return what a sandbox in this folder says of itself, empty where there is none."""
    try:
        known = orjson.loads((home / "sandbox.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    members = cast("dict[str, object]", known if isinstance(known, dict) else {})
    return {name: value for name, value in members.items() if isinstance(value, str)}


def check_url(url: str) -> None:
    """Refuse to send a token where others on the way could read it. Raises `CommandFailed`."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return
    raise CommandFailed(f"{url} is not https.", "Plain http is for loopback; use https elsewhere.")
