"""What is taken back on one replica is taken back on all within a second, whatever becomes of messages."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.sdk.errors import Frozen, StateUnavailable, Unauthenticated
from gateway.admin.data_keys import DataKeys
from gateway.admin.directory import Directory
from gateway.admin.generation import Generation, counted
from gateway.admin.rows import Place
from gateway.admin.tenants import NewTenant
from gateway.admin.tokens import at_start
from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.freeze import Freezes
from gateway.freshness import Freshness
from gateway.installation import Derived, load_master_key
from gateway.ledger.bodies import Bodies
from gateway.ledger.wrapping import MasterKeyWrapper
from gateway.state.address import parse_redis_url
from gateway.state.messages import CHANGED, Messages
from gateway.state.redis_client import RedisClient
from tests.gateway.caller import Caller
from tests.gateway.state.beside import Beside
from tests.gateway.state.conftest import MakeServer
from tests.gateway.state.replica import until
from tests.gateway.state.servers import free_ports
from tests.gateway.world import World

BY = at_start("tests")
READ = {"box": "red", "id": 1}


@dataclass
class Other:
    """A second replica: who may call, freezes, data keys, and what keeps them as they are."""

    database: Beside
    freezes: Freezes
    directory: Directory
    bodies: Bodies
    freshness: Freshness
    generation: Generation

    def lets_in(self, caller: Caller) -> Awaitable[Any]:
        return self.directory.authenticate(caller.key, "127.0.0.1")

    def is_frozen(self, caller: Caller) -> bool:
        try:
            self.freezes.check_caller(caller.tenant, caller.environment, caller.id)
        except Frozen:
            return True
        return False


@asynccontextmanager
async def beside(
    world: World, *, well: bool = True, monotonic: Callable[[], float] = time.monotonic
) -> AsyncIterator[Other]:
    """Run a second replica over the world's ledger."""
    derived, database = Derived.of(load_master_key(world.settings, world.home)), Beside(world.home.ledger)
    freshness = Freshness(monotonic, alone=False)
    freezes, bodies = Freezes(freshness), Bodies()
    directory = Directory(database, freezes, SystemClock(), derived.credentials_digest)
    keys = DataKeys(database, bodies, MasterKeyWrapper(derived.bodies), SystemClock())
    generation = Generation(database, freshness, [keys.load, directory.refresh], monotonic)
    task = asyncio.create_task(generation.follow(lambda: well))
    other = Other(database, freezes, directory, bodies, freshness, generation)
    await until(lambda: database.fetched > 0)
    yield other
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    database.close()


async def checked_for(seconds: float, other: Other, caller: Caller) -> None:
    """Ask again and again whether a caller may go on. Raises what the check raises."""
    until_then = time.monotonic() + seconds
    while time.monotonic() < until_then:
        other.freezes.check_caller(caller.tenant, caller.environment, caller.id)
        await asyncio.sleep(0.01)


async def freeze(world: World, caller: Caller) -> None:
    from gateway.admin.freezes import NewFreeze

    wanted = NewFreeze(kind="agent", id=caller.name, reason="test")
    await world.gateway.admin.freezes.create(Place(caller.tenant, caller.environment), BY, wanted)


@pytest.mark.parametrize("well", [True, False])
async def test_a_freeze_and_a_revoked_key_hold_elsewhere_within_a_second_without_any_message(
    world: World, well: bool
) -> None:
    one, two = await world.caller("one"), await world.caller("two")
    async with beside(world, well=well) as other:
        await other.lets_in(one)
        await other.lets_in(two)

        await freeze(world, one)
        key = two.key_id
        await world.gateway.admin.keys.revoke(Place(two.tenant, two.environment), BY, two.name, key, None)
        changed = time.monotonic()

        async with asyncio.timeout(1.0):
            while not other.is_frozen(one):
                await asyncio.sleep(0.01)
        with pytest.raises(Unauthenticated):
            await other.lets_in(two)
        assert time.monotonic() - changed < (1.0 if well else 0.5)


async def test_a_poke_makes_it_hold_at_once(world: World) -> None:
    caller = await world.caller()
    async with beside(world) as other:
        await until(lambda: not other.is_frozen(caller))
        await freeze(world, caller)
        other.generation.poke()
        async with asyncio.timeout(0.2):
            while not other.is_frozen(caller):
                await asyncio.sleep(0.001)


async def test_a_replica_that_cannot_look_for_a_second_lets_nothing_through(world: World) -> None:
    caller = await world.caller()
    async with beside(world, well=False) as other:
        other.freezes.check_caller(caller.tenant, caller.environment, caller.id)
        other.database.gone = True
        begun = time.monotonic()

        with pytest.raises(StateUnavailable) as refused:
            await checked_for(5, other, caller)

        assert 0.5 < time.monotonic() - begun < 1.3
        assert refused.value.retryable
        for check in (lambda: other.freezes.check_target("acme", "prod", "toy", "c"), other.freshness.check):
            with pytest.raises(StateUnavailable):
                check()
        other.database.gone = False
        await asyncio.sleep(0.5)
        await checked_for(1.5, other, caller)


async def test_a_look_counts_from_when_it_began(world: World) -> None:
    now = [100.0]
    async with beside(world, monotonic=lambda: now[0]) as other:
        await other.generation.look()
        now[0] += 0.9
        slow = other.database.fetch

        async def late(statement: str, parameters: tuple[Any, ...]) -> tuple[Any, ...] | None:
            found = await slow(statement, parameters)
            now[0] += 5
            return found

        other.database.fetch = late  # type: ignore[method-assign]
        await other.generation.look()

        with pytest.raises(StateUnavailable):
            other.freshness.check()


