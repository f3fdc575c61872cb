"""What is over a bound is told `overloaded` and when to come back, and takes no memory."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from connectors.sdk.errors import Overloaded
from gateway.ledger.backlog import Backlog
from gateway.ledger.record import CallRow, EventRow, Record, Settlement
from tests.gateway.caller import Reply
from tests.gateway.world import World

ORDER = {"item": "a"}
LATER = {"Prefer": "respond-async"}


def is_overloaded(reply: Reply) -> bool:
    return (reply.status, reply.code) == (503, "overloaded") and int(reply.headers["Retry-After"]) >= 1


async def test_calls_over_the_queue_s_bound_are_told_to_come_back_and_leave_no_row(
    make_world: Callable[..., Awaitable[World]],
) -> None:
    world = await make_world(queued_in_memory=3)
    agent = await world.caller()
    stop = world.valve.stop("POST", "/orders")
    taken = [await agent.run("toy.order.create", ORDER, key=f"k{n}", headers=LATER) for n in range(3)]
    await stop.arrived.wait()

    refused = [await agent.run("toy.order.create", ORDER, key=f"more{n}", headers=LATER) for n in range(20)]

    assert {reply.status for reply in taken} == {202}
    assert all(is_overloaded(reply) for reply in refused)
    assert len(world.gateway.queue._held) == 3
    assert len(await world.rows("SELECT 1 FROM claims")) == 3
    stop.release()
    for reply in taken:
        assert (await agent.look(reply.call, wait=20)).body["status"] == "succeeded"
    assert (await agent.run("toy.order.create", ORDER, key="more0", headers=LATER)).status == 202


async def test_what_has_no_room_in_memory_is_taken_from_the_ledger_when_there_is(
    make_world: Callable[..., Awaitable[World]],
) -> None:
    world = await make_world()
    agent = await world.caller()
    world.gateway.queue.leave()
    taken = [await agent.run("toy.order.create", ORDER, key=f"k{n}", headers=LATER) for n in range(12)]
    await world.stop()
    world.settings = world.settings.model_copy(update={"queued_in_memory": 2})

    await world.start()

    for reply in taken:
        assert (await agent.look(reply.call, wait=20)).body["status"] == "succeeded"
    assert world.applied() == ["POST /orders"] * 12


async def test_uploads_over_their_bound_are_not_read(make_world: Callable[..., Awaitable[World]]) -> None:
    world = await make_world(uploads=1)
    agent = await world.agent()
    began, release = asyncio.Event(), asyncio.Event()

    async def slowly() -> object:
        yield b"x" * 10
        began.set()
        await release.wait()
        yield b"y"

    url = f"{world.gateway.url}/v1/files"
    headers = {"Authorization": f"Bearer {agent.key}", "Content-Type": "text/plain"}

    async def upload() -> int:
        async with world.session.post(url, data=slowly(), headers=headers) as answer:
            return answer.status

    first = asyncio.create_task(upload())
    await began.wait()
    while not await world.rows("SELECT 1 FROM files"):
        await asyncio.sleep(0.01)

    refused = await agent.ask("POST", "/v1/files", raw=b"z", headers={"Content-Type": "text/plain"})

    assert is_overloaded(refused)
    release.set()
    assert await first == 201
    assert (await agent.ask("POST", "/v1/files", raw=b"z", headers={"Content-Type": "text/plain"})).status == 201


async def test_calls_over_the_concurrency_bound_are_told_to_come_back(
    make_world: Callable[..., Awaitable[World]],
) -> None:
    world = await make_world(concurrency=2)
    agent = await world.caller()
    stop = world.valve.stop("POST", "/orders")
    calls = [asyncio.create_task(agent.run("toy.order.create", ORDER, key=f"k{n}")) for n in range(2)]
    assert world.gateway._doors is not None
    door = world.gateway._doors.agents
    while len(door._inside) < 2:
        await asyncio.sleep(0.01)

    refused = await agent.run("toy.order.create", ORDER, key="more")

    assert is_overloaded(refused)
    stop.release()
    assert {(await call).status for call in calls} == {200}
    assert world.applied() == ["POST /orders"] * 2


def new_call(size: int) -> Record:
    row = CallRow("c", "t", "e", "a", "r", "x", None, "running", None, None, None, "", None, b"x" * size, None)
    return Record(call=row)


def test_records_of_new_calls_are_refused_when_too_much_waits_and_ends_never_are() -> None:
    backlog = Backlog(100)
    weight = backlog.enter(new_call(80))

    with pytest.raises(Overloaded):
        backlog.enter(new_call(30))
    end = backlog.enter(Record(settlement=Settlement("c", "succeeded", ("running",), answer=b"x" * 50)))
    event = backlog.enter(Record(events=[EventRow("i", "t", "e", "r", "c", "note", "", b"x" * 10)]))

    assert (weight, end, event, backlog.bytes) == (80, 50, 10, 140)
    for one in (weight, end, event):
        backlog.leave(one)
    backlog.enter(new_call(300))  # alone, even what is over the bound


async def test_a_ledger_that_is_behind_takes_on_no_new_calls(make_world: Callable[..., Awaitable[World]]) -> None:
    world = await make_world()
    agent = await world.caller()
    backlog = world.gateway.database._backlog  # type: ignore[attr-defined]
    held = backlog.enter(Record(settlement=Settlement("c", "succeeded", ("running",), answer=b"x" * backlog._most)))

    refused = await agent.run("toy.order.create", ORDER, key="k1")

    assert is_overloaded(refused)
    assert world.reached() == []
    backlog.leave(held)
    assert (await agent.run("toy.order.create", ORDER, key="k1")).status == 200
