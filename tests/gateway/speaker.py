"""An agent that speaks MCP, in any revision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.methods import SERVER_RESULTS, validate_server_result

from tests.gateway.caller import Caller, Reply

MODERN = "2026-07-28"
NAMED = {"tools/call": "name", "tasks/get": "taskId", "tasks/cancel": "taskId", "tasks/update": "taskId"}
URLS: dict[str, Any] = {"elicitation": {"url": {}}}
TASKS: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
STATUS = {"succeeded": 200, "shadowed": 200, "pending_approval": 202, "queued": 202, "running": 202}


@dataclass
class Speaker:
    """A client over one agent. `session` is the id of its session in the revisions before 2026-07-28."""

    caller: Caller
    revision: str = MODERN
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    path: str = "/mcp"
    session: str | None = None

    async def ask(
        self, method: str, params: Mapping[str, Any] | None = None, *, headers: Mapping[str, str | None] | None = None
    ) -> Reply:
        """Send a request, and check the form of what is answered against the revision's own schema."""
        message = self.message(method, params)
        reply = await self.post(orjson.dumps(message), self.headers(message) | dict(headers or {}))
        if isinstance(reply.body, dict) and "result" in reply.body:
            assert reply.body["id"] == message["id"]
            if (method, self.revision) in SERVER_RESULTS and reply.body["result"].get("resultType") != "task":
                validate_server_result(method, self.revision, reply.body["result"])
        return reply

    def message(self, method: str, params: Mapping[str, Any] | None = None, id: Any = 7) -> dict[str, Any]:
        given = dict(params or {})
        if self.revision == MODERN:
            given["_meta"] = {
                PROTOCOL_VERSION_META_KEY: MODERN,
                CLIENT_INFO_META_KEY: {"name": "tests", "version": "1"},
                CLIENT_CAPABILITIES_META_KEY: self.capabilities,
            } | given.get("_meta", {})
        return {"jsonrpc": "2.0", "id": id, "method": method, "params": given}

    def headers(self, message: Mapping[str, Any]) -> dict[str, str | None]:
        found: dict[str, str | None] = {"Accept": "application/json, text/event-stream"}
        if message["method"] != "initialize" or self.revision == MODERN:
            found["MCP-Protocol-Version"] = self.revision
        if self.revision == MODERN:
            found["Mcp-Method"] = message["method"]
            name = message["params"].get(NAMED.get(message["method"], ""))
            if isinstance(name, str) and name.isascii() and name.isprintable():
                found["Mcp-Name"] = name
        elif self.session is not None:
            found["Mcp-Session-Id"] = self.session
        return found

    async def post(self, raw: bytes, headers: Mapping[str, str | None]) -> Reply:
        """Send a body as it is. Headers that are None are left out."""
        given = {name: value for name, value in headers.items() if value is not None}
        return await self.caller.ask("POST", self.path, raw=raw, headers=given)

    async def begin(self) -> Reply:
        """Begin a session of an earlier revision."""
        reply = await self.ask(
            "initialize",
            {
                "protocolVersion": self.revision,
                "capabilities": self.capabilities,
                "clientInfo": {"name": "tests", "version": "1"},
            },
        )
        assert reply.status == 200, reply.body
        self.session = reply.headers["Mcp-Session-Id"]
        return reply

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        meta: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Reply:
        """Call a tool. `meta` are the gateway's own keys, without their prefix."""
        params: dict[str, Any] = {"name": tool, "arguments": dict(arguments or {}), **more}
        if meta:
            params["_meta"] = {f"gatehouse/{name}": value for name, value in meta.items()}
        return await self.ask("tools/call", params)

    async def result(self, tool: str, arguments: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        reply = await self.call(tool, arguments, **more)
        assert reply.status == 200 and "result" in reply.body, reply.body
        return dict(reply.body["result"])

    async def tools(self) -> list[dict[str, Any]]:
        reply = await self.ask("tools/list")
        assert reply.status == 200, reply.body
        return list(reply.body["result"]["tools"])


@dataclass
class McpCaller(Caller):
    """An agent that runs its actions over MCP, and is answered as over HTTP: what is said is the same."""

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
        if preview:
            return await super().run(action, input, key=key, raw=raw, run=run, headers=headers, preview=True)
        said = _said(dict(headers or {}))
        said |= {"idempotency_key": key} if key is not None else {}
        said |= {"run": run} if run is not None else {}
        speaker = Speaker(self)
        arguments = {"action": action, "input": "\0" if raw is not None else ({} if input is None else input)}
        meta = {f"gatehouse/{name}": value for name, value in said.items()}
        message = speaker.message("tools/call", {"name": "call_action", "arguments": arguments, "_meta": meta})
        sent = orjson.dumps(message).replace(b'"\\u0000"', raw) if raw is not None else orjson.dumps(message)
        reply = await speaker.post(sent, speaker.headers(message))
        assert "result" in reply.body, reply.body
        result = reply.body["result"]
        validate_server_result("tools/call", MODERN, result)
        return _as_http(reply, result)


def _said(headers: dict[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name, value in headers.items():
        if name == "Prefer":
            said["respond_async"] = True
            said |= {"wait": int(value.partition("wait=")[2])} if "wait=" in value else {}
        elif name == "Gatehouse-Timeout":
            said["timeout"] = float(value)
        else:
            said[name.removeprefix("Gatehouse-").lower()] = value
    return said


def _as_http(reply: Reply, result: Mapping[str, Any]) -> Reply:
    if result["isError"]:
        body = orjson.loads(result["content"][0]["text"])
        status = body["status"]
    else:
        body = result["structuredContent"]
        status = STATUS[body["status"]]
    headers = dict(reply.headers)
    call = body.get("id") or body.get("call")
    headers |= {"Gatehouse-Call": call} if call else {}
    headers |= {"Idempotency-Replayed": "true"} if body.get("replayed") else {}
    headers |= {"Location": f"/v1/calls/{call}"} if status == 202 else {}
    if "retry_after_ms" in body:
        headers["Retry-After"] = str(max(1, -int(-body["retry_after_ms"] // 1000)))
    return Reply(status, headers, orjson.dumps(body), body)
