"""Long-polls on one replica wake when another ends the call; a lost hint costs a look, not the answer."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from gateway.call import Principal
from gateway.looks import Looks
from gateway.state.address import parse_redis_url
from gateway.state.messages import Messages
from gateway.state.redis_client import RedisClient
from gateway.state.waiters import SharedWaiters
from gateway.waiters import Waiters
from gateway.waiting import Waiting
from tests.gateway.state.replica import until
from tests.gateway.state.servers import Server


class Replica:
    """Waiters of one replica. `well` is whether it believes that messages come."""

    def __init__(self, server: Server, name: str) -> None:
        self.client = RedisClient(parse_redis_url(server.url), timeout=0.25)
        self.messages = Messages(self.client, "test:messages", name)
        self.waiters = SharedWaiters(self.messages, lambda: self.client.up, time.monotonic)
        self.listens = asyncio.Event()
        self.messages.on_return(self.listens.set)


@asynccontextmanager
async def replicas(server: Server) -> AsyncIterator[tuple[Replica, Replica]]:
    one, two = Replica(server, "a"), Replica(server, "b")
    tasks: list[asyncio.Task[None]] = []
    for replica in (one, two):
        await replica.client.open()
        works = (replica.messages.send(), replica.messages.listen())
        tasks += [asyncio.create_task(work) for work in works]
        async with asyncio.timeout(5):
            await replica.listens.wait()
    yield one, two
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for replica in (one, two):
        await replica.client.close()


async def test_a_long_poll_wakes_when_another_replica_ends_the_call(server: Server) -> None:
    async with replicas(server) as (one, two):
        with one.waiters.watching("call_1") as ended:
            await until(lambda: "call_1" in two.waiters._wanted)

            two.waiters.finished("call_1")

            async with asyncio.timeout(0.5):
                await ended.wait()


async def test_a_call_that_nobody_waits_for_elsewhere_costs_no_message(server: Server) -> None:
    async with replicas(server) as (_, two):
        before = server.calls("publish")
        for n in range(100):
            two.waiters.finished(f"call_{n}")
        await asyncio.sleep(0.1)
        assert server.calls("publish") == before


class Ledger:
    """Looks that find a call ended from some moment on."""

    def __init__(self) -> None:
        self.ended = False
        self.looks = 0

    async def mine(self, agent: object, id: str) -> Any:
        del agent, id
        self.looks += 1

        class Stored:
            terminal = self.ended

        return Stored()


def waiting(ledger: Ledger, waiters: Waiters) -> Waiting:
    return Waiting(cast("Looks", ledger), waiters)


def principal() -> Principal:
    return cast("Principal", type("P", (), {"agent": None})())


async def test_without_redis_the_ledger_is_looked_at_once_a_second(server: Server) -> None:
    async with replicas(server) as (one, _):
        one.client.up = False
        ledger = Ledger()
        poll = asyncio.create_task(waiting(ledger, one.waiters).call(principal(), "call_1", 20))
        await until(lambda: ledger.looks == 1)
        ledger.ended = True
        begun = time.monotonic()

        stored = await poll

        assert stored.terminal
        assert 0.8 < time.monotonic() - begun < 2
        assert ledger.looks == 2


async def test_a_lost_message_costs_a_look(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.state.waiters._LOOK_SECONDS", 0.2)
    async with replicas(server) as (one, _):
        ledger = Ledger()
        poll = asyncio.create_task(waiting(ledger, one.waiters).call(principal(), "call_1", 20))
        await until(lambda: ledger.looks == 1)
        ledger.ended = True
        async with asyncio.timeout(1):
            assert (await poll).terminal


async def test_a_wake_up_that_was_for_nothing_goes_on_waiting() -> None:
    waiters, ledger = Waiters(), Ledger()
    poll = asyncio.create_task(waiting(ledger, waiters).call(principal(), "call_1", 0.3))
    await until(lambda: ledger.looks == 1)
    waiters.finished("call_1")
    await until(lambda: ledger.looks == 2)
    assert not poll.done()
    assert not (await poll).terminal
