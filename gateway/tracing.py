"""The trace of one call: noted as plain numbers while the call runs, made into spans when it has ended.

Whether a call is sampled is decided at its beginning: an unsampled one costs a few attribute look-ups. Span names
and attributes follow OpenTelemetry's GenAI conventions (`execute_tool`) and HTTP stable names.
"""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

_NOTHING = nullcontext()


@dataclass(slots=True)
class Noted:
    """What became of a stretch of work. Times are Unix nanoseconds; `error` is a code or the class of an error."""

    name: str
    began: int
    ended: int = 0
    error: str | None = None


@dataclass(slots=True)
class NotedCall:
    """A call with its stages. `trace`, `parent` and `span` are hexadecimal ids."""

    trace: str
    parent: str
    span: str
    work: Noted
    attributes: dict[str, str | int]
    stages: list[Noted] = field(default_factory=list[Noted])


class SpanSink(Protocol):
    """Takes calls that have ended."""

    def take(self, call: NotedCall) -> None:
        """Make spans of a call, and queue them for their export."""
        ...

    def new_span(self) -> str:
        """Return an id for a span."""
        ...


class CallTrace:
    """The trace of one call: its id in any case, spans only where it is sampled."""

    __slots__ = ("_call", "_sink", "id", "parent", "sampled")

    def __init__(self, id: str, parent: str, *, sampled: bool, sink: SpanSink | None) -> None:
        self.id = id
        self.parent = parent
        self.sampled = sampled
        self._sink = sink
        self._call: NotedCall | None = None

    @property
    def traceparent(self) -> str:
        """The W3C context that requests of this call carry on."""
        return f"00-{self.id}-{self.parent}-{'01' if self.sampled else '00'}"

    def begin(self, action: str, call: str) -> None:
        """Open the call's span."""
        if self._sink is None:
            return
        attributes: dict[str, str | int] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": action,
            "gen_ai.tool.call.id": call,
            "gen_ai.tool.type": "function",
        }
        work = Noted(f"execute_tool {action}", time.time_ns())
        self._call = NotedCall(self.id, self.parent, self._sink.new_span(), work, attributes)
        self.parent = self._call.span

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Return a span for a stage, or nothing at all."""
        return _NOTHING if self._call is None else _Stage(self._call, name)

    def end(self, status: str, code: str | None, attributes: Mapping[str, str | int]) -> None:
        """Close the call's span."""
        call = self._call
        if call is None or self._sink is None:
            return
        self._call = None
        call.work.ended, call.work.error = time.time_ns(), code
        call.attributes["gatehouse.call.status"] = status
        call.attributes.update(attributes)
        self._sink.take(call)


class _Stage:
    __slots__ = ("_noted",)

    def __init__(self, call: NotedCall, name: str) -> None:
        self._noted = Noted(name, 0)
        call.stages.append(self._noted)

    def __enter__(self) -> None:
        self._noted.began = time.time_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._noted.ended = time.time_ns()
        if kind is not None:
            # The class alone: an error's text may quote what a vendor said.
            self._noted.error = getattr(error, "code", kind.__name__)
