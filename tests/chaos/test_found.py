"""What chaos has found, or what it would find only with luck, as tests that always find it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from bench.chaos.ledger import read_ledger
from connectors.sdk.errors import StateUnavailable
from gateway.ledger.record import Record
from tests.chaos.reads_first import reads_first

ISSUE = {"owner": "acme", "repo": "web", "title": "Once"}
LABEL = {"owner": "acme", "repo": "web", "name": "once"}


def writes(outbound: Any) -> bool:
    return outbound.method == "POST"


async def test_a_write_whose_process_died_is_found_after_a_long_outage_and_not_sent_again(bench: Any) -> None:
    async with bench.gateway() as (gateway, wire):
        wire.lose = writes
        asked = await bench.asked(gateway, "github.issue.create", "k", ISSUE)
        dying = asyncio.create_task(gateway.pipeline.invoke(asked))
        await wire.lost.wait()
        dying.cancel()
    assert len(bench.simulator.applied) == 1
    bench.clock.ahead += 600
    async with bench.gateway() as (gateway, _):
        await gateway.recovering
        answer = await bench.call(gateway, "github.issue.create", "k", ISSUE)
    assert len(bench.simulator.applied) == 1
    assert (answer.status, answer.body["replayed"]) == (200, True)


async def test_a_write_with_a_unique_name_is_sent_until_the_vendor_answers(bench: Any) -> None:
    async with bench.gateway() as (gateway, wire):
        broken = iter(range(8))
        wire.drop = lambda outbound: writes(outbound) and next(broken, None) is not None
        answer = await bench.call(gateway, "github.label.create", "k", LABEL)
    assert answer.status == 200
    assert len(bench.simulator.applied) == 1


async def test_a_refused_repeat_that_cannot_be_looked_into_is_unknown_and_not_refused(bench: Any) -> None:
    async with bench.gateway() as (gateway, wire):
        bench.simulator.faults.add({"match": "POST /repos/*", "fault": "reset_after"})
        wire.drop = lambda outbound: outbound.method == "GET" and "/labels/" in outbound.url
        answer = await bench.call(gateway, "github.label.create", "k", LABEL)
    assert len(bench.simulator.applied) == 1
    assert answer.body["code"] == "outcome_unknown"


async def test_an_effect_is_looked_for_until_the_vendor_can_be_read_again(bench: Any) -> None:
    async with bench.gateway() as (gateway, wire):
        bench.simulator.faults.add({"match": "POST /repos/*", "fault": "reset_after"})
        broken = iter(range(20))
        wire.drop = lambda outbound: outbound.method == "GET" and next(broken, None) is not None
        answer = await bench.call(gateway, "github.issue.create", "k", ISSUE)
    assert (answer.status, answer.body["output"]["title"]) == (200, "Once")
    assert len(bench.simulator.applied) == 1


async def test_an_effect_that_follows_a_read_has_its_intent_before_it_leaves(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench.gateway() as (gateway, wire):
        connector, action = gateway.registry.action("github.issue.create")
        monkeypatch.setitem(connector.actions, action.name, replace(action, handler=reads_first))
        wire.lose = writes
        asked = await bench.asked(gateway, "github.issue.create", "k", ISSUE)
        dying = asyncio.create_task(gateway.pipeline.invoke(asked))
        await wire.lost.wait()
        dying.cancel()
    async with bench.gateway() as (gateway, _):
        await gateway.recovering
        answer = await bench.call(gateway, "github.issue.create", "k", ISSUE)
    assert len(bench.simulator.applied) == 1
    assert (answer.status, answer.body["replayed"]) == (200, True)


class Away:
    """A ledger that refuses the records that a test names, as one does that is away at that moment."""

    def __init__(self, gateway: Any, refuses: Callable[[Record], bool]) -> None:
        self._commit = gateway.database.commit
        self.refuses = refuses
        self.refused = 0
        gateway.database.commit = self.commit

    async def commit(self, record: Record) -> Any:
        if self.refuses(record):
            self.refused += 1
            raise StateUnavailable("The ledger is away.")
        return await self._commit(record)


async def test_a_call_that_the_ledger_did_not_take_is_recorded_as_refused_and_as_never_sent(bench: Any) -> None:
    async with bench.gateway() as (gateway, _):
        away = Away(gateway, lambda record: record.claim is not None)
        answer = await bench.call(gateway, "github.issue.create", "k", ISSUE)
        away.refuses = lambda record: False
        assert bench.simulator.applied == []
        assert answer.body["code"] == "state_unavailable"
        types = await gateway.database.read(
            lambda rows: [
                row[0] for row in rows.execute(text("SELECT type FROM events WHERE call=:c"), {"c": answer.call})
            ]
        )
        again = await bench.call(gateway, "github.issue.create", "k", ISSUE)
    assert types.count("call_requested") == 1
    assert "upstream_request" not in types
    assert again.status == 200
    assert (await asyncio.to_thread(read_ledger, bench.home.path)).intact


async def test_an_end_that_the_ledger_did_not_take_is_written_as_soon_as_it_does(bench: Any) -> None:
    async with bench.gateway() as (gateway, _):
        gateway.executor._sleep = bench.clock.sleep
        away = Away(gateway, lambda record: record.settlement is not None)
        answer = await bench.call(gateway, "github.issue.create", "k", ISSUE)
        assert answer.body["code"] == "state_unavailable"
        assert (await bench.call(gateway, "github.issue.create", "k", ISSUE)).body["code"] == "idempotency_in_progress"
        away.refuses = lambda record: False
        again = await _until_ended(bench, gateway)
    assert (again.status, again.body["replayed"]) == (200, True)
    assert len(bench.simulator.applied) == 1
    assert away.refused >= 5


async def _until_ended(bench: Any, gateway: Any) -> Any:
    for _ in range(500):
        answer = await bench.call(gateway, "github.issue.create", "k", ISSUE)
        if answer.status == 200:
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError("the call stays open")
