"""Calls, runs, audit and usage as admins see them; resolving what nobody knows."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.gateway.admin.stage import Stage

TICKET = {"queue": "it", "title": "Printer"}


async def unknown(stage: Stage, idempotency: str = "once") -> tuple[str, str]:
    """Return the key of an agent and a call of unknown outcome."""
    _, key = await stage.caller(autonomy="auto", idempotency_days=7)
    stage.desk.mode = "silent"
    status, problem = await stage.call(key, "desk.ticket.create", TICKET, idempotency)
    assert (status, problem["code"]) == (502, "outcome_unknown")
    stage.desk.mode = "ok"
    return key, str(problem["call"])


async def test_a_call_is_found_and_shown_whole(stage: Stage) -> None:
    _, key = await stage.caller(autonomy="auto")
    _, made = await stage.call(key, "desk.ticket.create", TICKET)
    for query in (
        "agent=bot",
        "action=desk.ticket.create",
        "status=succeeded",
        "connection=desk/main",
        f"run={made['run']}",
    ):
        _, page, _ = await stage.ask("GET", f"E/calls?{query}")
        assert [call["id"] for call in page["items"]] == [made["id"]], query
    for query in (
        "action=desk.ticket.get",
        "status=failed",
        "since=2026-01-06T00:00:00Z",
        "until=2026-01-05T00:00:00Z",
    ):
        assert (await stage.ask("GET", f"E/calls?{query}"))[1]["items"] == [], query
    _, shown, _ = await stage.ask("GET", f"E/calls/{made['id']}", role="auditor")
    assert shown["input"] == TICKET
    assert shown["output"] == made["output"]
    assert [event["type"] for event in shown["events"]] == [
        "call_requested",
        "decision",
        "upstream_request",
        "upstream_response",
        "call_finished",
    ]


async def test_a_call_of_another_place_is_not_there(stage: Stage) -> None:
    _, key = await stage.caller(autonomy="auto")
    _, made = await stage.call(key, "desk.ticket.create", TICKET)
    rival = "/v1/admin/tenants/rival/environments/prod"
    for path in (f"{rival}/calls/{made['id']}", f"{rival}/runs/{made['run']}"):
        assert (await stage.ask("GET", path, tenant="rival"))[0] == 404
    said = {"outcome": "applied", "comment": "x"}
    assert (await stage.ask("POST", f"{rival}/calls/{made['id']}/resolve", said, tenant="rival"))[0] == 404


async def test_an_applied_call_then_answers_its_repeats_with_success(stage: Stage) -> None:
    key, call = await unknown(stage)
    said = {"outcome": "applied", "output": {"number": 1, "title": "Printer"}, "comment": "ticket 1 is there"}
    status, shown, _ = await stage.ask("POST", f"E/calls/{call}/resolve", said)
    assert (status, shown["status"], shown["output"]["number"]) == (200, "succeeded", 1)
    event = shown["events"][-1]
    assert event["type"] == "call_resolved"
    assert event["data"]["comment"] == "ticket 1 is there"
    assert event["data"]["by"]["role"] == "admin"
    status, again = await stage.call(key, "desk.ticket.create", TICKET, "once")
    assert (status, again["replayed"], again["output"]["number"]) == (200, True, 1)
    assert again["decision"]["effect"] == "allow"
    assert len(stage.desk.tickets) == 1


async def test_the_key_of_an_applied_call_is_remembered_as_long_as_its_grant_says(stage: Stage) -> None:
    key, call = await unknown(stage)
    await stage.ask("POST", f"E/calls/{call}/resolve", {"outcome": "applied", "comment": "seen"})
    stage.clock.forward(days=6)
    status, again = await stage.call(key, "desk.ticket.create", TICKET, "once")
    assert (status, again["replayed"], again["output"]) == (200, True, None)
    assert len(stage.desk.tickets) == 1


async def test_a_call_that_was_not_applied_gives_its_key_back(stage: Stage) -> None:
    key, call = await unknown(stage)
    stage.desk.tickets.clear()
    status, shown, _ = await stage.ask(
        "POST", f"E/calls/{call}/resolve", {"outcome": "not_applied", "comment": "no such ticket"}
    )
    assert (status, shown["status"], shown["code"]) == (200, "failed", "upstream_unavailable")
    status, again = await stage.call(key, "desk.ticket.create", TICKET, "once")
    assert (status, again["replayed"]) == (200, False)
    assert len(stage.desk.tickets) == 1


async def test_only_an_unknown_outcome_is_resolved_and_only_once(stage: Stage) -> None:
    key, call = await unknown(stage)
    said = {"outcome": "applied", "comment": "seen"}
    assert (await stage.ask("POST", f"E/calls/{call}/resolve", said))[0] == 200
    status, problem, _ = await stage.ask("POST", f"E/calls/{call}/resolve", said | {"outcome": "not_applied"})
    assert (status, problem["code"]) == (409, "conflict")
    _, made = await stage.call(key, "desk.ticket.create", TICKET)
    assert (await stage.ask("POST", f"E/calls/{made['id']}/resolve", said))[0] == 409


@pytest.mark.parametrize(
    "said",
    [
        {"outcome": "applied", "comment": "x", "output": {"number": "one", "title": "Printer"}},
        {"outcome": "not_applied", "comment": "x", "output": {"number": 1, "title": "Printer"}},
        {"outcome": "applied"},
        {"outcome": "applied", "comment": ""},
        {"outcome": "perhaps", "comment": "x"},
    ],
)
async def test_a_resolution_that_makes_no_sense_settles_nothing(stage: Stage, said: dict[str, Any]) -> None:
    _, call = await unknown(stage)
    status, problem, _ = await stage.ask("POST", f"E/calls/{call}/resolve", said)
    assert (status, problem["code"]) == (422, "invalid_input")
    assert (await stage.ask("GET", f"E/calls/{call}"))[1]["status"] == "outcome_unknown"


async def test_secret_fields_of_a_resolved_output_are_masked(stage: Stage) -> None:
    _, call = await unknown(stage)
    said = {"outcome": "applied", "output": {"number": 1, "title": "Printer", "door_code": "4711"}, "comment": "x"}
    _, shown, _ = await stage.ask("POST", f"E/calls/{call}/resolve", said)
    assert "4711" not in str(shown)


async def test_a_run_is_a_timeline_in_order(stage: Stage) -> None:
    _, key = await stage.caller(autonomy="auto")
    _, made = await stage.call(key, "desk.ticket.create", TICKET)
    _, page, _ = await stage.ask("GET", "E/runs?agent=bot&status=open")
    assert [(run["id"], run["calls"]) for run in page["items"]] == [(made["run"], 1)]
    seen: list[int] = []
    path = f"E/runs/{made['run']}?limit=2"
    while path:
        _, run, _ = await stage.ask("GET", path)
        seen += [event["seq"] for event in run["items"]]
        path = f"E/runs/{made['run']}?limit=2&cursor={run['next_cursor']}" if run["next_cursor"] else ""
    assert seen == sorted(set(seen))
    assert len(seen) == 5


async def test_the_audit_trail_is_of_this_environment_and_the_tenant(stage: Stage) -> None:
    await stage.ask("POST", "E/agents", {"name": "bot"})
    await stage.ask("PATCH", "/v1/admin/tenants/acme", {"title": "Acme"}, role="owner")
    _, page, _ = await stage.ask("GET", "E/audit?limit=200", role="auditor")
    whats = [event["data"]["what"] for event in page["items"]]
    assert whats.count("tenant.update") == 1
    assert whats.count("tenant.create") == 1
    _, page, _ = await stage.ask("GET", "E/audit?limit=200", role="auditor", environment="prod")
    assert {event["data"]["what"] for event in page["items"]} >= {"agent.create"}
    assert "tenant.update" not in [event["data"]["what"] for event in page["items"]]
    _, page, _ = await stage.ask("GET", "E/audit?type=call_finished")
    assert page["items"] == []
    status, report, _ = await stage.ask("POST", "E/audit/verify", role="auditor")
    assert (status, report["intact"]) == (200, True)


async def test_usage_counts_calls_and_units_of_work(stage: Stage) -> None:
    _, key = await stage.caller(autonomy="auto")
    for _ in range(2):
        await stage.call(key, "desk.ticket.create", TICKET)
    auth = {"Authorization": f"Bearer {key}"}
    url = f"{stage.gateway.url}/v1/runs"
    async with stage.session.post(url, json={"work_unit": "ticket"}, headers=auth) as answer:
        run = (await answer.json(content_type=None))["id"]
    outcome = {"result": "succeeded", "quantity": "2.5", "cost": "0.10"}
    async with stage.session.post(f"{url}/{run}/outcome", json=outcome, headers=auth) as answer:
        assert answer.status < 300
    stage.clock.forward(hours=1)
    _, report, _ = await stage.ask("GET", "E/usage")
    assert [(row["day"], row["agent"]["name"], row["action"], row["count"]) for row in report["calls"]] == [
        ("2026-01-05", "bot", "desk.ticket.create", 2)
    ]
    assert report["work_units"] == [
        {"work_unit": "ticket", "result": "succeeded", "runs": 1, "quantity": "2.5", "cost": "0.10"}
    ]
    assert report["truncated"] is False


async def test_a_report_of_the_chain_tells_a_tenant_of_its_own_calls_only(stage: Stage) -> None:
    _, key = await stage.caller(autonomy="auto")
    _, made = await stage.call(key, "desk.ticket.create", TICKET)
    await stage.gateway.database.write(lambda rows: rows.execute(text("UPDATE calls SET status='failed'")).rowcount)
    _, report, _ = await stage.ask("POST", "E/audit/verify", role="auditor")
    assert report["intact"] is False
    assert made["id"] in [finding["call"] for finding in report["findings"]]
    rival = "/v1/admin/tenants/rival/environments/prod/audit/verify"
    _, report, _ = await stage.ask("POST", rival, role="auditor", tenant="rival")
    assert report["intact"] is False
    assert {finding["call"] for finding in report["findings"]} == {None}
    assert report["calls"] == 0
    _, report, _ = await stage.ask("POST", rival, role="operator")
    assert report["calls"] == 1
