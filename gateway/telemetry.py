"""One trace a call, with the stages as spans, and Prometheus metrics without tenant labels.

Whether a call is sampled is decided before a span is made: an unsampled call costs a few attribute look-ups.
Span names and attributes follow OpenTelemetry's GenAI conventions (`execute_tool`) and HTTP stable names.
"""

import os
import random
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NOTHING = nullcontext()
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class CallTrace:
    """The trace of one call: its id in any case, spans only where it is sampled."""

    __slots__ = ("_span", "_tracer", "id", "parent", "sampled")

    def __init__(self, id: str, parent: str, *, sampled: bool, tracer: Tracer | None) -> None:
        self.id = id
        self.parent = parent
        self.sampled = sampled
        self._tracer = tracer
        self._span: Span | None = None

    @property
    def traceparent(self) -> str:
        """The W3C context that requests of this call carry on."""
        return f"00-{self.id}-{self.parent}-{'01' if self.sampled else '00'}"

    def begin(self, action: str, call: str) -> None:
        """Open the call's span."""
        if self._tracer is None:
            return
        context = SpanContext(int(self.id, 16), int(self.parent, 16), is_remote=True, trace_flags=TraceFlags(1))
        span = self._tracer.start_span(
            f"execute_tool {action}",
            context=set_span_in_context(NonRecordingSpan(context)),
            kind=SpanKind.SERVER,
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": action,
                "gen_ai.tool.call.id": call,
                "gen_ai.tool.type": "function",
            },
        )
        if isinstance(span, Span):
            self._span = span
            self.parent = f"{span.get_span_context().span_id:016x}"

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Return a span for a stage, or nothing at all."""
        if self._span is None or self._tracer is None:
            return _NOTHING
        return _Stage(self._tracer, self._span, name)

    def end(self, status: str, code: str | None, attributes: Mapping[str, str | int]) -> None:
        """Close the call's span."""
        if self._span is None:
            return
        self._span.set_attribute("gatehouse.call.status", status)
        for name, value in attributes.items():
            self._span.set_attribute(name, value)
        if code is not None:
            self._span.set_attribute("error.type", code)
            self._span.set_status(StatusCode.ERROR, code)
        self._span.end()
        self._span = None


class _Stage:
    __slots__ = ("_name", "_parent", "_span", "_tracer")

    def __init__(self, tracer: Tracer, parent: Span, name: str) -> None:
        self._tracer = tracer
        self._parent = parent
        self._name = name

    def __enter__(self) -> None:
        self._span = self._tracer.start_span(self._name, context=set_span_in_context(self._parent))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            # The class alone: an error's text may quote what a vendor said.
            self._span.set_attribute("error.type", getattr(error, "code", kind.__name__))
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class Metrics:
    """What operators watch. Labels are actions, connectors, codes: never a tenant."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter(
            "gatehouse_calls",
            "Calls by action and how they ended.",
            ["action", "status", "code"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "gatehouse_call_seconds", "Duration of calls.", ["effect"], buckets=_SECONDS, registry=self.registry
        )
        self.upstream = Counter(
            "gatehouse_upstream_responses",
            "Vendor answers by status class.",
            ["connector", "status"],
            registry=self.registry,
        )
        self.unauthenticated = Counter(
            "gatehouse_unauthenticated_requests", "Requests without a valid credential.", registry=self.registry
        )
        self.refused_intake = Counter(
            "gatehouse_intake_refusals", "Requests refused by the intake limit.", registry=self.registry
        )
        self.replays = Counter("gatehouse_replays", "Repeats answered from the record.", registry=self.registry)
        self.in_flight = Gauge("gatehouse_calls_in_flight", "Calls being worked on.", registry=self.registry)
        self.ledger_ready = Gauge("gatehouse_ledger_ready", "1 while the ledger takes writes.", registry=self.registry)

    def text(self) -> bytes:
        """Return the metrics in the text format."""
        return generate_latest(self.registry)


class Telemetry:
    """Makes traces and holds the metrics. `ratio` of the calls are sampled unless the caller's context decides."""

    def __init__(self, *, ratio: float, exporter: SpanExporter | None) -> None:
        self.metrics = Metrics()
        self._ratio = ratio
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None
        if exporter is not None:
            self._provider = TracerProvider(resource=Resource.create({"service.name": "gatehouse"}))
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
            self._tracer = self._provider.get_tracer("gatehouse")

    def trace(self, traceparent: str | None) -> CallTrace:
        """Continue a caller's trace, or begin one."""
        match = _TRACEPARENT.match(traceparent) if traceparent else None
        if match is not None and match.group(1) != "0" * 32 and match.group(2) != "0" * 16:
            sampled = int(match.group(3), 16) & 1 == 1
            return CallTrace(match.group(1), match.group(2), sampled=sampled, tracer=self._tracer if sampled else None)
        sampled = self._tracer is not None and random.random() < self._ratio  # noqa: S311 - no secret
        id, parent = os.urandom(16).hex(), os.urandom(8).hex()
        return CallTrace(id, parent, sampled=sampled, tracer=self._tracer if sampled else None)

    def close(self) -> None:
        """Send what is left."""
        if self._provider is not None:
            self._provider.shutdown()


def otlp_exporter() -> SpanExporter | None:
    """Return the exporter of OTLP over HTTP where an endpoint is set, else None."""
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


__all__ = ["CallTrace", "Metrics", "ReadableSpan", "Telemetry", "otlp_exporter"]
