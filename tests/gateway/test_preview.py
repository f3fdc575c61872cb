"""A preview has no effect and shows byte for byte what is then sent."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from connectors.github import github
from connectors.github.simulator import GitHubSimulator
from tests.gateway.caller import Caller
from tests.gateway.world import World

ISSUE = {"owner": "acme", "repo": "web", "title": "It is broken", "body": "See the log."}
WRITES = sorted(name for name, action in github.actions.items() if action.writes)


@pytest.mark.parametrize("action", WRITES)
async def test_what_is_sent_under_the_same_key_is_what_was_shown(
    world: World, bot: Caller, arrange: Callable[[GitHubSimulator], dict[str, dict[str, Any]]], action: str
) -> None:
    given = arrange(world.github)[action]
    shown = await bot.run(action, given, key="k1", preview=True)
    assert shown.status == 200, shown.body
    assert world.applied("github") == []
    world.github.received.clear()
    assert (await bot.run(action, given, key="k1")).status == 200
    wanted = shown.body["requests"][0]
    first = world.github.received[0]
    assert (first.method, world.github.url + first.path) == (wanted["method"], wanted["url"])
    assert first.body_sha256 == wanted.get("body_sha256", sha256(b"").hexdigest())
    sent = {name.lower(): value for name, value in first.headers.items()}
    assert wanted["headers"].items() <= sent.items()
    assert sent.keys() - wanted["headers"].keys() <= {"authorization", "host", "traceparent", "content-length"}


async def test_the_body_that_is_shown_is_the_body_that_is_hashed(world: World, bot: Caller) -> None:
    shown = (await bot.run("github.issue.create", ISSUE, key="k1", preview=True)).body
    request = shown["requests"][0]
    assert sha256(request["body"].encode()).hexdigest() == request["body_sha256"]
    assert len(request["body"].encode()) == request["bytes"]
    assert request["effect"] is True
    assert world.reached("github") == []
    assert shown["resource"] == "acme/web"
    assert shown["decision"]["effect"] == "allow"
    assert "authorization" not in request["headers"]


async def test_a_preview_claims_nothing_and_uses_no_limit(world: World) -> None:
    agent = await world.caller(limits={"writes_per_minute": 1, "requests_per_minute": 1})
    for _ in range(5):
        assert (await agent.run("toy.order.create", {"item": "a"}, key="k", preview=True)).status == 200
    assert await world.rows("SELECT 1 FROM claims UNION SELECT 1 FROM calls UNION SELECT 1 FROM intents") == []
    assert (await agent.run("toy.order.create", {"item": "b"}, key="k")).status == 200


async def test_a_preview_shows_what_would_be_decided(world: World) -> None:
    for autonomy, effect in (("shadow", "shadow"), ("approve", "ask"), ("auto", "allow")):
        agent = await world.caller(autonomy, autonomy=autonomy)
        shown = await agent.run("toy.order.create", {"item": "a"}, key="k", preview=True)
        assert shown.body["decision"]["effect"] == effect


async def test_a_preview_is_refused_where_the_call_would_be(world: World) -> None:
    agent = await world.caller(scopes=("toy:note:write",), constraints={"resources": ["red"]})
    assert (await agent.run("toy.order.create", {"item": "a"}, preview=True)).code == "scope_denied"
    assert (await agent.run("toy.note.create", {"box": "blue"}, preview=True)).code == "constraint_denied"
    assert (await agent.run("toy.note.create", {"box": "red", "x": 1}, preview=True)).code == "invalid_input"
    await world.freeze("agent", agent.id)
    assert (await agent.run("toy.note.create", {"box": "red"}, preview=True)).code == "frozen"
    assert world.reached() == []


async def test_a_preview_needs_no_key_and_under_a_derived_one_shows_its_marker(world: World, bot: Caller) -> None:
    assert (await bot.run("toy.copy.create", {"text": "x"}, preview=True)).status == 200
    agent = await world.caller("deriver", idempotency="derive")
    run = await agent.open_run()
    shown = await agent.run("toy.copy.create", {"text": "x"}, run=run, preview=True)
    assert (await agent.run("toy.copy.create", {"text": "x"}, run=run)).status == 200
    assert world.toy.received[-1].body_sha256 == shown.body["requests"][0]["body_sha256"]


async def test_the_change_is_predicted_where_the_agent_may_read(world: World, bot: Caller) -> None:
    shown = await bot.run("toy.note.update", {"box": "red", "id": 1, "text": "new"}, key="k", preview=True)
    assert shown.body["predicted_change"] == [{"field": "text", "from": "first", "to": "new"}]
    assert world.reached() == ["GET /boxes/red/notes/1"]
    assert world.applied() == []


@pytest.mark.parametrize(
    "terms",
    [
        {"scopes": ("toy:note:write",)},
        {"scopes": ("toy:note:write", "toy:order:read")},
    ],
)
async def test_nothing_is_read_where_the_agent_may_not(world: World, terms: dict[str, Any]) -> None:
    agent = await world.caller(**terms)
    shown = await agent.run("toy.note.update", {"box": "red", "id": 1, "text": "new"}, key="k", preview=True)
    assert shown.status == 200
    assert "predicted_change" not in shown.body
    assert world.reached() == []


async def test_a_predicted_change_is_redacted(world: World) -> None:
    agent = await world.caller(constraints={"redacted_fields": ["text"]})
    shown = await agent.run("toy.note.update", {"box": "red", "id": 1, "text": "new"}, key="k", preview=True)
    assert shown.body["predicted_change"] == [{"field": "text", "from": "[redacted]", "to": "new"}]


async def test_a_predicted_change_shows_no_secret_and_records_none(world: World, bot: Caller) -> None:
    world.toy.notes[1]["pin"] = "pin-5f2c"
    run = await bot.open_run()
    value = {"box": "red", "id": 1, "pin": "0007"}
    shown = await bot.run("toy.note.update", value, key="k", run=run, preview=True)
    assert b"pin-5f2c" not in shown.raw
    assert "pin-5f2c" not in str(await world.events())


async def test_the_read_of_a_preview_is_recorded_whole_and_shown_in_its_run(world: World, bot: Caller) -> None:
    run = await bot.open_run()
    await bot.run("toy.note.update", {"box": "red", "id": 1, "text": "new"}, key="k", run=run, preview=True)
    assert [item["type"] for item in await bot.timeline(run)] == ["upstream_request", "upstream_response"]
    assert (await world.verify()).intact


async def test_the_read_of_a_preview_is_charged(world: World) -> None:
    agent = await world.caller(limits={"requests_per_minute": 2})
    value = {"box": "red", "id": 1, "text": "new"}
    shown = [await agent.run("toy.note.update", value, key="k", preview=True) for _ in range(3)]
    assert ["predicted_change" in reply.body for reply in shown] == [True, True, False]


async def test_markers_differ_by_tenant_environment_agent_and_key_and_hide_from_all_outputs(world: World) -> None:
    callers = [
        await world.caller("one"),
        await world.caller("two"),
        await world.caller("three", environment="dev"),
        await world.caller("four", tenant="rival"),
    ]
    replies = [await caller.run("toy.copy.create", {"text": "x"}, key="k1") for caller in callers]
    replies.append(await callers[0].run("toy.copy.create", {"text": "x"}, key="k2"))
    markers = [effect.marker or "" for effect in world.toy.applied]
    assert len(set(markers)) == 5
    for marker in markers:
        kind, _, value = marker.partition(":")
        assert kind == "gatehouse"
        assert len(value) == 32
        for reply in replies:
            assert value.encode() not in reply.raw
    assert [reply.output["text"] for reply in replies] == ["x"] * 5


async def test_markers_hide_from_reads_and_predictions_too(world: World, bot: Caller) -> None:
    made = await bot.run("github.issue.create", ISSUE, key="k1")
    marker = (world.github.applied[0].marker or "").removeprefix("gatehouse:")
    assert len(marker) == 32
    number = made.output["number"]
    where = {"owner": "acme", "repo": "web", "number": number}
    got = await bot.run("github.issue.get", where)
    listed = await bot.run("github.issue.list", {"owner": "acme", "repo": "web"})
    shown = await bot.run("github.issue.update", where | {"body": "Solved."}, key="k2", preview=True)
    assert got.output["body"] == "See the log."
    assert shown.body["predicted_change"] == [{"field": "body", "from": "See the log.", "to": "Solved."}]
    for reply in (made, got, listed, shown):
        assert marker.encode() not in reply.raw


async def test_previews_at_once_have_no_effect(world: World, bot: Caller) -> None:
    shown = await asyncio.gather(*(bot.run("github.issue.create", ISSUE, key="k", preview=True) for _ in range(10)))
    assert len({str(reply.body["requests"]) for reply in shown}) == 1
    assert world.reached("github") == []
