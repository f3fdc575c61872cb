"""The revisions before 2026-07-28: a session that no replica keeps, and batches in the oldest."""

import asyncio
from typing import Any

import orjson
import pytest

from tests.gateway.caller import Caller
from tests.gateway.speaker import URLS, Speaker
from tests.gateway.world import World

EARLIER = ("2025-11-25", "2025-06-18", "2025-03-26")
OLDEST = "2025-03-26"
CALL = {"name": "toy__order__create"}


@pytest.fixture
async def toy(world: World) -> Caller:
    return await world.caller()


def order(id: Any, key: str, item: str = "a") -> dict[str, Any]:
    arguments = {"item": item, "_gatehouse": {"idempotency_key": key}}
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": CALL | {"arguments": arguments}}


@pytest.mark.parametrize("revision", EARLIER)
async def test_a_session_speaks_what_was_agreed(toy: Caller, revision: str) -> None:
    speaker = Speaker(toy, revision)
    result = (await speaker.begin()).body["result"]
    assert result["protocolVersion"] == revision
    assert result["capabilities"] == {"tools": {"listChanged": False}}
    assert speaker.session is not None and speaker.session.isascii() and speaker.session.isprintable()
    assert (await speaker.ask("ping")).body["result"] == {}
    assert (await speaker.ask("tools/list")).body["result"].keys() == {"tools"}


@pytest.mark.parametrize("wanted", ["2024-11-05", "2026-07-28", "2099-01-01", "x"])
async def test_a_client_that_wants_another_revision_is_offered_the_latest_with_sessions(
    toy: Caller, wanted: str
) -> None:
    params = {"protocolVersion": wanted, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    reply = await Speaker(toy, EARLIER[0]).post(orjson.dumps(message), {})
    assert reply.body["result"]["protocolVersion"] == EARLIER[0]


@pytest.mark.parametrize("params", [{}, {"protocolVersion": 5, "capabilities": {}}, {"protocolVersion": OLDEST}])
async def test_an_initialize_that_does_not_fit_is_refused(toy: Caller, params: dict[str, Any]) -> None:
    reply = await Speaker(toy, OLDEST).ask("initialize", params)
    assert reply.body["error"]["code"] == -32602
    assert "Mcp-Session-Id" not in reply.headers


async def test_a_session_outlives_the_process_that_began_it(world: World, toy: Caller) -> None:
    speaker = Speaker(toy, "2025-06-18")
    await speaker.begin()
    await world.restart()
    assert (await speaker.ask("tools/list")).status == 200


async def test_a_session_ends_after_a_day(world: World, toy: Caller) -> None:
    speaker = Speaker(toy, "2025-06-18")
    await speaker.begin()
    world.clock.forward(hours=25)
    reply = await speaker.ask("tools/list")
    assert (reply.status, reply.body["error"]["code"]) == (404, -32600)


async def test_a_session_belongs_to_its_agent_and_revision(world: World, toy: Caller) -> None:
    speaker = Speaker(toy, "2025-11-25")
    await speaker.begin()
    stranger = Speaker(await world.caller("other"), "2025-11-25", session=speaker.session)
    assert (await stranger.ask("tools/list")).status == 404
    for forged in ("x", "", (speaker.session or "")[:-2] + "AA", "A" * 4000):
        assert (await Speaker(toy, "2025-11-25", session=forged).ask("tools/list")).status == 404
    mixed = Speaker(toy, "2025-06-18", session=speaker.session)
    assert (await mixed.ask("tools/list")).status == 400


async def test_a_client_without_a_session_is_served_as_one_that_can_do_nothing_special(
    world: World, toy: Caller
) -> None:
    assert (await Speaker(toy, "2025-06-18").ask("tools/list")).status == 200
    bare = await Speaker(toy).post(orjson.dumps(order(1, "k")), {})
    assert bare.body["result"]["isError"] is False
    assert world.applied() == ["POST /orders"]


async def test_a_large_declaration_of_capabilities_makes_no_large_session(toy: Caller) -> None:
    speaker = Speaker(toy, "2025-11-25", URLS | {"experimental": {f"x{n}": {"y": "z" * 100} for n in range(1000)}})
    await speaker.begin()
    assert len(speaker.session or "") < 400


@pytest.mark.parametrize("method", ["resources/list", "prompts/list", "logging/setLevel", "server/discover", "x"])
async def test_a_method_that_there_is_not_is_an_error_of_the_protocol(toy: Caller, method: str) -> None:
    speaker = Speaker(toy, "2025-06-18")
    await speaker.begin()
    reply = await speaker.ask(method)
    assert (reply.status, reply.body["error"]["code"]) == (200, -32601)


async def test_a_batch_is_answered_message_by_message_each_through_the_pipeline(world: World, toy: Caller) -> None:
    speaker = Speaker(toy, OLDEST)
    await speaker.begin()
    messages: list[Any] = [
        order(1, "a"),
        order("two", "b", "b"),
        order(3, "a"),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 4, "method": "no/such"},
        {"jsonrpc": "2.0", "id": 5, "method": "initialize", "params": {}},
        7,
        order(6, "a", "other"),
    ]
    reply = await speaker.post(orjson.dumps(messages), speaker.headers({"method": "x", "params": {}}))
    assert reply.status == 200
    found = {answer["id"]: answer for answer in reply.body}
    assert list(found) == [1, "two", 3, 4, 5, None, 6]
    assert found[1]["result"]["_meta"]["gatehouse/call"]["replayed"] is False
    assert found[3]["result"]["_meta"]["gatehouse/call"]["replayed"] is True
    assert found[6]["result"]["_meta"]["gatehouse/problem"]["code"] == "idempotency_mismatch"
    assert [found[id]["error"]["code"] for id in (4, 5, None)] == [-32601, -32600, -32600]
    assert world.applied() == ["POST /orders"] * 2


