"""Makes OpenTelemetry spans of calls that have ended, and hands them to the SDK's batch processor.

They are built whole, not opened and closed one by one: the SDK's live spans, with their locks and bounds, cost more
than the rest of the pipeline where one call in ten is sampled.
"""

import random

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway.tracing import Noted, NotedCall

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_GOOD = Status(StatusCode.UNSET)


class Spans:
    """The `SpanSink` over an exporter."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._processor = BatchSpanProcessor(exporter)
        self._resource = Resource.create({"service.name": "gatehouse"})
        self._scope = InstrumentationScope("gatehouse")

    def new_span(self) -> str:
        """Return an id for a span."""
        return f"{random.getrandbits(64) or 1:016x}"

    def take(self, call: NotedCall) -> None:
        """Queue the spans of a call, its stages first."""
        trace = int(call.trace, 16)
        own = SpanContext(trace, int(call.span, 16), is_remote=False, trace_flags=_SAMPLED)
        parent = SpanContext(trace, int(call.parent, 16), is_remote=True, trace_flags=_SAMPLED)
        for stage in call.stages:
            context = SpanContext(trace, random.getrandbits(64) or 1, is_remote=False, trace_flags=_SAMPLED)
            self._queue(stage, context, own, SpanKind.INTERNAL, {})
        self._queue(call.work, own, parent, SpanKind.SERVER, call.attributes)

    def close(self) -> None:
        """Send what is left."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _queue(
        self, noted: Noted, context: SpanContext, parent: SpanContext, kind: SpanKind, attributes: dict[str, str | int]
    ) -> None:
        if noted.error is not None:
            attributes["error.type"] = noted.error
        span = ReadableSpan(
            noted.name,
            context,
            parent,
            self._resource,
            attributes,
            kind=kind,
            status=_GOOD if noted.error is None else Status(StatusCode.ERROR, noted.error),
            start_time=noted.began,
            end_time=noted.ended or noted.began,
            instrumentation_scope=self._scope,
        )
        self._processor.on_end(span)
