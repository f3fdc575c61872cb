"""A client of each kind for each test, both as one thing to await."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gatehouse_client import AsyncGatehouse, Gatehouse, Patience
from tests.clients.road import Road
from tests.gateway.caller import Caller
from tests.gateway.conftest import make_world, own_logs, patience, pristine_home, world
from tests.gateway.world import World

__all__ = ["make_world", "own_logs", "patience", "pristine_home", "world"]

BRISK = Patience(tries=6, seconds=30, pause=0.01, wait=20)


class Blocking:
    """A blocking client in a thread, so that the gateway in this loop can answer; iterators become lists."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def of(self, use: Callable[[Any], Any]) -> Any:
        def work() -> Any:
            found = use(self.client)
            return list(found) if inspect.isgenerator(found) or isinstance(found, map) else found

        return await asyncio.to_thread(work)


class Asynchronous:
    """An asynchronous client; what it gives is awaited, iterators become lists."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def of(self, use: Callable[[Any], Any]) -> Any:
        found = use(self.client)
        if inspect.isasyncgen(found):
            return [item async for item in found]
        return await found if inspect.isawaitable(found) else found


@pytest.fixture
async def bot(world: World) -> Caller:
    """An agent that may do everything at the toy shop and at GitHub."""
    agent = await world.agent("bot")
    for name in ("toy/main", "github/main"):
        await world.grant(agent, await world.connection(name))
    return agent


@pytest.fixture
async def road(world: World) -> AsyncIterator[Road]:
    async with Road(world.gateway.url) as made:
        yield made


@pytest.fixture
def naps() -> list[float]:
    """The seconds that clients slept."""
    return []


@pytest.fixture(params=["blocking", "asynchronous"])
async def connect(request: pytest.FixtureRequest, world: World, naps: list[float]) -> AsyncIterator[Callable[..., Any]]:
    """Make a client for a URL and a key. Its sleeps take no time: they move the gateway's clock instead."""
    closing: list[Any] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        world.clock.forward(seconds=seconds)

    def blocking(url: str, key: str, patience: Patience = BRISK) -> Blocking:
        client = Gatehouse(url, key, patience=patience, sleep=sleep)
        closing.append(client)
        return Blocking(client)

    def asynchronous(url: str, key: str, patience: Patience = BRISK) -> Asynchronous:
        async def nap(seconds: float) -> None:
            sleep(seconds)
            await asyncio.sleep(0)

        client = AsyncGatehouse(url, key, patience=patience, sleep=nap)
        closing.append(client)
        return Asynchronous(client)

    yield blocking if request.param == "blocking" else asynchronous
    for client in closing:
        if inspect.isawaitable(done := client.close()):
            await done


@pytest.fixture
def gh(connect: Callable[..., Any], road: Road, bot: Caller) -> Any:
    """A client of the agent, over a road that may break."""
    return connect(road.url, bot.key)
