from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from connectors.sdk.errors import ScopeDenied
from gateway.telemetry import Telemetry

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(exporter: InMemorySpanExporter) -> Iterator[Telemetry]:
    telemetry = Telemetry(ratio=1, exporter=exporter)
    yield telemetry
    telemetry.close()


def finished(telemetry, exporter):
    telemetry.close()
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_call_is_a_span_of_the_callers_trace_and_its_stages_are_its_children(telemetry, exporter):
    trace = telemetry.trace(CALLER)
    trace.begin("github.issue.create", "call_1")
    with trace.stage("parse"):
        pass
    trace.end("succeeded", None, {"gatehouse.run.id": "run_1"})
    spans = finished(telemetry, exporter)
    call, stage = spans["execute_tool github.issue.create"], spans["parse"]
    assert f"{call.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{call.parent.span_id:016x}" == "b7ad6b7169203331"
    assert (stage.parent.span_id, stage.context.trace_id) == (call.context.span_id, call.context.trace_id)
    assert (call.kind, stage.kind) == (SpanKind.SERVER, SpanKind.INTERNAL)
    assert call.start_time <= stage.start_time <= stage.end_time <= call.end_time
    assert call.attributes["gen_ai.tool.name"] == "github.issue.create"
    assert call.attributes["gatehouse.run.id"] == "run_1"


def test_the_vendor_is_asked_in_the_context_of_the_calls_span(telemetry, exporter):
    trace = telemetry.trace(None)
    trace.begin("github.issue.get", "call_1")
    asked = trace.traceparent
    trace.end("succeeded", None, {})
    call = finished(telemetry, exporter)["execute_tool github.issue.get"]
    assert asked == f"00-{call.context.trace_id:032x}-{call.context.span_id:016x}-01"


def test_a_failed_stage_names_the_kind_of_error_and_not_its_text(telemetry, exporter):
    trace = telemetry.trace(None)
    trace.begin("github.issue.get", "call_1")
    with pytest.raises(ScopeDenied), trace.stage("scopes"):
        raise ScopeDenied("what a vendor said")
    trace.end("refused", "scope_denied", {})
    spans = finished(telemetry, exporter)
    assert spans["scopes"].attributes == {"error.type": "scope_denied"}
    assert all(span.status.status_code is StatusCode.ERROR for span in spans.values())
    assert "vendor" not in "".join(span.to_json() for span in spans.values())


def test_a_call_that_is_not_sampled_makes_no_span_and_still_has_a_trace(exporter):
    telemetry = Telemetry(ratio=0, exporter=exporter)
    trace = telemetry.trace(None)
    trace.begin("github.issue.get", "call_1")
    with trace.stage("parse"):
        pass
    trace.end("succeeded", None, {})
    assert not finished(telemetry, exporter)
    assert trace.traceparent == f"00-{trace.id}-{trace.parent}-00"


def test_the_caller_decides_whether_its_call_is_sampled(exporter):
    telemetry = Telemetry(ratio=1, exporter=exporter)
    assert not telemetry.trace(CALLER[:-2] + "00").sampled
    telemetry.close()
