"""An answer as server-sent events: begun when there is something to say, and ended by the answer itself.

A client that vanishes ends nothing but its stream: what it asked for goes on, as at every door.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.http.agent import Visit
from gateway.mcp.message import event, notification

KEEP_ALIVE_SECONDS = 15.0
_PING = b": ping\r\n\r\n"
_OF_A_REFUSAL = ("call_requested", "call_finished")
_NAMES = {
    "call_requested": "The call is on record.",
    "decision": "The grants were applied.",
    "approval": "A person is asked.",
    "upstream_request": "The request goes to the vendor.",
    "upstream_response": "The vendor has answered.",
    "call_finished": "The outcome is on record.",
    "call_replayed": "The first answer under this key is looked up.",
}


class EventStream:
    """Writes messages to one client."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._response: web.StreamResponse | None = None
        self.gone = False

    @property
    def response(self) -> web.StreamResponse | None:
        """What was begun, None where nothing was said yet."""
        return self._response

    async def send(self, message: Mapping[str, Any]) -> None:
        """Write a message. One to a client that is gone is dropped."""
        await self._write(event(message))

    async def ping(self) -> None:
        """Keep the connection open through proxies that close silent ones."""
        await self._write(_PING)

    async def end(self) -> None:
        """End the stream."""
        if self._response is not None and not self.gone:
            try:
                await self._response.write_eof()
            except ConnectionError:
                self.gone = True

    async def _write(self, raw: bytes) -> None:
        if self.gone:
            return
        try:
            if self._response is None:
                self._response = await self._begin()
            await self._response.write(raw)
        except ConnectionError:
            self.gone = True

    async def _begin(self) -> web.StreamResponse:
        visit = self._visit
        headers = {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "Gatehouse-Trace": visit.trace.id,
            **visit.headers(),
        }
        response = web.StreamResponse(headers=headers)
        await response.prepare(visit.request)
        return response


class Progress:
    """Tells a client how far its call is, under the token that it gave."""

    def __init__(self, token: str | int) -> None:
        self._token = token
        self._steps = 0
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def note(self, type: str) -> None:
        """Take note of an event of the call."""
        if not self._steps and type in _OF_A_REFUSAL:
            return  # what is refused before anything is decided is answered by its status, which a stream has not
        self._steps += 1
        told = {"progressToken": self._token, "progress": self._steps, "message": _NAMES.get(type, type)}
        self._said.put_nowait(notification("notifications/progress", told))

    async def follow(self, work: "asyncio.Task[Any]", stream: EventStream) -> None:
        """Write what was noted until the work has ended."""
        while not work.done():
            hearing = asyncio.ensure_future(self._said.get())
            try:
                await asyncio.wait({hearing, work}, return_when=asyncio.FIRST_COMPLETED, timeout=KEEP_ALIVE_SECONDS)
            finally:
                heard = hearing.done() and not hearing.cancelled()
                hearing.cancel()
            if heard:
                await stream.send(hearing.result())
            elif not work.done():
                await stream.ping()
        while not self._said.empty():
            await stream.send(self._said.get_nowait())
