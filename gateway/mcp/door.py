"""`POST /mcp`: Streamable HTTP, every revision from 2025-03-26 on, one at a time and without anything kept between.

Source: modelcontextprotocol.io/specification, "Transports" of 2026-07-28, 2025-11-25, 2025-06-18 and 2025-03-26.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import orjson
from aiohttp import web

from connectors.sdk.errors import ActionError, NotFound
from gateway.http.agent import Visit
from gateway.http.request import check_parameters, read_body
from gateway.http.response import JSON, problem_headers
from gateway.mcp import envelope
from gateway.mcp.listen import Listeners
from gateway.mcp.message import (
    INVALID_REQUEST,
    MOST_IN_A_BATCH,
    Fault,
    Id,
    Message,
    answered,
    failed,
    fault_of,
    id_of,
    parse,
    read,
)
from gateway.mcp.methods import Methods
from gateway.mcp.origin import Origins
from gateway.mcp.peer import EARLIER, REVISIONS, Peer
from gateway.mcp.sessions import SESSION, Sessions
from gateway.mcp.stream import EventStream, Progress

_EVENTS = "text/event-stream"
_BATCHES = "2025-03-26"


class McpDoor:
    """The protocol's one endpoint, at two paths."""

    def __init__(self, methods: Methods, sessions: Sessions, listeners: Listeners, origins: Origins) -> None:
        self._methods = methods
        self._sessions = sessions
        self._listeners = listeners
        self._origins = origins

    async def post(self, visit: Visit) -> web.StreamResponse:
        """Answer a message, or several of 2025-03-26."""
        self._check(visit)
        try:
            value = parse(await read_body(visit.request))
            if isinstance(value, list):
                return await self._batch(visit, cast("list[object]", value))
            return await self._single(visit, value)
        except Fault as fault:
            return _failed(None, fault, fault.status(modern=True))

    def _check(self, visit: Visit) -> None:
        """Refuse foreign pages, the paths of other tenants, and clients that read no JSON."""
        self._origins.check(visit.request)
        check_parameters(visit.request, ("tools",))
        place, agent = visit.request.match_info, visit.principal.agent
        if "tenant" in place and (place["tenant"], place["environment"]) != (agent.tenant, agent.environment):
            raise NotFound(
                "There is nothing at this path for this key.",
                hint="Use /mcp: the key says which tenant and environment.",
            )

    async def _single(self, visit: Visit, value: object) -> web.StreamResponse:
        id, modern = id_of(value), False
        try:
            message = read(value)
            modern = envelope.is_modern(message, visit.request.headers)
            if message.id is None:
                return web.Response(status=202)
            if message.method == "initialize" and not modern:
                return self._begin(visit, message)
            peer = envelope.peer_of(message, visit.request.headers) if modern else self._peer(visit)
            if message.method == "subscriptions/listen" and modern:
                return await self._listen(visit, peer, message)
            token = message.meta.get("progressToken")
            if message.method == "tools/call" and isinstance(token, str | int) and _reads_events(visit):
                return await self._streamed(visit, peer, message, token)
            result = await self._methods.answer(visit, peer, message)
        except Fault as fault:
            return _failed(id, fault, fault.status(modern=modern), _lacking(visit, fault))
        return _written(answered(message.id, result))

    def _begin(self, visit: Visit, message: Message) -> web.StreamResponse:
        """Answer `initialize`, with the id of a session that any replica can read."""
        assert message.id is not None
        peer = self._methods.begun(message)
        id = self._sessions.begin(visit.principal.agent, peer)
        return _written(answered(message.id, self._methods.initialized(peer)), headers={SESSION: id})

    def _peer(self, visit: Visit) -> Peer:
        headers = visit.request.headers
        return self._sessions.peer(visit.principal.agent, headers.get(SESSION), headers.get(envelope.VERSION))

    async def _batch(self, visit: Visit, values: list[object]) -> web.StreamResponse:
        """Answer several messages, one after another, each as if it had come alone."""
        named = visit.request.headers.get(envelope.VERSION)
        if named is not None and named not in REVISIONS:
            raise envelope.unsupported(named)
        if named not in {None, *EARLIER}:
            raise Fault(INVALID_REQUEST, f"{named} takes one message at a time.", status=400)
        peer = self._peer(visit)
        if peer.revision != _BATCHES:
            raise Fault(INVALID_REQUEST, f"{peer.revision} takes one message at a time.", status=400)
        if not 1 <= len(values) <= MOST_IN_A_BATCH:
            raise Fault(INVALID_REQUEST, f"A batch has 1 to {MOST_IN_A_BATCH} messages.", status=400)
        replies = [reply for value in values if (reply := await self._of_batch(visit, peer, value)) is not None]
        return _written(replies) if replies else web.Response(status=202)

    async def _of_batch(self, visit: Visit, peer: Peer, value: object) -> dict[str, Any] | None:
        try:
            message = read(value)
            if message.id is None:
                return None
            if message.method == "initialize":
                raise Fault(INVALID_REQUEST, "`initialize` comes alone.")
            return answered(message.id, await self._methods.answer(visit, peer, message))
        except Fault as fault:
            return failed(id_of(value), fault)

    async def _streamed(self, visit: Visit, peer: Peer, message: Message, token: str | int) -> web.StreamResponse:
        """Answer a call that wants to hear how far it is."""
        assert message.id is not None
        progress, stream = Progress(token), EventStream(visit)
        work = asyncio.create_task(self._methods.answer(visit, peer, message, progress.note))
        try:
            await progress.follow(work, stream)
        except asyncio.CancelledError:
            # This process leaves: the pipeline says where the call stands, where it is on record.
            work.cancel()
            _uncancel()
        try:
            reply, status, headers = answered(message.id, await work), 200, {}
        except Fault as fault:
            reply, status = failed(message.id, fault), fault.status(modern=peer.modern)
            headers = dict(_lacking(visit, fault))
        if stream.response is None:
            return _written(reply, status, headers)
        await stream.send(reply)
        await stream.end()
        return stream.response

    async def _listen(self, visit: Visit, peer: Peer, message: Message) -> web.StreamResponse:
        if not _reads_events(visit):
            raise Fault(INVALID_REQUEST, f"This is answered by a stream: accept {_EVENTS}.", status=406)
        self._methods.check(peer, message)
        stream = EventStream(visit)
        try:
            await self._listeners.serve(visit, peer, message, stream)
        except ActionError as error:
            raise fault_of(error) from error
        assert stream.response is not None
        return stream.response


def refuse(error: ActionError, headers: Mapping[str, str]) -> web.StreamResponse:
    """Write what keeps a request out: the problem's status and headers, and the problem in a JSON-RPC error."""
    return _failed(None, fault_of(error), error.status, headers)


def _lacking(visit: Visit, fault: Fault) -> Mapping[str, str]:
    """Return the headers that tell a client which scopes its token lacks, where that is what is wrong."""
    return visit.lacking(cast("Mapping[str, Any]", fault.data) if isinstance(fault.data, dict) else {})


def _failed(id: Id | None, fault: Fault, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    return _written(failed(id, fault), status, problem_headers(status, fault.retry_after_ms, headers))


def _written(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, headers=headers, content_type=JSON)


def _reads_events(visit: Visit) -> bool:
    accept = visit.request.headers.get("Accept", "")
    return any(part.split(";")[0].strip().lower() in {_EVENTS, "text/*", "*/*"} for part in accept.split(","))


def _uncancel() -> None:
    """Let the task go on that was cancelled."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
