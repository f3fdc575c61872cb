"""Lost requests and answers through a whole gateway: nothing twice, nothing that undoes what somebody else did."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

import gateway.contract
from connectors.salesforce import salesforce
from connectors.salesforce.simulator.world import stamp

UPSERT = {"key": {"field": "Gateway_Key__c", "value": "crm-7"}, "name": "Globex AG"}


@pytest.fixture
async def bench() -> AsyncIterator[Any]:
    async with gateway.contract.bench_of(salesforce) as made:
        await made.arrange()
        yield made


def writes(bench: Any) -> int:
    return sum(received.method != "GET" for received in bench.simulator.received)


def globex(bench: Any) -> Any:
    return next(bench.simulator.world.of("Account"))


@pytest.mark.parametrize(("fault", "sent"), [("reset_before", 2), ("reset_after", 1), ("half_body", 1), ("500", 2)])
async def test_an_upsert_is_sent_again_only_where_it_was_not_applied(fault: str, sent: int, bench: Any) -> None:
    bench.simulator.faults.add({"match": "PATCH /", "fault": fault})

    answered = await bench.run("salesforce.account.upsert", UPSERT)

    assert answered.status == 200
    assert (len(bench.simulator.applied), writes(bench)) == (1, sent)
    assert globex(bench).values["Name"] == "Globex AG"


async def test_an_upsert_does_not_undo_what_somebody_did_in_between(bench: Any) -> None:
    bench.simulator.faults.add({"match": "PATCH /", "fault": "reset_before"})
    row = globex(bench)
    row.values |= {"Name": "Globex SE", "SystemModstamp": stamp(bench.simulator.clock())}

    answered = await bench.run("salesforce.account.upsert", UPSERT)

    assert (answered.status, answered.code) == (502, "outcome_unknown")
    assert (bench.simulator.applied, writes(bench)) == ([], 1)
    assert row.values["Name"] == "Globex SE"


async def test_an_upsert_does_not_bring_back_what_somebody_deleted_in_between(bench: Any) -> None:
    bench.simulator.faults.add({"match": "PATCH /", "fault": "reset_before"})
    bench.simulator.world.remove(globex(bench), bench.simulator.world.user, bench.simulator.clock())

    answered = await bench.run("salesforce.account.upsert", UPSERT)

    assert (answered.status, answered.code) == (502, "outcome_unknown")
    assert (bench.simulator.applied, writes(bench)) == ([], 1)


async def test_a_new_record_without_a_key_stays_unknown(bench: Any) -> None:
    bench.simulator.faults.add({"match": "POST /", "fault": "reset_after"})

    answered = await bench.run("salesforce.case.create", {"subject": "x"})

    assert (answered.status, answered.code) == (502, "outcome_unknown")
    assert (len(bench.simulator.applied), writes(bench)) == (1, 1)


@pytest.mark.parametrize("action", ["case.comment", "case.reply"])
async def test_a_comment_is_never_sent_again(action: str, bench: Any) -> None:
    case = next(bench.simulator.world.of("Case")).id
    bench.simulator.faults.add({"match": "POST /", "fault": "reset_before"})

    answered = await bench.run(f"salesforce.{action}", {"case": case, "body": "x"})

    assert (answered.status, answered.code) == (502, "outcome_unknown")
    assert (bench.simulator.applied, writes(bench)) == ([], 1)


async def test_a_locked_record_is_tried_again(bench: Any) -> None:
    case = next(bench.simulator.world.of("Case"))
    bench.simulator.world.locked[case.id[:15]] = 2

    answered = await bench.run("salesforce.case.update", {"case": case.id, "status": "Closed"})

    assert answered.status == 200
    assert (len(bench.simulator.applied), writes(bench)) == (1, 3)


async def test_a_used_up_day_holds_calls_back_for_an_hour(bench: Any) -> None:
    simulator = bench.simulator
    simulator.usage.used = simulator.usage.limits.daily

    first = await bench.run("salesforce.org.get_limits", {})
    asked = len(simulator.received)
    second = await bench.run("salesforce.org.get_limits", {})

    assert (first.status, first.code, second.code) == (503, "upstream_quota", "upstream_quota")
    assert first.body["retry_after_ms"] > 3_500_000
    assert len(simulator.received) == asked
    assert simulator.applied == []


async def test_an_ended_session_is_refused_and_not_tried_for_ever(bench: Any) -> None:
    bench.simulator.access.tokens.clear()

    answered = await bench.run("salesforce.user.me", {})

    assert (answered.status, answered.code) == (424, "connection_unhealthy")
    assert len(bench.simulator.received) <= 4
