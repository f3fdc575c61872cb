"""The blocking client. One instance may be used by many threads."""

import time
from collections.abc import Callable, Iterator, Mapping
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
Path = ActionPath[Call[Any], Preview, Iterator[Any]]


class Client(Shell):
    """A gateway as one agent sees it. `url` and `key` are `GATEHOUSE_URL` and `GATEHOUSE_KEY` where they are left out.

    Give `http` to use a connection pool of your own; it is then yours to close.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        patience: Patience = Patience(),
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a monotonic clock in seconds and its sleep, which tests may hold still."""
        super().__init__(url, key)
        self._owned = http is None
        self._http = http or httpx.Client(follow_redirects=False)
        self._flows = Flows(Exchange(patience, now))
        self._sleep = sleep

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let the connections go."""
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        if self._owned:
            self._http.close()

    def call(self, action: str, input: Given | None = None, /) -> Call[Any]:
        """Run an action by its name and return its call once it has ended well."""
        return self._do(self._flows.invoke(action, input or {}, self._options))

    def start(self, action: str, input: Given | None = None, /) -> Call[Any]:
        """Run an action and return its call as it stands: it may wait for a person, or still run."""
        return self._do(self._flows.start(action, input or {}, self._options))

    def preview(self, action: str, input: Given | None = None, /) -> Preview:
        """Return what a call would do."""
        return self._do(self._flows.preview(action, input or {}, self._options))

    def items(self, action: str, input: Given | None = None, /) -> Iterator[Any]:
        """Go through the items of all pages of an action that lists, also those that were cut from an answer."""
        asked = dict(input or {})
        client = self if self._options.key is None else self.using(key=None)
        while True:
            call = client.call(action, asked)
            yield from call.output["items"]
            if call.truncated:
                yield from self.output(call.id, "/items", skip=int(call.truncated["returned"]))
            asked["cursor"] = call.output.get("next_cursor")
            if asked["cursor"] is None:
                return

    def look(self, call: str) -> Call[Any]:
        """Return a call as it stands. Raises its problem where it failed."""
        return self._do(self._flows.look(call))

    def wait(self, call: str, seconds: float | None = None) -> Call[Any]:
        """Return a call once it has ended well. Raises its problem, and `StillWaiting` when the time is up."""
        return self._do(self._flows.wait(call, seconds=seconds))

    def cancel(self, call: str) -> Call[Any]:
        """Take a call back before it is sent."""
        return self._do(self._flows.cancel(call))

    def output(self, call: str, pointer: str = "", *, skip: int = 0) -> Iterator[Any]:
        """Go through a part of a call's output (RFC 6901 pointer), however large it is."""
        pages = self._pages(lambda cursor: self._flows.output_page(call, pointer, cursor))
        for number, item in enumerate(pages):
            if number >= skip:
                yield item

    def actions(
        self,
        q: str | None = None,
        *,
        connector: str | None = None,
        effect: str | None = None,
        connection: str | None = None,
        full: bool = False,
    ) -> Iterator[ActionInfo]:
        """Go through the actions that the key may call now; `q` ranks them. Schemas are there in `full` ones."""
        fields = "full" if full else None
        filters = given(q=q, connector=connector, effect=effect, connection=connection, fields=fields)
        return map(action_of, self._pages(lambda cursor: self._flows.actions_page(filters, cursor)))

    def describe(self, action: str, *, connection: str | None = None, kind: str | None = None) -> ActionInfo:
        """Return one action with its schemas, and with the tenant's own fields on that connection."""
        return self._do(self._flows.describe(action, given(connection=connection, kind=kind)))

    def upload(self, content: bytes, media_type: str = "application/octet-stream") -> File:
        """Keep a file at the gateway for a day; an input takes its `ref`."""
        return self._do(self._flows.upload(content, media_type))

    def download(self, file: str | Mapping[str, Any]) -> Content:
        """Return a file's bytes, by its id or as an output names it."""
        return self._do(self._flows.download(file if isinstance(file, str) else str(file["file"])))

    def timeline(self, run: str) -> Iterator[Event]:
        """Go through what happened in a run, in order."""
        return self._pages(lambda cursor: self._flows.timeline_page(run, cursor))

    def openapi(self) -> dict[str, Any]:
        """Return the gateway's description of its API."""
        return self._do(self._flows.document())

    def _pages(self, flow: Callable[[str | None], Flow[Page]]) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            page = self._do(flow(cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def _do(self, flow: Flow[T]) -> T:
        answer: Any = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as done:
                return cast("T", done.value)
            answer = self._sleep(step.seconds) if isinstance(step, Pause) else self._send(step)

    def _send(self, send: Send) -> Received | Lost:
        try:
            answer = self._http.send(request(self._http, self._address, send), follow_redirects=False)
        except httpx.TransportError as error:
            return lost(error)
        return received(self._address, answer)


class BaseRun(RunShell, Client):
    """A run: calls through it belong to it.

    In a `with` block it closes: as failed by an exception, else as succeeded.
    """

    def open(self) -> Self:
        """Open it at the gateway. A `with` block does."""
        return self._is(self._do(self._flows.open_run(self._opening.body(), self._options.actor)))

    def __enter__(self) -> Self:
        """Open it."""
        return self.open()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it, unless that was done. An exception goes on, also where closing fails."""
        if error is None or self._closed:
            self.close()
            return
        try:
            self._finish(failed(error, self._address.hidden))
        except Exception as second:
            error.add_note(f"The run {self.id} could not be closed: {second}")

    def user_request(self, content: str | Mapping[str, Any]) -> None:
        """Record what the user asked for."""
        self._note("user_request", told(content))

    def context(self, reference: str, **more: Any) -> None:
        """Record what the agent looked at: a document, a ticket, a search."""
        self._note("context_ref", {"reference": reference, **more})

    def model_output(self, content: str | Mapping[str, Any]) -> None:
        """Record what the model said."""
        self._note("model_output", told(content))

    def final_output(self, content: str | Mapping[str, Any]) -> None:
        """Record what the user got."""
        self._note("final_output", told(content))

    def note(self, content: str | Mapping[str, Any]) -> None:
        """Record anything else."""
        self._note("note", told(content))

    def close(self) -> None:
        """Close it now: as succeeded, where `outcome` said nothing else."""
        if not self._closed:
            self._finish(self._outcome or Outcome("succeeded"))

    def events(self) -> Iterator[Event]:
        """Go through what happened in it, in order."""
        return self.timeline(self.id)

    def _note(self, type: str, data: Mapping[str, Any]) -> None:
        self._do(self._flows.note(self.id, type, data))

    def _finish(self, outcome: Outcome) -> None:
        self._closed = True
        self._do(self._flows.close_run(self.id, outcome.body()))


class _ByName(Client):
    def __getattr__(self, name: str) -> Path:
        """Return the way to a connector's actions."""
        if name.startswith("_"):
            raise AttributeError(name)
        return ActionPath(self, name)


class Run(_ByName, BaseRun):
    """A run whose actions are attributes."""


class Gatehouse(_ByName):
    """A gateway whose actions are attributes."""

    def run(
        self,
        work_unit: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        agent_version: str | None = None,
    ) -> Run:
        """Return a run to open by `with`: the chain of calls and events of one piece of work."""
        return Run.__new__(Run)._of(self, Opening(work_unit, labels, agent_version))


__all__ = ["BaseRun", "Client", "Gatehouse", "Run"]
