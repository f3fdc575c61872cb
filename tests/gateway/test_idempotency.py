"""The six rules of idempotency, on every path: direct, asynchronous, after an approval, after a crash."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.gateway.caller import Caller, Reply
from tests.gateway.speaker import McpCaller
from tests.gateway.world import World

NOTE = {"box": "red", "text": "hi"}
ASYNC = {"Prefer": "respond-async"}
PATHS = ("direct", "asynchronous", "approved", "crashed")


@pytest.fixture(params=[Caller, McpCaller], ids=["http", "mcp"], autouse=True)
def door(request: pytest.FixtureRequest, world: World) -> type[Caller]:
    """Run every test through each door: agents that are made from now on call through it."""
    world.callers = request.param
    return world.callers


@pytest.fixture
async def bot(door: type[Caller], world: World) -> Caller:
    """An agent of tenant acme that may do everything at the toy shop, through the door."""
    agent = await world.agent("bot")
    await world.grant(agent, await world.connection("toy/main"))
    return agent


async def create(bot: Caller, key: str = "k1", value: Any = None, **more: Any) -> Reply:
    return await bot.run("toy.order.create", value or {"item": "a"}, key=key, **more)


async def ended(bot: Caller, call: str) -> Any:
    """Return a call that has ended."""
    for _ in range(50):
        found = await bot.look(call, wait=10)
        if found.body["status"] not in {"queued", "running", "pending_approval"}:
            return found.body
        await asyncio.sleep(0.02)
    raise AssertionError(found.body)


async def interrupted(world: World, bot: Caller, action: str, value: Any, key: str, when: str, part: str) -> str:
    """Run a call, drop the gateway before the request leaves or after it was answered; return the call's id."""
    stop = world.valve.stop("POST", part, when)
    task = asyncio.create_task(bot.run(action, value, key=key))
    await stop.arrived.wait()
    await world.crash()
    with pytest.raises(aiohttp.ClientError):
        await task
    await world.start()
    return str((await world.rows("SELECT id FROM calls ORDER BY id DESC"))[0][0])


async def carried_out(path: str, world: World, value: Any = None) -> tuple[Caller, Any]:
    """Run an order under the key `k1` on one of the paths; return the agent and the ended call."""
    agent = await world.caller("bot", autonomy="approve" if path == "approved" else "auto")
    value = value or {"item": "a"}
    if path == "direct":
        return agent, (await create(agent, value=value)).body
    if path == "crashed":
        call = await interrupted(world, agent, "toy.order.create", value, "k1", "after", "/orders")
        return agent, await ended(agent, call)
    first = await create(agent, value=value, headers=ASYNC if path == "asynchronous" else {})
    assert first.status == 202, first.body
    assert first.headers["Location"] == f"/v1/calls/{first.call}"
    if path == "approved":
        await world.decide(first.call)
    return agent, await ended(agent, first.call)


