"""Progress of a call, and subscriptions: what is said while something happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest

from tests.gateway.caller import Caller
from tests.gateway.speaker import MODERN, TASKS, Speaker
from tests.gateway.world import World

TOOL = "toy__order__create"
ORDER = {"item": "a"}
KEY = {"idempotency_key": "k"}
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


@pytest.fixture
async def toy(world: World) -> Caller:
    return await world.caller()


class Heard:
    """The messages of a stream, one after another."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while line := await self.answer.content.readline():
                if line.startswith(b"data: "):
                    return dict(orjson.loads(line.removeprefix(b"data: ")))
        raise EOFError

    async def rest(self) -> list[dict[str, Any]]:
        found = []
        try:
            while True:
                found.append(await self.next())
        except EOFError:
            return found


@asynccontextmanager
async def opened(speaker: Speaker, method: str, params: dict[str, Any]) -> AsyncIterator[Heard]:
    message = speaker.message(method, params, id="s1")
    headers = {name: value for name, value in speaker.headers(message).items() if value is not None}
    headers |= {"Authorization": f"Bearer {speaker.caller.key}", "Content-Type": "application/json"}
    url = speaker.caller.world.gateway.url + speaker.path
    async with speaker.caller.session.post(url, data=orjson.dumps(message), headers=headers) as answer:
        assert answer.status == 200, await answer.read()
        assert answer.headers["Content-Type"] == "text/event-stream"
        yield Heard(answer)


def listening(speaker: Speaker, **notifications: Any) -> Any:
    return opened(speaker, "subscriptions/listen", {"notifications": notifications})


@pytest.mark.parametrize("revision", [MODERN, "2025-11-25", "2025-06-18", "2025-03-26"])
async def test_a_call_tells_how_far_it_is_under_the_client_s_token(world: World, toy: Caller, revision: str) -> None:
    speaker = Speaker(toy, revision)
    if revision != MODERN:
        await speaker.begin()
    params = {"name": TOOL, "arguments": ORDER, "_meta": {"gatehouse/idempotency_key": "k", "progressToken": "t1"}}
    async with opened(speaker, "tools/call", params) as heard:
        messages = await heard.rest()
        assert "RateLimit" in heard.answer.headers and "Gatehouse-Trace" in heard.answer.headers
    told, last = messages[:-1], messages[-1]
    assert [message["method"] for message in told] == ["notifications/progress"] * len(told)
    assert [message["params"]["progress"] for message in told] == list(range(1, len(told) + 1))
    assert {message["params"]["progressToken"] for message in told} == {"t1"}
    assert "The vendor has answered." in [message["params"]["message"] for message in told]
    assert (last["id"], last["result"]["isError"]) == ("s1", False)
    assert world.applied() == ["POST /orders"]


@pytest.mark.parametrize("token", [None, "t1"])
async def test_a_stop_tells_where_a_sent_call_stands(world: World, toy: Caller, token: str | None) -> None:
    stop = world.valve.stop("POST", "/orders", "after")
    speaker = Speaker(toy)
    meta = {"gatehouse/idempotency_key": "k"} | ({"progressToken": token} if token else {})
    message = speaker.message("tools/call", {"name": TOOL, "arguments": ORDER, "_meta": meta})
    asked = asyncio.create_task(speaker.post(orjson.dumps(message), speaker.headers(message)))
    await stop.arrived.wait()
    await world.gateway.stop()
    stop.release()
    reply = await asked
    last = orjson.loads(reply.raw.rpartition(b"data: ")[2]) if token else reply.body
    assert last["result"]["_meta"]["gatehouse/call"]["status"] == "running"
    await world.start()
    call = last["result"]["_meta"]["gatehouse/call"]["id"]
    assert (await toy.look(call, wait=20)).body["status"] == "succeeded"
    assert world.applied() == ["POST /orders"]


async def test_a_client_that_reads_no_events_gets_the_answer_alone(world: World, toy: Caller) -> None:
    speaker = Speaker(toy)
    params = {"name": TOOL, "arguments": ORDER, "_meta": {"gatehouse/idempotency_key": "k", "progressToken": 1}}
    reply = await speaker.ask("tools/call", params, headers={"Accept": "application/json"})
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.body["result"]["isError"] is False


async def test_a_subscription_is_acknowledged_with_what_will_be_told(toy: Caller) -> None:
    wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": ["x://y"]}
    async with listening(Speaker(toy), **wanted) as heard:
        first = await heard.next()
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"] == {"notifications": {"toolsListChanged": True}, "_meta": {SUBSCRIPTION: "s1"}}


