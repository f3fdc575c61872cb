"""An agent that calls over HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import ClientSession


@dataclass(frozen=True)
class Reply:
    """An answer. `body` is the parsed JSON, or None where it is none."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    body: Any

    @property
    def code(self) -> str | None:
        return self.body.get("code") if isinstance(self.body, dict) else None

    @property
    def call(self) -> str:
        return self.headers["Gatehouse-Call"]

    @property
    def output(self) -> Any:
        assert self.status == 200, self.body
        return self.body["output"]

    @property
    def pointers(self) -> list[str | None]:
        return [issue.get("pointer", issue.get("parameter")) for issue in self.body["errors"]]


@dataclass
class Caller:
    """An agent with its key. `url` is read at each request, so it survives a restart of the gateway."""

    id: str
    name: str
    tenant: str
    environment: str
    key_id: str
    key: str
    session: ClientSession
    world: Any

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        bearer: str | None = "",
    ) -> Reply:
        """Ask anything. `bearer` is the agent's own key unless it is given; None sends none."""
        given = dict(headers or {})
        if bearer is not None:
            given.setdefault("Authorization", f"Bearer {bearer or self.key}")
        if body is not None:
            raw = orjson.dumps(body)
        if raw is not None:
            given.setdefault("Content-Type", "application/json")
        url = self.world.gateway.url + path
        async with self.session.request(method, url, data=raw, headers=given, allow_redirects=False) as answer:
            content = await answer.read()
            kind = answer.headers.get("Content-Type", "")
            parsed = orjson.loads(content) if "json" in kind and content else None
            return Reply(answer.status, answer.headers.copy(), content, parsed)

    async def run(
        self,
        action: str,
        input: object = None,
        *,
        key: str | None = None,
        raw: bytes | None = None,
        run: str | None = None,
        headers: Mapping[str, str] | None = None,
        preview: bool = False,
    ) -> Reply:
        """Run an action, or preview it."""
        given = dict(headers or {})
        if key is not None:
            given["Idempotency-Key"] = key
        if run is not None:
            given["Gatehouse-Run"] = run
        path = f"/v1/actions/{action}" + ("/preview" if preview else "")
        body = None if raw is not None else ({} if input is None else input)
        return await self.ask("POST", path, body, raw=raw, headers=given)

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.ask("GET", path, headers=headers)

    async def look(self, call: str, wait: int = 0) -> Reply:
        """Look at a call."""
        return await self.get(f"/v1/calls/{call}" + (f"?wait={wait}" if wait else ""))

    async def open_run(self, **details: object) -> str:
        reply = await self.ask("POST", "/v1/runs", details)
        assert reply.status == 201, reply.body
        return str(reply.body["id"])

    async def timeline(self, run: str) -> list[dict[str, Any]]:
        """Return all items of a run."""
        reply = await self.get(f"/v1/runs/{run}?limit=200")
        assert reply.status == 200, reply.body
        return list(reply.body["items"])
