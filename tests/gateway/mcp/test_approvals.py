"""Calls that wait for a person: how each client is told, and what brings them back."""

from typing import Any

import orjson
import pytest

from tests.gateway.caller import Caller
from tests.gateway.speaker import MODERN, TASKS, URLS, Speaker
from tests.gateway.world import World

TOOL = "toy__order__create"
ORDER = {"item": "a"}
KEY = {"idempotency_key": "k"}


@pytest.fixture
async def asker(world: World) -> Caller:
    """An agent whose writes a person decides."""
    return await world.caller(autonomy="approve")


async def asked(speaker: Speaker) -> dict[str, Any]:
    result = await speaker.result(TOOL, ORDER, meta=KEY)
    assert result["resultType"] == "input_required", result
    return result


async def settled(agent: Caller, call: str) -> Any:
    for _ in range(20):
        body = (await agent.look(call, wait=5)).body
        if body["status"] not in {"pending_approval", "queued", "running"}:
            return body
    raise AssertionError(body)


async def parked(world: World) -> str:
    return str((await world.rows("SELECT id FROM calls"))[0][0])


async def test_a_client_that_opens_pages_is_sent_to_the_approval_s(world: World, asker: Caller) -> None:
    result = await asked(Speaker(asker, capabilities=URLS))
    request = result["inputRequests"]["approval"]
    approval = await world.approval(await parked(world))
    assert request["method"] == "elicitation/create"
    assert request["params"]["mode"] == "url"
    assert request["params"]["url"] == f"{world.gateway.url}/approvals/{approval.id}"
    page = await asker.ask("GET", f"/approvals/{approval.id}")
    assert b"a" in page.raw and b"toy.order.create" not in page.raw  # it asks who is there first
    assert world.reached() == []


async def test_the_page_s_root_is_the_public_one(world: World, make_world: Any) -> None:
    public = await make_world(public_url="https://gate.example/")
    result = await asked(Speaker(await public.caller(autonomy="approve"), capabilities=URLS))
    assert result["inputRequests"]["approval"]["params"]["url"].startswith("https://gate.example/approvals/apr_")


async def test_an_approved_call_answers_the_second_request(world: World, asker: Caller) -> None:
    speaker = Speaker(asker, capabilities=URLS)
    state = (await asked(speaker))["requestState"]
    waiting = await speaker.result(TOOL, ORDER, meta=KEY, requestState=state)
    assert waiting["resultType"] == "input_required"
    call = await parked(world)
    await world.decide(call)
    answers = {"approval": {"action": "accept"}}
    done = await speaker.result(TOOL, ORDER, meta=KEY, requestState=state, inputResponses=answers)
    assert (done["resultType"], done["isError"]) == ("complete", False)
    assert done["structuredContent"]["output"]["item"] == "a"
    assert world.applied() == ["POST /orders"]


async def test_a_state_that_is_sent_again_does_nothing_again(world: World, asker: Caller) -> None:
    speaker = Speaker(asker, capabilities=URLS)
    state = (await asked(speaker))["requestState"]
    await world.decide(await parked(world))
    replies = [await speaker.result(TOOL, ORDER, meta=KEY, requestState=state) for _ in range(3)]
    assert len({reply["structuredContent"]["id"] for reply in replies}) == 1
    assert world.applied() == ["POST /orders"]
    assert len(await world.rows("SELECT 1 FROM calls")) == 1


async def test_a_state_needs_no_key_and_survives_a_restart(world: World, asker: Caller) -> None:
    speaker = Speaker(asker, capabilities=URLS)
    state = (await asked(speaker))["requestState"]
    call = await parked(world)
    await world.restart()
    await world.decide(call)
    done = await speaker.result(TOOL, ORDER, requestState=state)
    assert done["structuredContent"]["status"] == "succeeded"


async def test_a_denied_call_is_a_result_with_the_problem(world: World, asker: Caller) -> None:
    speaker = Speaker(asker, capabilities=URLS)
    state = (await asked(speaker))["requestState"]
    await world.decide(await parked(world), approve=False, comment="Not today")
    done = await speaker.result(TOOL, ORDER, meta=KEY, requestState=state)
    assert done["_meta"]["gatehouse/problem"]["code"] == "approval_denied"
    assert world.reached() == []


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_user_who_does_not_go_to_the_page_leaves_the_call_waiting(
    world: World, asker: Caller, action: str
) -> None:
    speaker = Speaker(asker, capabilities=URLS)
    state = (await asked(speaker))["requestState"]
    answers = {"approval": {"action": action}}
    done = await speaker.result(TOOL, ORDER, meta=KEY, requestState=state, inputResponses=answers)
    assert (done["resultType"], done["structuredContent"]["status"]) == ("complete", "pending_approval")
    assert world.reached() == []


