"""A PostgreSQL that came back older than what was answered: writes are held, and nothing is done or said twice."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.backup import backup_beside, restore
from gateway.epoch import accept, database_was_restored
from gateway.installation import Home, NotSetUp, set_up
from tests.gateway import postgres
from tests.gateway.caller import Caller
from tests.gateway.world import World, settings_for

NOTE = {"box": "red", "text": "hi"}


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[World]:
    """A world over PostgreSQL, whatever the other tests run over."""
    name = await postgres.create_or_skip()
    home = tmp_path / "shared"
    settings = settings_for(home, database_url=postgres.url_of(name))
    await set_up(settings, Home(home), sandbox=False)
    (home / "template").write_text(name)
    world = World(home, database_url=postgres.url_of(name))
    await world.open()
    world.database = name if world.database is None else world.database
    yield world
    await world.close()
    await postgres.drop(name)


@pytest.fixture
async def user(shared: World) -> Caller:
    agent = await shared.agent("bot")
    for name in ("toy/main", "github/main"):
        await shared.grant(agent, await shared.connection(name))
    return agent


async def until_held(user: Caller) -> None:
    """Ask until writes are held. Each asks under a key of its own, which is refused or, at first, not reached."""
    for n in range(400):
        reply = await user.run("toy.note.create", NOTE, key=f"probe-{n}")
        if reply.code == "frozen":
            return
        assert reply.code == "state_unavailable", reply.body
        await asyncio.sleep(0.05)
    raise AssertionError("writes were never held")


async def meta(world: World, name: str) -> str | None:
    row = await world.gateway.database.fetch("SELECT value FROM meta WHERE name=?", (name,))
    return None if row is None else str(row[0])


async def again_up(user: Caller) -> None:
    for _ in range(400):
        if (await user.run("toy.note.get", {"box": "red", "id": 1})).status == 200:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the gateway did not come back")


async def test_a_failover_that_loses_records_under_a_running_gateway_holds_writes(shared: World, user: Caller) -> None:
    assert shared.database is not None
    kept = await user.run("toy.note.create", NOTE, key="kept")
    stop = shared.valve.stop("POST", "/orders", "after")
    under_way = asyncio.create_task(user.run("toy.order.create", {"item": "a"}, key="under-way"))
    await stop.arrived.wait()
    older = await postgres.copy(shared.database)
    await again_up(user)
    stop.release()
    answered = await under_way
    lost = await user.run("toy.note.create", NOTE, key="lost")
    assert (answered.status, lost.status) == (200, 200)
    applied = shared.applied()

    await postgres.put_in_place(older, shared.database)
    await until_held(user)

    assert shared.applied() == applied
    assert await meta(shared, "epoch") == "2"
    assert (await user.run("toy.note.create", NOTE, key="lost")).code == "frozen"
    assert (await user.run("toy.note.create", NOTE, key="kept")).body == kept.body | {"replayed": True}
    assert (await user.run("toy.note.get", {"box": "red", "id": 1})).status == 200
    # It stands as running, with an intent; nobody takes it up while writes are held.
    await asyncio.sleep(1.5)
    assert (await user.look(answered.call)).body["status"] == "running"
    assert shared.applied() == applied

    assert await accept(shared.settings, shared.home, by="test", clock=shared.clock) is True
    assert (await user.look(answered.call)).body["status"] == "outcome_unknown"
    assert (await user.run("toy.order.create", {"item": "a"}, key="under-way")).code == "outcome_unknown"
    for _ in range(100):
        if (later := await user.run("toy.note.create", NOTE, key="later")).status == 200:
            break
        await asyncio.sleep(0.05)
    assert later.status == 200
    assert shared.applied() == [*applied, "POST /boxes/red/notes"]
    assert (await shared.verify()).intact


async def test_a_gateway_that_starts_over_an_older_copy_holds_writes(shared: World, user: Caller) -> None:
    assert shared.database is not None
    await user.run("toy.note.create", NOTE, key="kept")
    await shared.stop()
    older = await postgres.copy(shared.database)
    await shared.start()
    assert (await user.run("toy.note.create", NOTE, key="lost")).status == 200
    applied = shared.applied()
    await shared.stop()

    await postgres.put_in_place(older, shared.database)
    await shared.start()

    assert (await user.run("toy.note.create", NOTE, key="lost")).code == "frozen"
    assert shared.applied() == applied
    held = await meta(shared, "writes_held")
    assert held is not None
    assert "a checkpoint of" in held
    await shared.stop()
    assert await accept(shared.settings, shared.home, by="test", clock=shared.clock) is True
    await shared.start()
    assert (await user.run("toy.note.create", NOTE, key="later")).status == 200
    assert await meta(shared, "epoch") == "2"


async def test_a_start_over_the_same_database_holds_nothing(shared: World, user: Caller) -> None:
    await user.run("toy.note.create", NOTE, key="k1")
    await shared.restart()
    assert (await user.run("toy.note.create", NOTE, key="k2")).status == 200
    assert await meta(shared, "epoch") == "1"


async def test_an_operator_says_that_the_database_was_restored(shared: World, user: Caller) -> None:
    assert shared.database is not None
    stop = shared.valve.stop("POST", "/orders")
    under_way = asyncio.create_task(user.run("toy.order.create", {"item": "a"}, key="under-way"))
    await stop.arrived.wait()
    call = (await shared.rows("SELECT id FROM calls WHERE status='running'"))[0][0]
    await shared.crash()
    under_way.cancel()
    await asyncio.gather(under_way, return_exceptions=True)
    older = await postgres.copy(shared.database)
    await postgres.put_in_place(older, shared.database)
    shared.home.checkpoint.unlink(missing_ok=True)
    reached = shared.reached()

    done = await database_was_restored(shared.settings, shared.home)
    await shared.start()

    assert (done.epoch, done.unfinished) == (2, 1)
    assert (await user.look(call)).body["status"] == "outcome_unknown"
    assert (await user.run("toy.note.create", NOTE, key="k1")).code == "frozen"
    assert shared.reached() == reached
    assert await accept(shared.settings, shared.home, by="test", clock=shared.clock) is True
    await shared.restart()
    assert (await user.run("toy.note.create", NOTE, key="k1")).status == 200
    kinds = [data["what"] for type, data in await shared.events(tenant="") if type == "admin"]
    assert kinds == ["restore", "restore.accept"]


async def test_a_backup_beside_postgresql_says_what_is_not_in_it(shared: World, user: Caller, tmp_path: Path) -> None:
    await user.run("toy.note.create", NOTE, key="k1")
    await shared.gateway._checkpoints.sign()
    manifest = await backup_beside(shared.settings, shared.home, tmp_path / "copy")
    names = sorted(path.name for path in (tmp_path / "copy").iterdir())
    assert names == ["audit.pem", "checkpoint.json", "credentials.db", "manifest.json"]
    assert str(manifest["database"]).endswith("not in this copy")
    with pytest.raises(NotSetUp, match="--database-was-restored"):
        await restore(shared.settings, shared.home, tmp_path / "copy")


@pytest.mark.embedded
async def test_an_older_file_put_in_place_by_hand_holds_writes_too(world: World, bot: Caller, tmp_path: Path) -> None:
    await bot.run("toy.note.create", NOTE, key="kept")
    await world.stop()
    shutil.copy(world.home.ledger, tmp_path / "older.db")
    await world.start()
    await bot.run("toy.note.create", NOTE, key="lost")
    await world.stop()
    applied = world.applied()

    shutil.copy(tmp_path / "older.db", world.home.ledger)
    await world.start()

    assert (await bot.run("toy.note.create", NOTE, key="lost")).code == "frozen"
    assert world.applied() == applied
    await world.stop()
    assert await accept(world.settings, world.home, by="test", clock=world.clock) is True
    await world.start()
    assert (await bot.run("toy.note.create", NOTE, key="later")).status == 200
