"""The asynchronous client: the blocking one word for word, with `await`."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import httpx

from gatehouse_client.actions import ActionPath, Given
from gatehouse_client.exchange import Exchange
from gatehouse_client.flows import Flows, Page
from gatehouse_client.options import Patience
from gatehouse_client.runs import Opening, Outcome, failed, told
from gatehouse_client.shell import RunShell, Shell, given
from gatehouse_client.transport import lost, received, request
from gatehouse_client.values import ActionInfo, Call, Content, Event, File, Preview, action_of
from gatehouse_client.wire import Flow, Lost, Pause, Received, Send

T = TypeVar("T")
Path = ActionPath[Coroutine[Any, Any, Call[Any]], Coroutine[Any, Any, Preview], AsyncIterator[Any]]


class AsyncClient(Shell):
    """A gateway as one agent sees it. `url` and `key` are `GATEHOUSE_URL` and `GATEHOUSE_KEY` where they are left out.

    Give `http` to use a connection pool of your own; it is then yours to close.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        patience: Patience = Patience(),
        http: httpx.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a monotonic clock in seconds and its sleep, which tests may hold still."""
        super().__init__(url, key)
        self._owned = http is None
        self._http = http or httpx.AsyncClient(follow_redirects=False)
        self._flows = Flows(Exchange(patience, now))
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        """Return this."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Let the connections go."""
        await self.close()

    async def close(self) -> None:
        """Let the connections go."""
        if self._owned:
            await self._http.aclose()

    async def call(self, action: str, input: Given | None = None, /) -> Call[Any]:
        """Run an action by its name and return its call once it has ended well."""
        return await self._do(self._flows.invoke(action, input or {}, self._options))

    async def start(self, action: str, input: Given | None = None, /) -> Call[Any]:
        """Run an action and return its call as it stands: it may wait for a person, or still run."""
        return await self._do(self._flows.start(action, input or {}, self._options))

    async def preview(self, action: str, input: Given | None = None, /) -> Preview:
        """Return what a call would do."""
        return await self._do(self._flows.preview(action, input or {}, self._options))

    async def items(self, action: str, input: Given | None = None, /) -> AsyncIterator[Any]:
        """Go through the items of all pages of an action that lists, also those that were cut from an answer."""
        asked = dict(input or {})
        client = self if self._options.key is None else self.using(key=None)
        while True:
            call = await client.call(action, asked)
            for item in call.output["items"]:
                yield item
            if call.truncated:
                async for item in self.output(call.id, "/items", skip=int(call.truncated["returned"])):
                    yield item
            asked["cursor"] = call.output.get("next_cursor")
            if asked["cursor"] is None:
                return

    async def look(self, call: str) -> Call[Any]:
        """Return a call as it stands. Raises its problem where it failed."""
        return await self._do(self._flows.look(call))

    async def wait(self, call: str, seconds: float | None = None) -> Call[Any]:
        """Return a call once it has ended well. Raises its problem, and `StillWaiting` when the time is up."""
        return await self._do(self._flows.wait(call, seconds=seconds))

    async def cancel(self, call: str) -> Call[Any]:
        """Take a call back before it is sent."""
        return await self._do(self._flows.cancel(call))

    async def output(self, call: str, pointer: str = "", *, skip: int = 0) -> AsyncIterator[Any]:
        """Go through a part of a call's output (RFC 6901 pointer), however large it is."""
        pages = self._pages(lambda cursor: self._flows.output_page(call, pointer, cursor))
        number = 0
        async for item in pages:
            if number >= skip:
                yield item
            number += 1

    async def actions(
        self,
        q: str | None = None,
        *,
        connector: str | None = None,
        effect: str | None = None,
        connection: str | None = None,
        full: bool = False,
    ) -> AsyncIterator[ActionInfo]:
        """Go through the actions that the key may call now; `q` ranks them. Schemas are there in `full` ones."""
        fields = "full" if full else None
        filters = given(q=q, connector=connector, effect=effect, connection=connection, fields=fields)
        async for item in self._pages(lambda cursor: self._flows.actions_page(filters, cursor)):
            yield action_of(item)

    async def describe(self, action: str, *, connection: str | None = None, kind: str | None = None) -> ActionInfo:
        """Return one action with its schemas, and with the tenant's own fields on that connection."""
        return await self._do(self._flows.describe(action, given(connection=connection, kind=kind)))

    async def upload(self, content: bytes, media_type: str = "application/octet-stream") -> File:
        """Keep a file at the gateway for a day; an input takes its `ref`."""
        return await self._do(self._flows.upload(content, media_type))

    async def download(self, file: str | Mapping[str, Any]) -> Content:
        """Return a file's bytes, by its id or as an output names it."""
        return await self._do(self._flows.download(file if isinstance(file, str) else str(file["file"])))

    def timeline(self, run: str) -> AsyncIterator[Event]:
        """Go through what happened in a run, in order."""
        return self._pages(lambda cursor: self._flows.timeline_page(run, cursor))

    async def openapi(self) -> dict[str, Any]:
        """Return the gateway's description of its API."""
        return await self._do(self._flows.document())

    async def _pages(self, flow: Callable[[str | None], Flow[Page]]) -> AsyncIterator[Any]:
        cursor: str | None = None
        while True:
            page = await self._do(flow(cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _do(self, flow: Flow[T]) -> T:
        answer: Any = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as done:
                return cast("T", done.value)
            answer = await (self._sleep(step.seconds) if isinstance(step, Pause) else self._send(step))

    async def _send(self, send: Send) -> Received | Lost:
        try:
            answer = await self._http.send(request(self._http, self._address, send), follow_redirects=False)
        except httpx.TransportError as error:
            return lost(error)
        return received(self._address, answer)


class AsyncBaseRun(RunShell, AsyncClient):
    """A run: calls through it belong to it.

    In an `async with` block it closes: as failed by an exception, else as succeeded.
    """

    async def open(self) -> Self:
        """Open it at the gateway. An `async with` block does."""
        return self._is(await self._do(self._flows.open_run(self._opening.body(), self._options.actor)))

    async def __aenter__(self) -> Self:
        """Open it."""
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close it, unless that was done. An exception goes on, also where closing fails."""
        if error is None or self._closed:
            await self.close()
            return
        try:
            await self._finish(failed(error, self._address.hidden))
        except Exception as second:
            error.add_note(f"The run {self.id} could not be closed: {second}")

    async def user_request(self, content: str | Mapping[str, Any]) -> None:
        """Record what the user asked for."""
        await self._note("user_request", told(content))

    async def context(self, reference: str, **more: Any) -> None:
        """Record what the agent looked at: a document, a ticket, a search."""
        await self._note("context_ref", {"reference": reference, **more})

    async def model_output(self, content: str | Mapping[str, Any]) -> None:
        """Record what the model said."""
        await self._note("model_output", told(content))

    async def final_output(self, content: str | Mapping[str, Any]) -> None:
        """Record what the user got."""
        await self._note("final_output", told(content))

    async def note(self, content: str | Mapping[str, Any]) -> None:
        """Record anything else."""
        await self._note("note", told(content))

    async def close(self) -> None:
        """Close it now: as succeeded, where `outcome` said nothing else."""
        if not self._closed:
            await self._finish(self._outcome or Outcome("succeeded"))

    def events(self) -> AsyncIterator[Event]:
        """Go through what happened in it, in order."""
        return self.timeline(self.id)

    async def _note(self, type: str, data: Mapping[str, Any]) -> None:
        await self._do(self._flows.note(self.id, type, data))

    async def _finish(self, outcome: Outcome) -> None:
        self._closed = True
        await self._do(self._flows.close_run(self.id, outcome.body()))


class _ByName(AsyncClient):
    def __getattr__(self, name: str) -> Path:
        """Return the way to a connector's actions."""
        if name.startswith("_"):
            raise AttributeError(name)
        return ActionPath(self, name)


class AsyncRun(_ByName, AsyncBaseRun):
    """A run whose actions are attributes."""


class AsyncGatehouse(_ByName):
    """A gateway whose actions are attributes."""

    def run(
        self,
        work_unit: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        agent_version: str | None = None,
    ) -> AsyncRun:
        """Return a run to open by `async with`: the chain of calls and events of one piece of work."""
        return AsyncRun.__new__(AsyncRun)._of(self, Opening(work_unit, labels, agent_version))


__all__ = ["AsyncBaseRun", "AsyncClient", "AsyncGatehouse", "AsyncRun"]