async def test_what_did_not_change_is_not_read_again(world: World) -> None:
    async with beside(world) as other:
        await other.generation.look()
        before = other.database.read_jobs
        for _ in range(5):
            await other.generation.look()
        assert other.database.read_jobs == before


async def test_a_tenant_that_another_replica_made_can_be_sealed_for(world: World) -> None:
    async with beside(world) as other:
        await world.gateway.admin.tenants.create(BY, NewTenant(id="newcomer"))
        await other.generation.look()
        sealed = other.bodies.seal("newcomer", "row", {"a": 1})
        assert world.gateway.bodies.open("newcomer", "row", sealed) == {"a": 1}


async def test_a_change_that_fails_counts_nothing(world: World) -> None:
    def job(rows: Rows) -> None:
        rows.execute(text("UPDATE agents SET name='x'"))
        raise ValueError("no")

    before = await world.rows("SELECT value FROM meta WHERE name='generation'")
    with pytest.raises(ValueError, match="no"):
        await world.gateway.generation.write(job)
    assert await world.rows("SELECT value FROM meta WHERE name='generation'") == before


async def test_each_change_counts_one(world: World) -> None:
    found = []
    for _ in range(3):
        await world.gateway.database.write(counted(lambda rows: None))
        found.append(int((await world.rows("SELECT value FROM meta WHERE name='generation'"))[0][0]))
    assert found == [found[0], found[0] + 1, found[0] + 2]


async def test_a_message_is_sent_after_the_commit_and_one_that_was_lost_is_made_up_for(
    world: World, make_server: MakeServer
) -> None:
    port = free_ports(1)[0]
    caller = await world.caller()
    sender, receiver = (RedisClient(parse_redis_url(f"redis://127.0.0.1:{port}"), timeout=0.25) for _ in range(2))
    async with beside(world) as other:
        here, there = Messages(sender, "test:messages", "a"), Messages(receiver, "test:messages", "b")
        world.gateway.generation._announce = lambda: here.post(CHANGED)
        pokes: list[str] = []
        there.on(CHANGED, lambda subject: (pokes.append("message"), other.generation.poke())[0])
        there.on_return(lambda: (pokes.append("return"), other.generation.poke())[0])
        for client in (sender, receiver):
            await client.open()
        works = (sender.keep(), receiver.keep(), here.send(), there.listen())
        tasks = [asyncio.create_task(work) for work in works]

        await freeze(world, caller)  # nobody hears of it: Redis is not there yet
        make_server(port=port)
        await until(lambda: sender.up and "return" in pokes)
        await until(lambda: other.is_frozen(caller))
        frozen = (await world.gateway.admin.freezes.page(Place("acme", "prod"), _part())).items[0]["id"]
        await world.gateway.admin.freezes.lift(Place("acme", "prod"), BY, frozen)
        await until(lambda: "message" in pokes)
        async with asyncio.timeout(0.3):
            while other.is_frozen(caller):
                await asyncio.sleep(0.001)

        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in (sender, receiver):
            await client.close()


def _part() -> Any:
    from gateway.admin.rows import Slice

    return Slice()


async def test_a_gateway_among_others_sends_nothing_without_a_good_look(
    make_world: Callable[..., Awaitable[World]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gateway, "alone", False)
    world = await make_world()
    agent = await world.caller()
    assert (await agent.run("toy.note.get", READ)).status == 200
    sent = len(world.reached())

    async def blind() -> None:
        raise StateUnavailable("no")

    monkeypatch.setattr(world.gateway.generation, "look", blind)
    world.gateway.freshness._seen_at = float("-inf")
    refused = await agent.run("toy.note.get", READ)
    order = await agent.run("toy.order.create", {"item": "a"}, key="k1")

    assert (refused.status, refused.code, refused.body["retryable"]) == (503, "state_unavailable", True)
    assert order.code == "state_unavailable"
    assert len(world.reached()) == sent
    assert await world.rows("SELECT 1 FROM claims WHERE key='k1'") == []
    monkeypatch.undo()
    await world.gateway.generation.look()
    assert (await agent.run("toy.order.create", {"item": "a"}, key="k1")).status == 200


async def test_a_call_under_way_is_not_sent_when_the_look_is_lost_before_it_leaves(
    make_world: Callable[..., Awaitable[World]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gateway, "alone", False)
    world = await make_world()
    agent = await world.caller()
    gateway = world.gateway
    token = gateway.connection_tokens.token

    async def slow(*given: Any) -> Any:
        found = await token(*given)
        monkeypatch.setattr(gateway.generation, "look", asyncio.Event().wait)
        world.gateway.freshness._seen_at = float("-inf")
        return found

    monkeypatch.setattr(gateway.connection_tokens, "token", slow)
    reply = await agent.run("toy.order.create", {"item": "a"}, key="k1")

    assert reply.code == "state_unavailable"
    assert world.reached() == []
    assert world.applied() == []
    assert await world.rows("SELECT 1 FROM claims WHERE key='k1'") == [], "the key may be used again"


async def test_a_queued_call_waits_until_the_control_plane_can_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await world.caller()
    check, asked = world.gateway.freezes.check_caller, [0]

    def sometimes(*given: str) -> None:
        asked[0] += 1
        if 2 <= asked[0] <= 4:  # the first is the door's call, which is queued
            raise StateUnavailable("no", retry_after_ms=1000)
        check(*given)

    monkeypatch.setattr(world.gateway.freezes, "check_caller", sometimes)
    queued = await agent.run("toy.order.create", {"item": "a"}, key="k1", headers={"Prefer": "respond-async"})
    assert queued.status == 202
    async with asyncio.timeout(20):
        while (await world.rows("SELECT status FROM calls WHERE id=:id", id=queued.call))[0][0] != "succeeded":
            await asyncio.sleep(0.01)
    assert asked[0] > 4
    assert len(world.applied()) == 1