async def test_a_state_is_good_for_its_own_agent_tool_and_arguments(world: World, asker: Caller) -> None:
    speaker = Speaker(asker, capabilities=URLS)
    state = (await asked(speaker))["requestState"]
    await world.decide(await parked(world))
    stranger = Speaker(await world.caller("other", autonomy="approve"), capabilities=URLS)
    flipped = state[:-1] + ("A" if state[-1] != "A" else "B")
    for reply in (
        await stranger.call(TOOL, ORDER, meta=KEY, requestState=state),
        await speaker.call(TOOL, {"item": "b"}, meta=KEY, requestState=state),
        await speaker.call("toy__label__create", {"name": "a"}, meta=KEY, requestState=state),
        await speaker.call(TOOL, ORDER, meta=KEY, requestState=flipped),
        await speaker.call(TOOL, ORDER, meta=KEY, requestState=""),
        await speaker.call(TOOL, ORDER, meta=KEY, requestState="x" * 10_000),
    ):
        assert (reply.status, reply.body["error"]["code"]) == (400, -32602)
    # A cursor is sealed alike, and opens nothing here.
    other = await speaker.result("search_actions", {"limit": 1})
    cursor = other["structuredContent"]["next_cursor"]
    assert (await speaker.call(TOOL, ORDER, meta=KEY, requestState=cursor)).status == 400
    assert len(await world.rows("SELECT 1 FROM calls")) == 1


async def test_a_state_grows_old(world: World, asker: Caller) -> None:
    speaker = Speaker(asker, capabilities=URLS)
    state = (await asked(speaker))["requestState"]
    world.clock.forward(hours=25)
    assert (await speaker.call(TOOL, ORDER, meta=KEY, requestState=state)).status == 400


async def test_a_state_obeys_the_grants_and_freezes_of_today(world: World) -> None:
    agent = await world.agent()
    grant = await world.grant(agent, await world.connection("toy/main"), autonomy="approve")
    speaker = Speaker(agent, capabilities=URLS)
    state = (await asked(speaker))["requestState"]
    call = await parked(world)
    await world.decide(call)
    await settled(agent, call)
    await world.revoke(grant)
    reply = await speaker.call(TOOL, ORDER, meta=KEY, requestState=state)
    assert reply.body["error"]["data"]["code"] == "scope_denied"
    await world.freeze("agent", agent.id)
    reply = await speaker.call(TOOL, ORDER, meta=KEY, requestState=state)
    assert (reply.status, reply.body["error"]["data"]["code"]) == (423, "frozen")


async def test_in_2025_11_25_the_call_is_refused_until_the_page_was_opened(world: World, asker: Caller) -> None:
    speaker = Speaker(asker, "2025-11-25", URLS)
    await speaker.begin()
    refused = await speaker.call(TOOL, ORDER, meta=KEY)
    assert refused.body["error"]["code"] == -32042
    call = await parked(world)
    approval = await world.approval(call)
    (wanted,) = refused.body["error"]["data"]["elicitations"]
    assert wanted["elicitationId"] == approval.id
    assert wanted["url"] == f"{world.gateway.url}/approvals/{approval.id}"
    await world.decide(call)
    await settled(asker, call)
    done = await speaker.result(TOOL, ORDER, meta=KEY)
    assert done["structuredContent"]["status"] == "succeeded"
    assert done["structuredContent"]["id"] == call
    assert world.applied() == ["POST /orders"]


@pytest.mark.parametrize(
    ("revision", "capabilities"),
    [
        (MODERN, {}),
        (MODERN, {"elicitation": {"form": {}}}),
        ("2025-11-25", {}),
        ("2025-06-18", URLS),
        ("2025-03-26", {}),
    ],
)
async def test_other_clients_are_told_where_to_look(
    world: World, asker: Caller, revision: str, capabilities: dict[str, Any]
) -> None:
    speaker = Speaker(asker, revision, capabilities)
    if revision != MODERN:
        await speaker.begin()
    result = await speaker.result(TOOL, ORDER, meta=KEY)
    body = result["structuredContent"]
    assert (result["isError"], body["status"]) == (False, "pending_approval")
    assert "get_call" in result["content"][1]["text"]
    await world.decide(body["id"])
    looked = (await speaker.result("get_call", {"call": body["id"], "wait": 20}))["structuredContent"]
    assert looked["output"]["item"] == "a"
    assert world.applied() == ["POST /orders"]


