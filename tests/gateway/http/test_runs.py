"""Runs: the chain of calls and events of one piece of agent work."""

import asyncio
from typing import Any

import pytest

from tests.gateway.caller import Caller
from tests.gateway.world import World

NOTE = {"box": "red", "text": "hi"}


async def test_a_run_is_opened_with_what_it_is_for(bot: Caller) -> None:
    given = {"labels": {"team": "web"}, "work_unit": "T-1", "agent_version": "3.1"}
    made = await bot.ask("POST", "/v1/runs", given, headers={"Gatehouse-Actor": "ann"})
    assert made.status == 201
    assert made.headers["Location"] == f"/v1/runs/{made.body['id']}"
    assert made.body["status"] == "open"
    assert made.body["actor"] == "ann"
    assert made.body["agent"] == bot.id
    assert made.body["closed_at"] is None
    assert made.body.items() >= given.items()
    read = (await bot.get(f"/v1/runs/{made.body['id']}")).body
    assert read == made.body | {"items": [], "next_cursor": None}
    assert (await bot.ask("POST", "/v1/runs")).status == 201


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"label": {}}, "/label"),
        ({"labels": {"a": 1}}, "/labels/a"),
        ({"labels": []}, "/labels"),
        ({"work_unit": 5}, "/work_unit"),
        ({"agent_version": "x" * 129}, "/agent_version"),
    ],
)
async def test_a_run_that_does_not_fit_is_refused_with_a_pointer(bot: Caller, value: Any, pointer: str) -> None:
    reply = await bot.ask("POST", "/v1/runs", value)
    assert (reply.status, reply.code, reply.pointers) == (422, "invalid_input", [pointer])


async def test_a_timeline_tells_a_call_from_request_to_end(world: World, bot: Caller) -> None:
    run = await bot.open_run()
    reply = await bot.run("toy.note.create", NOTE, key="k1", run=run)
    assert reply.body["run"] == run
    items = await bot.timeline(run)
    assert [item["type"] for item in items] == [
        "call_requested",
        "decision",
        "upstream_request",
        "upstream_response",
        "call_finished",
    ]
    assert [item["seq"] for item in items] == [1, 2, 3, 4, 5]
    assert all(item.keys() == {"id", "seq", "at", "type", "call", "data"} for item in items)
    assert {item["call"] for item in items} == {reply.call}
    assert items[1]["data"]["effect"] == "allow"
    assert items[2]["data"]["url"] == f"{world.toy.url}/boxes/red/notes"
    assert items[3]["data"]["status"] == 201
    assert items[4]["data"]["status"] == "succeeded"


async def test_an_agents_timeline_holds_no_vendor_bodies_or_headers(bot: Caller) -> None:
    reply = await bot.run("toy.note.create", {"box": "red", "text": "body-5f2c"}, key="k1")
    timeline = await bot.get(f"/v1/runs/{reply.body['run']}")
    assert b"body-5f2c" not in timeline.raw
    assert all("headers" not in item["data"] for item in timeline.body["items"])


async def test_a_call_without_a_run_opens_one_of_its_own(bot: Caller) -> None:
    one, two = [await bot.run("toy.note.get", {"box": "red", "id": 1}) for _ in range(2)]
    assert one.body["run"] != two.body["run"]
    assert (await bot.get(f"/v1/runs/{one.body['run']}")).body["status"] == "open"


async def test_a_parked_call_tells_its_approval(world: World) -> None:
    agent = await world.caller(autonomy="approve")
    run = await agent.open_run()
    parked = await agent.run("toy.order.create", {"item": "a"}, key="k1", run=run)
    await world.decide(parked.call)
    await agent.look(parked.call, wait=10)
    types = [item["type"] for item in await agent.timeline(run)]
    assert types[:4] == ["call_requested", "decision", "approval", "approval"]
    assert types[-3:] == ["upstream_request", "upstream_response", "call_finished"]