@pytest.mark.parametrize("count", [0, 51])
async def test_a_batch_has_at_most_fifty_messages(world: World, toy: Caller, count: int) -> None:
    speaker = Speaker(toy, OLDEST)
    messages = [order(n, f"k{n}") for n in range(count)]
    reply = await speaker.post(orjson.dumps(messages), speaker.headers({"method": "x", "params": {}}))
    assert (reply.status, reply.body["error"]["code"]) == (400, -32600)
    assert world.reached() == []


async def test_fifty_messages_are_a_batch(world: World, toy: Caller) -> None:
    speaker = Speaker(toy, OLDEST)
    messages = [order(n, f"k{n}") for n in range(50)]
    reply = await speaker.post(orjson.dumps(messages), speaker.headers({"method": "x", "params": {}}))
    assert [answer["id"] for answer in reply.body] == list(range(50))
    assert len(world.applied()) == 50


@pytest.mark.parametrize("revision", ["2026-07-28", "2025-11-25", "2025-06-18"])
async def test_later_revisions_take_one_message_at_a_time(world: World, toy: Caller, revision: str) -> None:
    speaker = Speaker(toy, revision)
    reply = await speaker.post(orjson.dumps([order(1, "k")]), {"MCP-Protocol-Version": revision})
    assert (reply.status, reply.body["error"]["code"]) == (400, -32600)
    assert world.reached() == []


async def test_a_batch_of_notifications_is_not_answered(toy: Caller) -> None:
    speaker = Speaker(toy, OLDEST)
    said = [{"jsonrpc": "2.0", "method": "notifications/initialized"}] * 3
    reply = await speaker.post(orjson.dumps(said), speaker.headers({"method": "x", "params": {}}))
    assert (reply.status, reply.raw) == (202, b"")


async def test_a_client_that_vanishes_cancels_nothing(world: World, toy: Caller) -> None:
    for token in (None, 1):
        stop = world.valve.stop("POST", "/orders")
        message = Speaker(toy).message("tools/call", order(1, f"k{token}")["params"])
        if token is not None:
            message["params"]["_meta"]["progressToken"] = token
        task = asyncio.create_task(Speaker(toy).post(orjson.dumps(message), Speaker(toy).headers(message)))
        await stop.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stop.release()
        call = (await world.rows("SELECT id FROM calls ORDER BY id DESC"))[0][0]
        assert (await toy.look(call, wait=20)).body["status"] == "succeeded"
    assert world.applied() == ["POST /orders"] * 2