async def test_a_client_with_tasks_gets_one_and_asks_after_it(world: World, asker: Caller) -> None:
    speaker = Speaker(asker, capabilities=TASKS | URLS)
    task = await speaker.result(TOOL, ORDER, meta=KEY)
    assert (task["resultType"], task["status"], task["ttlMs"]) == ("task", "working", None)
    waiting = (await speaker.ask("tasks/get", {"taskId": task["taskId"]})).body["result"]
    assert waiting["status"] == "input_required"
    assert "/approvals/apr_" in waiting["inputRequests"]["approval"]["params"]["url"]
    heard = await speaker.ask(
        "tasks/update", {"taskId": task["taskId"], "inputResponses": {"approval": {"action": "accept"}}}
    )
    assert heard.body["result"]["resultType"] == "complete"
    assert world.reached() == []
    call = await parked(world)
    await world.decide(call)
    await settled(asker, call)
    done = (await speaker.ask("tasks/get", {"taskId": task["taskId"]})).body["result"]
    assert (done["status"], done["result"]["isError"]) == ("completed", False)
    assert done["result"]["structuredContent"]["output"]["item"] == "a"
    assert "inputRequests" not in done


async def test_a_task_s_result_fits_the_schema_that_its_tool_declares(world: World) -> None:
    agent = await world.caller()
    stop = world.valve.stop("POST", "/orders")
    speaker = Speaker(agent, capabilities=TASKS, path="/mcp?tools=direct")
    task = await speaker.result(TOOL, ORDER, meta=KEY | {"timeout": 0.05})
    assert task["status"] == "working"
    stop.release()
    await settled(agent, await parked(world))
    done = (await speaker.ask("tasks/get", {"taskId": task["taskId"]})).body["result"]
    assert done["result"]["structuredContent"] == (await agent.look(await parked(world))).output


async def test_a_waiting_task_is_taken_back_and_a_sent_one_goes_on(world: World, asker: Caller) -> None:
    speaker = Speaker(asker, capabilities=TASKS)
    task = await speaker.result(TOOL, ORDER, meta=KEY)
    for _ in range(2):
        assert (await speaker.ask("tasks/cancel", {"taskId": task["taskId"]})).status == 200
    assert (await speaker.ask("tasks/get", {"taskId": task["taskId"]})).body["result"]["status"] == "cancelled"
    assert world.reached() == []
    free = await world.caller("free")
    stop = world.valve.stop("POST", "/orders")
    runner = Speaker(free, capabilities=TASKS)
    sent = await runner.result(TOOL, ORDER, meta=KEY | {"timeout": 0.05})
    assert (await runner.ask("tasks/cancel", {"taskId": sent["taskId"]})).status == 200
    stop.release()
    await settled(free, str(sent["taskId"]).removesuffix("-output"))
    assert (await runner.ask("tasks/get", {"taskId": sent["taskId"]})).body["result"]["status"] == "completed"
    assert world.applied() == ["POST /orders"]


async def test_a_call_that_ends_at_once_is_no_task(world: World) -> None:
    result = await Speaker(await world.caller(), capabilities=TASKS).result(TOOL, ORDER, meta=KEY)
    assert (result["resultType"], result["isError"]) == ("complete", False)


async def test_a_failed_call_is_a_completed_task_with_the_problem(world: World, asker: Caller) -> None:
    speaker = Speaker(asker, capabilities=TASKS)
    task = await speaker.result(TOOL, ORDER, meta=KEY)
    await world.decide(await parked(world), approve=False)
    done = (await speaker.ask("tasks/get", {"taskId": task["taskId"]})).body["result"]
    assert (done["status"], done["result"]["isError"]) == ("completed", True)


async def test_a_task_is_its_own_agent_s_and_needs_the_extension(world: World, asker: Caller) -> None:
    task = await Speaker(asker, capabilities=TASKS).result(TOOL, ORDER, meta=KEY)
    stranger = Speaker(await world.caller("other"), capabilities=TASKS)
    for method in ("tasks/get", "tasks/cancel", "tasks/update"):
        reply = await stranger.ask(method, {"taskId": task["taskId"]})
        assert (reply.status, reply.body["error"]["code"]) == (400, -32602)
        for bad in ({}, {"taskId": 5}, {"taskId": "x\0"}, {"taskId": "x" * 5000}):
            assert (await stranger.ask(method, bad)).body["error"]["code"] in {-32602, -32020}
        bare = await Speaker(asker).ask(method, {"taskId": task["taskId"]})
        assert (bare.status, bare.body["error"]["code"]) == (400, -32021)
        assert bare.body["error"]["data"]["requiredCapabilities"] == TASKS
    assert (await asker.look(str(task["taskId"]))).body["status"] == "pending_approval"
    assert orjson.loads(orjson.dumps(task))["pollIntervalMs"] == 1000
