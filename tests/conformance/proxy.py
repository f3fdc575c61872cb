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
    "test_image_content": "check__picture__get",
    "test_audio_content": "check__sound__get",
    "test_embedded_resource": "check__document__get",
    "test_multiple_content_types": "check__album__get",
    "greet": "check__greeting__get",
    "failing_job": "check__failure__get",
    "test_logging_tool": "check__text__get",
    "test_streaming_elicitation": "check__letter__send",
    "test_trigger_tool_change": "check__text__get",
    "test_simple_text": "check__text__get",
    "test_error_handling": "check__failure__get",
    "test_tool_with_progress": "check__steps__get",
    "slow_compute": "check__slow__get",
    "confirm_delete": "check__letter__send",
    "test_input_required_result_request_state": "check__letter__send",
    "test_input_required_result_tampered_state": "check__letter__send",
    "test_input_required_result_multi_round": "check__letter__send",
    "test_input_required_result_elicitation": "check__letter__send",
}
# Calls of these go on behind the caller, so that there is a task.
_ASYNC = {"slow_compute", "failing_job"}
_HOP = {"host", "content-length", "transfer-encoding", "connection", "content-encoding", "date", "server"}
_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
_IN_ROUNDS = "test_input_required_result_multi_round"
Deed = Callable[[], Awaitable[None]]


class Proxy:
    """Forwards requests. `approve` decides whatever waits, as a person would on the page; `grant` changes the tools."""

    def __init__(self, session: ClientSession, target: str, key: str, approve: Deed, grant: Deed) -> None:
        self._session = session
        self._target = target
        self._key = key
        self._approve = approve
        self._grant = grant
        self._rounds = 0

    def application(self) -> web.Application:
        application = web.Application(client_max_size=4 * 1024 * 1024)
        application.router.add_route("*", "/mcp", self._forward)
        return application

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        raw, headers = await request.read(), [(k, v) for k, v in request.headers.items() if k.lower() not in _HOP]
        message = _parsed(raw)
        if isinstance(message, dict) and isinstance(message.get("params"), dict):
            raw, headers = await self._changed(message, headers)
        headers += [("Authorization", f"Bearer {self._key}"), ("Host", request.headers["Host"])]
        async with self._session.request(
            request.method, self._target + "/mcp?tools=direct", data=raw or None, headers=headers, allow_redirects=False
        ) as answer:
            back = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
            if answer.content_type == "text/event-stream":
                response = web.StreamResponse(status=answer.status, headers=back)
                await response.prepare(request)
                try:
                    async for part in answer.content.iter_any():
                        await response.write(part)
                except ConnectionResetError:
                    pass  # the suite has heard enough of a stream
                return response
            return web.Response(status=answer.status, headers=back, body=_renamed(await answer.read()))

    def _decides(self, name: object, params: dict[str, Any]) -> bool:
        """Whether the user decides before this request: at once, or when asked again where several rounds are tried."""
        if "requestState" not in params:
            return False
        self._rounds += name == _IN_ROUNDS
        return name != _IN_ROUNDS or self._rounds > 1

    async def _changed(
        self, message: dict[str, Any], headers: list[tuple[str, str]]
    ) -> tuple[bytes, list[tuple[str, str]]]:
        params = message["params"]
        meta = params.get("_meta")
        capabilities = meta.get(_CAPABILITIES) if isinstance(meta, dict) else None
        if isinstance(capabilities, dict) and isinstance(capabilities.get("elicitation"), dict):
            capabilities["elicitation"]["url"] = {}  # the client's user can open pages: this proxy does
        name = params.get("name")
        if message.get("method") == "tasks/update" or self._decides(name, params):
            await self._approve()
        if message.get("method") != "tools/call" or name not in TOOLS:
            return orjson.dumps(message), headers
        if name == "test_trigger_tool_change":
            await self._grant()
        params["name"] = TOOLS[name]
        if isinstance(meta, dict):
            meta["gatehouse/idempotency_key"] = uuid4().hex
            meta["gatehouse/respond_async"] = name in _ASYNC
        return orjson.dumps(message), [
            (k, TOOLS[name] if k.lower() == "mcp-name" and v == name else v) for k, v in headers
        ]


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _renamed(raw: bytes) -> bytes:
    """Show the tools of a list under the suite's names too."""
    message = _parsed(raw)
    tools = message.get("result", {}).get("tools") if isinstance(message, dict) else None
    if not tools:
        return raw
    by_name = {tool["name"]: tool for tool in tools}
    tools += [{**by_name[own], "name": suite} for suite, own in TOOLS.items() if own in by_name]
    return orjson.dumps(message)
