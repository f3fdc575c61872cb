"""Stands between the conformance suite and the gateway: it adds the agent's key, and plays the user.

The suite knows no credentials and calls tools by names of its own, so the proxy puts the key in, gives tools the
suite's names, and says beside a call what an agent would say: a new idempotency key, that a slow call may go on behind
its caller. Where a call waits for an approval it opens the page's decision as the client's user would. All else, the
headers too, goes through as it is.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import orjson
from aiohttp import ClientSession, web

# The suite's name of a tool, and the gateway's.
TOOLS = {
    "test_simple_text": "check__text__get",
    "test_error_handling": "check__failure__get",
    "test_tool_with_progress": "check__steps__get",
    "slow_compute": "check__slow__get",
    "confirm_delete": "check__letter__send",
    "test_input_required_result_request_state": "check__letter__send",
    "test_input_required_result_tampered_state": "check__letter__send",
    "test_input_required_result_elicitation": "check__letter__send",
}
_SHOWN = {own: suite for suite, own in reversed(TOOLS.items())}
_HOP = {"host", "content-length", "transfer-encoding", "connection", "content-encoding", "date", "server"}
_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
Approve = Callable[[], Awaitable[None]]


class Proxy:
    """Forwards requests. `approve` decides whatever waits, as a person would on the page."""

    def __init__(self, session: ClientSession, target: str, key: str, approve: Approve) -> None:
        self._session = session
        self._target = target
        self._key = key
        self._approve = approve

    def application(self) -> web.Application:
        application = web.Application(client_max_size=4 * 1024 * 1024)
        application.router.add_route("*", "/mcp", self._forward)
        return application

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        raw, headers = await request.read(), [(k, v) for k, v in request.headers.items() if k.lower() not in _HOP]
        message = _parsed(raw)
        if isinstance(message, dict) and message.get("method") == "tools/call":
            raw, headers = await self._changed(message, headers)
        headers += [("Authorization", f"Bearer {self._key}"), ("Host", request.headers["Host"])]
        async with self._session.request(
            request.method, self._target + "/mcp?tools=direct", data=raw or None, headers=headers, allow_redirects=False
        ) as answer:
            back = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
            if answer.content_type == "text/event-stream":
                response = web.StreamResponse(status=answer.status, headers=back)
                await response.prepare(request)
                async for part in answer.content.iter_any():
                    await response.write(part)
                return response
            return web.Response(status=answer.status, headers=back, body=_renamed(await answer.read()))

    async def _changed(
        self, message: dict[str, Any], headers: list[tuple[str, str]]
    ) -> tuple[bytes, list[tuple[str, str]]]:
        params = message.get("params")
        name = params.get("name") if isinstance(params, dict) else None
        if not isinstance(params, dict) or name not in TOOLS:
            return orjson.dumps(message), headers
        params["name"] = TOOLS[name]
        headers = [(k, TOOLS[name] if k.lower() == "mcp-name" and v == name else v) for k, v in headers]
        meta = params.get("_meta")
        if isinstance(meta, dict):
            meta["gatehouse/idempotency_key"] = uuid4().hex
            if name == "slow_compute":
                meta["gatehouse/respond_async"] = True
            capabilities = meta.get(_CAPABILITIES)
            if isinstance(capabilities, dict) and "elicitation" in capabilities:
                capabilities["elicitation"] = {"url": {}, **capabilities["elicitation"]}
        if "requestState" in params:
            await self._approve()
        return orjson.dumps(message), headers


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _renamed(raw: bytes) -> bytes:
    """Give the tools of a list the suite's names."""
    message = _parsed(raw)
    tools = message.get("result", {}).get("tools") if isinstance(message, dict) else None
    if not tools:
        return raw
    for tool in tools:
        tool["name"] = _SHOWN.get(tool["name"], tool["name"])
    return orjson.dumps(message)
