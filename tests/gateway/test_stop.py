"""A gateway that is told to stop finishes what runs, writes what waits, and takes no more."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.gateway.caller import Caller
from tests.gateway.world import World

ORDER = {"item": "a"}


async def test_a_call_under_way_is_finished_and_answered(make_world: Callable[..., Awaitable[World]]) -> None:
    world = await make_world(drain_seconds=20)
    agent = await world.caller()
    stop = world.valve.stop("POST", "/orders")
    call = asyncio.create_task(agent.run("toy.order.create", ORDER, key="k1"))
    await stop.arrived.wait()
    stopping = asyncio.create_task(world.gateway.stop())
    while not world.gateway.draining:
        await asyncio.sleep(0)
    stop.release()
    reply = await call
    assert (reply.status, reply.body["status"]) == (200, "succeeded")
    await stopping
    with pytest.raises(aiohttp.ClientError):
        await agent.get("/v1/actions")
    await world.start()
    assert (await agent.run("toy.order.create", ORDER, key="k1")).body == reply.body | {"replayed": True}


async def test_a_call_that_takes_longer_than_the_drain_is_settled_by_the_next_gateway(
    world: World, bot: Caller
) -> None:
    stop = world.valve.stop("POST", "/orders", "after")
    call = asyncio.create_task(bot.run("toy.order.create", ORDER, key="k1"))
    await stop.arrived.wait()
    async with asyncio.timeout(10):
        await world.stop()
    answered = await call
    assert (answered.status, answered.body["status"], answered.headers["Connection"]) == (202, "running", "close")
    await world.start()
    for _ in range(200):
        again = await bot.run("toy.order.create", ORDER, key="k1")
        if again.code != "idempotency_in_progress":
            break
        await asyncio.sleep(0.01)
    assert (again.status, again.body["replayed"]) == (200, True)
    assert again.call == answered.body["id"]
    assert world.applied() == ["POST /orders"]


async def test_readiness_tells_of_the_drain_and_of_the_ledger(world: World, bot: Caller) -> None:
    assert (await bot.ask("GET", "/readyz", bearer=None)).status == 200
    world.gateway.draining = True
    draining = await bot.ask("GET", "/readyz", bearer=None)
    assert (draining.status, draining.body["checks"]["serving"]) == (503, "draining")
    world.gateway.draining = False
    assert (await bot.ask("GET", "/healthz", bearer=None)).status == 200


async def test_a_stop_signs_the_chains_last_link(world: World, bot: Caller) -> None:
    await bot.run("toy.order.create", ORDER, key="k1")
    await world.stop()
    report = await world.check()
    assert report.intact
    assert report.events > 0
    if world.database is None:
        assert report.last_checkpoint == report.events
    else:
        assert await world.behind("SELECT id FROM writers WHERE number > vouched") == []
    await world.start()


async def draining(world: World) -> "asyncio.Task[None]":
    """Tell the gateway to stop, and return once it has begun to."""
    stopping = asyncio.create_task(world.gateway.stop())
    while not world.gateway.draining:
        await asyncio.sleep(0)
    return stopping


async def test_a_call_that_is_not_on_record_yet_is_not_answered_when_the_drain_ends(world: World, bot: Caller) -> None:
    slow = asyncio.Event()

    async def never(*given: object) -> None:
        slow.set()
        await asyncio.Event().wait()

    world.gateway.database.commit = never  # type: ignore[assignment,method-assign]
    call = asyncio.create_task(bot.run("toy.order.create", ORDER, key="k1"))
    await slow.wait()
    del world.gateway.database.commit  # type: ignore[method-assign]
    await world.stop()
    with pytest.raises(aiohttp.ClientError):
        await call
    assert world.applied() == []
    await world.start()


async def test_a_connection_that_is_idle_takes_one_more_request_and_is_closed_then(
    make_world: Callable[..., Awaitable[World]],
) -> None:
    world = await make_world(drain_seconds=20, drain_idle_seconds=20)
    agent = await world.caller()
    await agent.get("/v1/actions")
    stopping = await draining(world)
    reply = await agent.ask("GET", "/readyz", bearer=None)
    assert (reply.status, reply.body["checks"]["serving"]) == (503, "draining")
    assert reply.headers["Connection"] == "close"
    async with asyncio.timeout(5):
        await stopping
    with pytest.raises(aiohttp.ClientConnectorError):
        await agent.get("/v1/actions")
    await world.start()


async def test_a_connection_on_which_nothing_comes_is_closed_after_its_time(
    make_world: Callable[..., Awaitable[World]],
) -> None:
    world = await make_world(drain_seconds=20, drain_idle_seconds=0.1)
    agent = await world.caller()
    await agent.get("/v1/actions")
    async with asyncio.timeout(5):
        await world.stop()
    await world.start()


async def test_a_long_poll_is_answered_by_how_things_stand(make_world: Callable[..., Awaitable[World]]) -> None:
    world = await make_world(drain_seconds=20)
    agent = await world.caller()
    stop = world.valve.stop("POST", "/orders")
    call = (await agent.run("toy.order.create", ORDER, key="k1", headers={"Prefer": "respond-async"})).call
    await stop.arrived.wait()
    poll = asyncio.create_task(agent.look(call, wait=60))
    while not world.gateway.waiters._waiting:
        await asyncio.sleep(0)
    stopping = await draining(world)
    reply = await poll
    assert (reply.status, reply.body["status"]) == (200, "running")
    assert not stopping.done()
    stop.release()
    await stopping
    await world.start()
    assert (await agent.look(call)).body["status"] == "succeeded"


async def test_what_is_queued_stays_for_the_next_gateway(make_world: Callable[..., Awaitable[World]]) -> None:
    world = await make_world(drain_seconds=20)
    agent = await world.caller()
    world.gateway.queue.leave()
    reply = await agent.run("toy.order.create", ORDER, key="k1", headers={"Prefer": "respond-async"})
    assert (reply.status, reply.body["status"]) == (202, "queued")
    await world.stop()
    assert world.applied() == []
    await world.start()
    assert (await agent.look(reply.call, wait=20)).body["status"] == "succeeded"
    assert world.applied() == ["POST /orders"]


async def test_a_stop_in_a_hurry_waits_for_nobody(make_world: Callable[..., Awaitable[World]]) -> None:
    world = await make_world(drain_seconds=600, drain_idle_seconds=600, drain_delay_seconds=600)
    agent = await world.caller()
    stop = world.valve.stop("POST", "/orders")
    call = asyncio.create_task(agent.run("toy.order.create", ORDER, key="k1"))
    await stop.arrived.wait()
    stopping = await draining(world)
    world.gateway.hurry()
    async with asyncio.timeout(10):
        await stopping
    assert (await call).body["status"] == "running"
    await world.start()
    world.gateway.hurry()