async def test_the_agents_own_links_are_part_of_the_chain(bot: Caller) -> None:
    run = await bot.open_run()
    given = [
        {"type": "user_request", "data": {"text": "Do it"}},
        {"type": "context_ref", "data": {"doc": 1}, "at": "2026-01-05T12:00:00+01:00"},
        {"type": "model_output", "data": {}},
        {"type": "note", "data": {"a": [1, {"b": None}]}},
        {"type": "final_output", "data": {"text": "Done"}},
    ]
    for event in given:
        reply = await bot.ask("POST", f"/v1/runs/{run}/events", event)
        assert reply.status == 201
        assert reply.body["id"].startswith("evt_")
        assert (reply.body["type"], reply.body["data"]) == (event["type"], event["data"])
    items = await bot.timeline(run)
    assert [(item["type"], item["data"]["data"]) for item in items] == [(e["type"], e["data"]) for e in given]
    assert "call" not in items[0]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "call_finished", "data": {}},
        {"type": "note"},
        {"type": "note", "data": []},
        {"type": "note", "data": {}, "at": "yesterday"},
        {"type": "note", "data": {}, "at": "2026-01-05T12:00:00"},
        {"type": "note", "data": {}, "more": 1},
        {"type": "outcome", "data": {}},
    ],
)
async def test_an_event_that_does_not_fit_is_refused(bot: Caller, event: Any) -> None:
    run = await bot.open_run()
    reply = await bot.ask("POST", f"/v1/runs/{run}/events", event)
    assert (reply.status, reply.code) == (422, "invalid_input")
    assert await bot.timeline(run) == []


async def test_an_outcome_closes_a_run_for_calls_and_events(world: World, bot: Caller) -> None:
    run = await bot.open_run()
    await bot.run("toy.note.create", NOTE, key="k1", run=run)
    outcome = {"result": "succeeded", "cause": "All done", "quantity": "3", "cost": "0.25"}
    closed = await bot.ask("POST", f"/v1/runs/{run}/outcome", outcome)
    assert (closed.status, closed.body["status"], closed.body["outcome"]) == (200, "closed", outcome)
    assert closed.body["closed_at"]
    reached = world.reached()
    for reply in (
        await bot.run("toy.note.create", NOTE, key="k2", run=run),
        await bot.ask("POST", f"/v1/runs/{run}/events", {"type": "note", "data": {}}),
        await bot.ask("POST", f"/v1/runs/{run}/outcome", {"result": "failed"}),
    ):
        assert (reply.status, reply.code) == (409, "run_closed")
    assert world.reached() == reached
    read = (await bot.get(f"/v1/runs/{run}")).body
    assert read["outcome"] == outcome
    assert read["items"][-1]["type"] == "outcome"


async def test_a_run_is_closed_once(bot: Caller) -> None:
    run = await bot.open_run()
    path = f"/v1/runs/{run}/outcome"
    replies = await asyncio.gather(*(bot.ask("POST", path, {"result": "failed"}) for _ in range(6)))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 5


@pytest.mark.parametrize(
    "outcome", [{}, {"result": "won"}, {"result": "failed", "cost": 1.5}, {"result": "failed", "quantity": "-1"}]
)
async def test_an_outcome_that_does_not_fit_is_refused(bot: Caller, outcome: Any) -> None:
    run = await bot.open_run()
    assert (await bot.ask("POST", f"/v1/runs/{run}/outcome", outcome)).code == "invalid_input"
    assert (await bot.get(f"/v1/runs/{run}")).body["status"] == "open"


async def test_a_timeline_is_paged_in_order_without_gaps(bot: Caller) -> None:
    run = await bot.open_run()
    for n in range(7):
        await bot.ask("POST", f"/v1/runs/{run}/events", {"type": "note", "data": {"n": n}})
    seen, cursor = [], ""
    while True:
        page = (await bot.get(f"/v1/runs/{run}?limit=3{cursor}")).body
        seen += [(item["seq"], item["data"]["data"]["n"]) for item in page["items"]]
        assert len(page["items"]) <= 3
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [(n + 1, n) for n in range(7)]
    other = await bot.open_run()
    assert (await bot.get(f"/v1/runs/{other}?limit=3{cursor}")).code == "invalid_cursor"


async def test_a_run_that_is_not_there_is_not_found_and_nothing_is_sent(world: World, bot: Caller) -> None:
    reply = await bot.run("toy.note.create", NOTE, key="k1", run="run_" + "0" * 26)
    assert (reply.status, reply.code) == (404, "run_not_found")
    assert world.reached() == []
    assert (await bot.get("/v1/runs/run_0")).code == "run_not_found"


async def test_events_of_many_writers_at_once_all_arrive(bot: Caller, world: World) -> None:
    run = await bot.open_run()
    await asyncio.gather(
        *(bot.ask("POST", f"/v1/runs/{run}/events", {"type": "note", "data": {"n": n}}) for n in range(40))
    )
    items = await bot.timeline(run)
    assert sorted(item["data"]["data"]["n"] for item in items) == list(range(40))
    assert (await world.verify()).intact


async def test_runs_survive_a_restart(world: World, bot: Caller) -> None:
    run = await bot.open_run(work_unit="T-1")
    await bot.run("toy.note.create", NOTE, key="k1", run=run)
    before = (await bot.get(f"/v1/runs/{run}")).body
    await world.restart()
    assert (await bot.get(f"/v1/runs/{run}")).body == before