@pytest.mark.parametrize("path", PATHS)
async def test_a_repeat_gets_the_first_answer_and_reaches_nobody(world: World, path: str) -> None:
    agent, first = await carried_out(path, world)
    assert first["status"] == "succeeded", first
    reached = world.reached()
    again = await create(agent)
    assert again.status == 200
    assert again.body == first | {"replayed": True}
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.call == first["id"]
    assert world.reached() == reached
    assert world.applied() == ["POST /orders"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_key_is_bound_to_input_action_and_connection(world: World, path: str) -> None:
    agent, _ = await carried_out(path, world)
    reached = world.reached()
    for reply in (
        await create(agent, value={"item": "b"}),
        await agent.run("toy.order.bill", {"item": "a"}, key="k1"),
        await agent.run("toy.label.create", {"name": "a"}, key="k1"),
    ):
        assert (reply.status, reply.code) == (422, "idempotency_mismatch"), reply.body
    second = await world.connection("toy/second")
    await world.grant(agent, second, autonomy="auto")
    other = await create(agent, headers={"Gatehouse-Connection": "toy/second"})
    assert other.code == "idempotency_mismatch"
    assert world.reached() == reached


@pytest.mark.parametrize("path", PATHS)
async def test_another_key_is_another_call(world: World, path: str) -> None:
    agent, first = await carried_out(path, world)
    other = await create(agent, key="k2")
    if path == "approved":
        await world.decide(other.call)
        await ended(agent, other.call)
    assert other.call != first["id"]
    assert world.applied() == ["POST /orders"] * 2


async def test_the_digest_knows_values_not_their_spelling(bot: Caller) -> None:
    spellings = (b'{"box":"red","text":"caf\\u00e9"}', ' { "text" : "café", "box":"red" } '.encode())
    replies = [await bot.run("toy.note.create", raw=raw, key="k1") for raw in spellings]
    assert [reply.body["replayed"] for reply in replies] == [False, True]
    decomposed = await bot.run("toy.note.create", {"box": "red", "text": "cafe\u0301"}, key="k1")
    assert decomposed.code == "idempotency_mismatch"


async def test_the_digest_is_over_the_body_before_defaults(bot: Caller) -> None:
    assert (await bot.run("toy.label.create", {"name": "a"}, key="k1")).status == 200
    spelled_out = await bot.run("toy.label.create", {"name": "a", "color": "red"}, key="k1")
    assert spelled_out.code == "idempotency_mismatch"


async def test_twenty_identical_requests_at_once_have_one_effect(world: World, bot: Caller) -> None:
    replies = await asyncio.gather(*(create(bot) for _ in range(20)))
    fresh = [reply for reply in replies if reply.status == 200 and not reply.body["replayed"]]
    assert len(fresh) == 1
    others = [reply for reply in replies if reply is not fresh[0]]
    assert {reply.code or "replayed" for reply in others} <= {"idempotency_in_progress", "replayed"}
    assert world.applied() == ["POST /orders"]
    assert world.reached() == ["POST /orders"]
    assert (await create(bot)).body == fresh[0].body | {"replayed": True}
    assert (await world.verify()).intact


@pytest.mark.parametrize("headers", [ASYNC, {"Prefer": "respond-async, wait=10"}, {"Gatehouse-Timeout": "10"}])
async def test_twenty_identical_requests_behind_their_callers_have_one_effect(
    world: World, bot: Caller, headers: dict[str, str]
) -> None:
    replies = await asyncio.gather(*(create(bot, headers=headers) for _ in range(20)))
    calls = {reply.call for reply in replies if reply.status in {200, 202}}
    assert len(calls) == 1
    await ended(bot, calls.pop())
    assert world.applied() == ["POST /orders"]


async def test_twenty_identical_requests_are_parked_once_and_have_one_effect(world: World) -> None:
    agent = await world.caller(autonomy="approve")
    replies = await asyncio.gather(*(create(agent) for _ in range(20)))
    assert {reply.status for reply in replies} == {202}
    assert len({reply.call for reply in replies}) == 1
    call = replies[0].call
    await asyncio.gather(*(world.decide(call) for _ in range(5)), return_exceptions=True)
    assert (await ended(agent, call))["status"] == "succeeded"
    assert world.applied() == ["POST /orders"]


async def test_a_lost_insert_leaves_no_trace_of_a_request_that_was_not_sent(world: World, bot: Caller) -> None:
    await asyncio.gather(*(create(bot) for _ in range(10)))
    by_call: dict[str, list[str]] = {}
    for call, type in await world.rows("SELECT call, type FROM events WHERE call != '' ORDER BY seq"):
        by_call.setdefault(call, []).append(type)
    senders = [call for call, types in by_call.items() if "upstream_request" in types]
    assert len(senders) == 1
    assert all(types.count("call_requested") <= 1 for types in by_call.values())


async def test_while_the_first_runs_a_repeat_is_told_so(world: World, bot: Caller) -> None:
    stop = world.valve.stop("POST", "/orders")
    first = asyncio.create_task(create(bot))
    await stop.arrived.wait()
    again = await create(bot)
    assert (again.status, again.code) == (409, "idempotency_in_progress")
    assert again.body["retryable"] is True
    assert int(again.headers["Retry-After"]) >= 1
    other = await create(bot, value={"item": "b"})
    assert other.code == "idempotency_mismatch"
    stop.release()
    assert (await first).status == 200
    assert (await create(bot)).body["replayed"] is True


@pytest.mark.parametrize("autonomy", ["approve", "auto"])
async def test_while_the_first_waits_a_repeat_answers_where_it_stands(world: World, autonomy: str) -> None:
    agent = await world.caller(autonomy=autonomy)
    stop = world.valve.stop("POST", "/orders")
    first = await create(agent, headers=ASYNC)
    if autonomy == "auto":
        await stop.arrived.wait()
        assert (await create(agent)).code == "idempotency_in_progress"
    else:
        again = await create(agent)
        assert (again.status, again.call) == (202, first.call)
        assert again.body["status"] == "pending_approval"
        assert again.headers["Location"] == f"/v1/calls/{first.call}"
    stop.release()


async def test_a_refusal_does_not_bind_the_key(world: World) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main")
    grant = await world.grant(agent, link, "toy:note:read")
    assert (await create(agent)).code == "scope_denied"
    await world.grant(agent, link, constraints={"denied_fields": ["item"]})
    assert (await create(agent)).code == "constraint_denied"
    await world.rows("SELECT 1")
    for row in await world.rows("SELECT id FROM grants"):
        await world.revoke(row[0])
    await world.grant(agent, link)
    assert grant
    assert (await agent.run("toy.order.create", {"itme": "a"}, key="k1")).code == "invalid_input"
    assert await world.rows("SELECT 1 FROM claims") == []
    assert (await create(agent, value={"item": "other"})).body["status"] == "succeeded"


async def test_a_shadowed_call_binds_nothing(world: World) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main")
    grant = await world.grant(agent, link, autonomy="shadow")
    shadowed = [await create(agent) for _ in range(2)]
    assert [reply.body["status"] for reply in shadowed] == ["shadowed", "shadowed"]
    assert shadowed[0].call != shadowed[1].call
    assert await world.rows("SELECT 1 FROM claims") == []
    await world.revoke(grant)
    await world.grant(agent, link)
    assert (await create(agent, value={"item": "b"})).body["status"] == "succeeded"


async def test_a_call_that_ended_without_effect_and_may_be_retried_gives_its_key_back(
    world: World, bot: Caller
) -> None:
    await world.toy.stop()
    down = await create(bot)
    assert (down.code, down.body["retryable"]) == ("upstream_unavailable", True)
    assert await world.rows("SELECT 1 FROM claims") == []
    await world.toy.start(int(world.toy.url.rpartition(":")[2]))
    up = await create(bot)
    assert up.body["status"] == "succeeded"
    assert up.call != down.call
    assert world.applied() == ["POST /orders"]


async def test_a_call_that_the_vendor_refused_keeps_its_key(world: World, bot: Caller) -> None:
    refused = await bot.run("toy.odd.refuse", {"status": 409}, key="k1")
    again = await bot.run("toy.odd.refuse", {"status": 409}, key="k1")
    assert again.status == refused.status == 409
    assert again.body == refused.body | {"replayed": True}
    assert again.headers["Idempotency-Replayed"] == "true"
    assert world.reached() == ["POST /fail/409"]


async def test_a_key_of_unknown_outcome_never_expires_and_is_never_sent_again(world: World, bot: Caller) -> None:
    world.toy.faults.add({"match": "POST /boxes/red/notes", "fault": "reset_after", "times": 9})
    first = await bot.run("toy.note.create", NOTE, key="k1")
    assert (first.status, first.code) == (502, "outcome_unknown")
    assert first.body["retryable"] is False
    world.clock.forward(days=400)
    await world.restart()
    again = await bot.run("toy.note.create", NOTE, key="k1")
    assert again.body == first.body | {"replayed": True}
    assert world.applied() == ["POST /boxes/red/notes"]


async def test_a_key_is_kept_for_24_hours_from_the_end_of_its_call(world: World) -> None:
    agent = await world.caller(autonomy="approve")
    first = await create(agent)
    world.clock.forward(hours=20)
    await world.decide(first.call)
    await ended(agent, first.call)
    world.clock.forward(hours=23, minutes=59)
    assert (await create(agent)).call == first.call
    world.clock.forward(minutes=2)
    second = await create(agent)
    assert second.call != first.call
    assert second.body["status"] == "pending_approval"


async def test_a_grant_may_keep_keys_for_thirty_days(world: World) -> None:
    agent = await world.caller(days=30)
    first = await create(agent)
    world.clock.forward(days=29, hours=23)
    assert (await create(agent)).call == first.call
    world.clock.forward(hours=2)
    assert (await create(agent)).call != first.call


async def test_the_sweep_forgets_only_keys_that_have_expired(world: World, bot: Caller) -> None:
    await create(bot, key="old")
    world.clock.forward(hours=12)
    await create(bot, key="new")
    world.toy.faults.add({"match": "POST /boxes", "fault": "reset_after", "times": 9})
    await bot.run("toy.note.create", NOTE, key="unknown")
    world.clock.forward(hours=13)
    await world.gateway.database.write(world.gateway.sweeper._forget_claims)
    assert sorted(row[0] for row in await world.rows("SELECT key FROM claims")) == ["new", "unknown"]


@pytest.mark.parametrize("door", [Caller], indirect=True)
async def test_quoted_and_bare_keys_are_the_same_key(world: World, bot: Caller) -> None:
    assert (await create(bot, key="8e03978e-40d5")).body["replayed"] is False
    assert (await create(bot, key='"8e03978e-40d5"')).body["replayed"] is True
    assert (await create(bot, key='"a\\"b"')).body["replayed"] is False
    assert (await create(bot, key='a"b')).body["replayed"] is True
    assert (await create(bot, key="x" * 255)).status == 200


async def test_keys_belong_to_one_agent_environment_and_tenant(world: World) -> None:
    callers = [
        await world.caller("one"),
        await world.caller("two"),
        await world.caller("three", environment="dev"),
        await world.caller("four", tenant="rival"),
    ]
    replies = [await create(caller) for caller in callers]
    assert [reply.body["replayed"] for reply in replies] == [False] * 4
    assert len({reply.output["key"] for reply in replies}) == 4


async def test_a_derived_key_needs_a_run_and_repeats_within_it(world: World) -> None:
    agent = await world.caller(idempotency="derive")
    bare = await agent.run("toy.order.create", {"item": "a"})
    assert (bare.status, bare.code) == (400, "malformed_request")
    assert "Gatehouse-Run" in bare.body["detail"]
    run, other = await agent.open_run(), await agent.open_run()
    first = await agent.run("toy.order.create", {"item": "a"}, run=run)
    again = await agent.run("toy.order.create", {"item": "a"}, run=run)
    assert again.body == first.body | {"replayed": True}
    for reply in (
        await agent.run("toy.order.create", {"item": "b"}, run=run),
        await agent.run("toy.order.create", {"item": "a"}, run=other),
    ):
        assert reply.body["replayed"] is False
    assert len(world.applied()) == 3


async def test_a_key_is_derived_only_where_all_covering_grants_allow_it(world: World) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main")
    await world.grant(agent, link, idempotency="derive")
    await world.grant(agent, link, idempotency="required")
    reply = await agent.run("toy.order.create", {"item": "a"}, run=await agent.open_run())
    assert reply.code == "malformed_request"


async def test_a_replay_obeys_a_freeze_of_today(world: World, bot: Caller) -> None:
    await create(bot)
    freeze = await world.freeze("agent", bot.id)
    assert (await create(bot)).code == "frozen"
    await world.lift(freeze)
    assert (await create(bot)).body["replayed"] is True


async def test_a_replay_obeys_the_grants_of_today(world: World) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main")
    grant = await world.grant(agent, link)
    first = await agent.run("toy.note.create", NOTE, key="k1")
    await world.revoke(grant)
    assert (await agent.run("toy.note.create", NOTE, key="k1")).status in {403, 409}
    assert (await agent.look(first.call)).code in {"scope_denied"}
    await world.grant(agent, link, constraints={"resources": ["blue"]})
    assert (await agent.run("toy.note.create", NOTE, key="k1")).code == "constraint_denied"
    assert (await agent.look(first.call)).code == "constraint_denied"
    await world.grant(agent, link, constraints={"resources": ["red"], "redacted_fields": ["text"]})
    again = await agent.run("toy.note.create", {"box": "red", "text": "hi"}, key="k1")
    assert again.body["replayed"] is True
    assert again.output["text"] == "[redacted]"
    assert (await agent.look(first.call)).output["text"] == "[redacted]"
    await world.grant(agent, link, constraints={"denied_fields": ["owner"]})
    assert "owner" not in (await agent.run("toy.note.create", NOTE, key="k1")).output
    assert world.applied() == ["POST /boxes/red/notes"]


async def test_a_repeat_of_a_cancelled_and_of_a_refused_call_gets_its_end(world: World) -> None:
    agent = await world.caller(autonomy="approve")
    cancelled = await create(agent, key="c")
    assert (await agent.ask("POST", f"/v1/calls/{cancelled.call}/cancel")).body["status"] == "cancelled"
    again = await create(agent, key="c")
    assert (again.status, again.code, again.body["replayed"]) == (409, "cancelled", True)
    denied = await create(agent, key="d")
    await world.decide(denied.call, approve=False, comment="Not today")
    again = await create(agent, key="d")
    assert (again.status, again.code, again.body["replayed"]) == (403, "approval_denied", True)
    assert "Not today" in again.body["detail"]
    assert world.reached() == []


async def test_a_crash_before_anything_left_sends_it_once(world: World, bot: Caller) -> None:
    call = await interrupted(world, bot, "toy.order.create", {"item": "a"}, "k1", "before", "/orders")
    assert (await ended(bot, call))["status"] == "succeeded"
    assert world.applied() == ["POST /orders"]
    assert (await create(bot)).body["replayed"] is True


async def test_a_replay_is_an_event_of_its_own(world: World, bot: Caller) -> None:
    first = await create(bot)
    run = await bot.open_run()
    await create(bot, run=run)
    await create(bot)
    assert [item["type"] for item in await bot.timeline(run)] == ["call_replayed"]
    types = [item["type"] for item in await bot.timeline(first.body["run"])]
    assert types[-2:] == ["call_finished", "call_replayed"]


async def test_reads_are_not_claimed(world: World, bot: Caller) -> None:
    for _ in range(2):
        assert (await bot.run("toy.note.get", {"box": "red", "id": 1})).body["replayed"] is False
    assert await world.rows("SELECT 1 FROM claims") == []
    assert len(world.reached()) == 2


async def test_a_read_with_a_key_is_answered_once_too(world: World, bot: Caller) -> None:
    for replayed in (False, True):
        reply = await bot.run("toy.note.get", {"box": "red", "id": 1}, key="r1")
        assert reply.body["replayed"] is replayed
    assert len(world.reached()) == 1


async def test_the_callers_patience_does_not_end_the_call(world: World, bot: Caller) -> None:
    stop = world.valve.stop("POST", "/orders")
    reply = await create(bot, headers={"Gatehouse-Timeout": "0.05"})
    assert (reply.status, reply.body["status"]) == (202, "running")
    assert reply.headers["Location"] == f"/v1/calls/{reply.call}"
    stop.release()
    assert (await ended(bot, reply.call))["status"] == "succeeded"
    assert (await create(bot)).call == reply.call


async def test_a_caller_that_leaves_cancels_nothing(world: World, bot: Caller) -> None:
    stop = world.valve.stop("POST", "/orders")
    task = asyncio.create_task(create(bot))
    await stop.arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stop.release()
    call = (await world.rows("SELECT id FROM calls"))[0][0]
    assert (await ended(bot, call))["status"] == "succeeded"
    assert world.applied() == ["POST /orders"]
