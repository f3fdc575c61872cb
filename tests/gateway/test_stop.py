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
    with pytest.raises(aiohttp.ClientError):
        await call
    await world.start()
    for _ in range(200):
        again = await bot.run("toy.order.create", ORDER, key="k1")
        if again.code != "idempotency_in_progress":
            break
        await asyncio.sleep(0.01)
    assert (again.status, again.body["replayed"]) == (200, True)
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