async def test_a_change_of_grants_is_told_and_another_s_change_is_not(world: World, toy: Caller) -> None:
    link = await world.connection("github/bot")
    async with listening(Speaker(toy), toolsListChanged=True) as heard, listening(Speaker(toy)) as deaf:
        await heard.next()
        await deaf.next()
        await world.caller("other")
        await world.grant(toy, link, "github:issue:read")
        said = await heard.next()
        assert said["method"] == "notifications/tools/list_changed"
        assert said["params"]["_meta"] == {SUBSCRIPTION: "s1"}
        await world.gateway.stop()
        (end,) = await heard.rest()
        assert (end["id"], end["result"]["_meta"]) == ("s1", {SUBSCRIPTION: "s1"})
        assert [message["id"] for message in await deaf.rest()] == ["s1"]
    await world.start()


async def test_a_subscription_ends_with_its_key(world: World, toy: Caller) -> None:
    async with listening(Speaker(toy), toolsListChanged=True) as heard:
        await heard.next()
        await world.update("agent_keys", toy.key_id, revoked_at="2026-01-01T00:00:00.000Z")
        assert [message.get("id") for message in await heard.rest()][-1] == "s1"


async def test_a_task_s_steps_are_told_to_its_agent_alone(world: World) -> None:
    agent = await world.caller(autonomy="approve")
    speaker = Speaker(agent, capabilities=TASKS)
    task = (await speaker.result(TOOL, ORDER, meta=KEY))["taskId"]
    stranger = Speaker(await world.caller("other"), capabilities=TASKS)
    async with listening(speaker, taskIds=[task]) as heard, listening(stranger, taskIds=[task]) as foreign:
        assert (await heard.next())["params"]["notifications"] == {"taskIds": [task]}
        await foreign.next()
        assert (await heard.next())["params"]["status"] == "working"
        await world.decide(str(task))
        said = await heard.next()
        while said["params"]["status"] == "working":
            said = await heard.next()
        assert (said["method"], said["params"]["status"]) == ("notifications/tasks", "completed")
        assert said["params"]["result"]["structuredContent"]["output"]["item"] == "a"
        await world.gateway.stop()
        assert [message.get("id") for message in await foreign.rest()] == ["s1"]
    await world.start()


@pytest.mark.parametrize("params", [{}, {"notifications": []}, {"notifications": {"toolsListChanged": {}}}])
async def test_a_subscription_that_does_not_fit_is_refused(toy: Caller, params: dict[str, Any]) -> None:
    reply = await Speaker(toy).ask("subscriptions/listen", params)
    assert (reply.status, reply.body["error"]["code"]) == (400, -32602)


async def test_a_subscription_needs_a_client_that_reads_events(toy: Caller) -> None:
    headers = {"Accept": "application/json"}
    reply = await Speaker(toy).ask("subscriptions/listen", {"notifications": {}}, headers=headers)
    assert reply.status == 406


async def test_listeners_take_no_room_from_calls_and_have_a_bound(make_world: Any) -> None:
    world = await make_world(concurrency=4, mcp_listeners=20)
    agent = await world.caller()
    speaker = Speaker(agent)
    contexts = [listening(speaker, toolsListChanged=True) for _ in range(20)]
    heard = [await context.__aenter__() for context in contexts]
    for one in heard:
        await one.next()
    over = await speaker.ask("subscriptions/listen", {"notifications": {}})
    assert (over.status, over.body["error"]["data"]["code"]) == (503, "overloaded")
    assert "Retry-After" in over.headers
    assert (await speaker.result(TOOL, ORDER, meta=KEY))["isError"] is False
    for context in contexts:
        await context.__aexit__(None, None, None)
    doors = world.gateway._doors
    assert doors is not None
    while doors.listeners.open:
        await world.change(lambda rows: None)
    async with listening(speaker) as again:
        await again.next()


async def test_a_thousand_listeners_hear_of_a_change(world: World, toy: Caller) -> None:
    speaker = Speaker(toy)
    link = await world.connection("github/bot")
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        speaker.caller.session = session
        contexts = [listening(speaker, toolsListChanged=True) for _ in range(1000)]
        heard = [await context.__aenter__() for context in contexts]
        for one in heard:
            await one.next()
        await world.grant(toy, link, "github:issue:read")
        said = await asyncio.gather(*(one.next() for one in heard))
        assert {message["method"] for message in said} == {"notifications/tools/list_changed"}
        for context in contexts:
            await context.__aexit__(None, None, None)
    speaker.caller.session = world.session
