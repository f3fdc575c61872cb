"""Traces with stages as spans, metrics without tenants, and logs."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.telemetry import Telemetry
from tests.gateway.caller import Caller
from tests.gateway.world import World

NOTE = {"box": "red", "text": "hi"}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Traced:
    """A world whose spans end up in memory."""

    def __init__(self, exporter: InMemorySpanExporter, telemetry: Telemetry) -> None:
        self._exporter = exporter
        self.telemetry = telemetry
        self.world: World
        self.bot: Caller

    def spans(self) -> Sequence[ReadableSpan]:
        assert self.telemetry._spans is not None
        self.telemetry._spans._processor.force_flush()
        return self._exporter.get_finished_spans()


@pytest.fixture
async def traced(make_world: Any, request: pytest.FixtureRequest) -> Traced:
    exporter = InMemorySpanExporter()
    made = Traced(exporter, Telemetry(ratio=getattr(request, "param", 1.0), exporter=exporter))
    made.world = await make_world(telemetry=made.telemetry)
    made.bot = await made.world.caller()
    return made


async def test_a_call_is_one_trace_with_its_stages_as_spans(traced: Traced) -> None:
    reply = await traced.bot.run("toy.note.create", NOTE, key="k1")
    spans = traced.spans()
    root = next(span for span in spans if span.name == "execute_tool toy.note.create")
    stages = [span for span in spans if span is not root]
    assert {format(span.context.trace_id, "032x") for span in spans} == {reply.headers["Gatehouse-Trace"]}
    assert [span.name for span in sorted(stages, key=lambda span: span.start_time or 0)] == [
        *("open record", "resolve", "scopes", "parse", "constraints", "look up", "risk", "decide", "limits"),
        *("claim", "send", "settle"),
    ]
    assert {span.parent.span_id for span in stages if span.parent} == {root.context.span_id}
    assert all((root.start_time or 0) <= (span.start_time or 0) <= (span.end_time or 0) for span in stages)
    told = dict(root.attributes or {})
    assert told["gen_ai.operation.name"] == "execute_tool"
    assert told["gen_ai.tool.name"] == "toy.note.create"
    assert told["gen_ai.tool.call.id"] == reply.call
    assert told["gatehouse.call.status"] == "succeeded"


async def test_a_callers_context_is_continued_and_goes_out(traced: Traced) -> None:
    header = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    reply = await traced.bot.run("toy.note.get", {"box": "red", "id": 1}, headers=header)
    assert reply.headers["Gatehouse-Trace"] == TRACE
    root = next(span for span in traced.spans() if span.name.startswith("execute_tool"))
    assert root.parent is not None
    assert format(root.parent.span_id, "016x") == PARENT
    sent = traced.world.toy.received[0].headers["traceparent"]
    assert sent == f"00-{TRACE}-{format(root.context.span_id, '016x')}-01"


@pytest.mark.parametrize("header", [f"00-{TRACE}-{PARENT}-00", f"00-{TRACE}-{PARENT}-02"])
async def test_an_unsampled_context_makes_no_span(traced: Traced, header: str) -> None:
    reply = await traced.bot.run("toy.note.get", {"box": "red", "id": 1}, headers={"traceparent": header})
    assert reply.headers["Gatehouse-Trace"] == TRACE
    assert traced.spans() == ()
    assert traced.world.toy.received[0].headers["traceparent"].endswith("-00")


@pytest.mark.parametrize("traced", [0.0], indirect=True)
async def test_at_a_ratio_of_zero_only_a_sampled_caller_is_traced(traced: Traced) -> None:
    await traced.bot.run("toy.note.get", {"box": "red", "id": 1})
    assert traced.spans() == ()
    header = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    await traced.bot.run("toy.note.get", {"box": "red", "id": 1}, headers=header)
    assert traced.spans() != ()


@pytest.mark.parametrize(
    "header", ["nonsense", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{PARENT}-01"]
)
async def test_a_context_that_is_none_begins_a_trace_of_its_own(traced: Traced, header: str) -> None:
    reply = await traced.bot.run("toy.note.get", {"box": "red", "id": 1}, headers={"traceparent": header})
    assert re.fullmatch(r"[0-9a-f]{32}", reply.headers["Gatehouse-Trace"])
    assert reply.headers["Gatehouse-Trace"] != TRACE


async def test_a_refusal_is_an_error_with_its_code_and_without_text(traced: Traced) -> None:
    await traced.bot.run("toy.note.create", {"box": "secret-box-5f2c", "x": 1}, key="k1")
    spans = traced.spans()
    root = next(span for span in spans if span.name.startswith("execute_tool"))
    assert dict(root.attributes or {})["error.type"] == "invalid_input"
    parse = next(span for span in spans if span.name == "parse")
    assert dict(parse.attributes or {})["error.type"] == "invalid_input"
    assert "secret-box-5f2c" not in "".join(span.to_json() for span in spans)


async def test_a_call_that_waited_goes_on_in_its_trace(traced: Traced) -> None:
    header = {"traceparent": f"00-{TRACE}-{PARENT}-01", "Prefer": "respond-async"}
    queued = await traced.bot.run("toy.order.create", {"item": "a"}, key="k1", headers=header)
    assert (await traced.bot.look(queued.call, wait=10)).body["status"] == "succeeded"
    roots = [span for span in traced.spans() if span.name.startswith("execute_tool")]
    assert [dict(span.attributes or {})["gatehouse.call.status"] for span in roots] == ["queued", "succeeded"]
    assert {format(span.context.trace_id, "032x") for span in roots} == {TRACE}
    assert traced.world.toy.received[0].headers["traceparent"].split("-")[1] == TRACE


async def test_without_an_exporter_no_span_is_made(world: World, bot: Caller) -> None:
    assert world.gateway.telemetry._spans is None
    header = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    assert (await bot.run("toy.note.get", {"box": "red", "id": 1}, headers=header)).headers["Gatehouse-Trace"] == TRACE


async def metrics(world: World) -> str:
    async with world.session.get(f"{world.gateway.metrics_url}/metrics") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        return await answer.text()


async def test_metrics_have_a_listener_of_their_own_and_no_tenant(world: World, bot: Caller) -> None:
    assert world.gateway.metrics_url != world.gateway.url
    await bot.run("toy.note.create", NOTE, key="k1")
    await bot.run("toy.note.create", NOTE, key="k1")
    await bot.run("toy.note.create", NOTE, key="k1", headers={"Gatehouse-Connection": "toy/none"})
    await bot.run("toy.nothing-at-all", {})
    text = await metrics(world)
    assert 'gatehouse_calls_total{action="toy.note.create",code="",status="succeeded"} 2.0' in text
    assert 'code="connection_required"' in text
    assert "gatehouse_replays_total 1.0" in text
    assert "gatehouse_calls_in_flight 0.0" in text
    for secret in ("acme", "prod", bot.id, "toy/main", "nothing-at-all", bot.key):
        assert secret not in text
    async with world.session.get(f"{world.gateway.metrics_url}/v1/actions") as answer:
        assert answer.status == 404


async def test_what_callers_invent_makes_no_new_labels(world: World, bot: Caller) -> None:
    await bot.run("toy.invented", {})
    before = (await metrics(world)).count("\n")
    for n in range(30):
        await bot.run(f"toy.invented{n}", {})
    assert (await metrics(world)).count("\n") == before


@pytest.mark.embedded
async def test_vendors_answers_and_the_ledgers_state_are_shown(world: World, bot: Caller) -> None:
    await bot.run("toy.note.create", NOTE, key="k1")
    await bot.run("toy.odd.fail", {"status": 404})
    text = await metrics(world)
    assert 'gatehouse_upstream_responses_total{connector="toy",status="2xx"} 1.0' in text
    assert 'gatehouse_upstream_responses_total{connector="toy",status="4xx"} 1.0' in text
    assert "gatehouse_ledger_ready 1.0" in text
    writer = world.gateway.database._writer
    assert writer is not None
    writer._raw.execute("PRAGMA query_only=ON")
    assert (await bot.run("toy.note.create", NOTE, key="k2")).code == "state_unavailable"
    assert "gatehouse_ledger_ready 0.0" in await metrics(world)
    writer._raw.execute("PRAGMA query_only=OFF")
    await bot.run("toy.note.create", NOTE, key="k2")
    assert "gatehouse_ledger_ready 1.0" in await metrics(world)


async def test_the_end_of_a_call_that_waited_is_counted(world: World, bot: Caller) -> None:
    queued = await bot.run("toy.order.create", {"item": "a"}, key="k1", headers={"Prefer": "respond-async"})
    await bot.look(queued.call, wait=10)
    await asyncio.sleep(0)
    text = await metrics(world)
    assert 'gatehouse_calls_total{action="toy.order.create",code="",status="queued"} 1.0' in text
    assert 'gatehouse_calls_total{action="toy.order.create",code="",status="succeeded"} 1.0' in text


async def test_a_fault_of_ours_is_logged_with_its_place_and_not_its_text(
    world: World, bot: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    await bot.run("toy.odd.trip", {"name": "private-5f2c"}, key="k1")
    logged = "".join(capsys.readouterr())
    assert "KeyError" in logged
    assert "private-5f2c" not in logged


def test_the_environment_of_the_exporter_is_read_here_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.telemetry import otlp_exporter

    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    assert otlp_exporter() is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    made = otlp_exporter()
    assert made is not None
    made.shutdown()
