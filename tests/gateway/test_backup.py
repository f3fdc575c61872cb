"""A backup of a live gateway loses nothing that was answered; a restore begins a new epoch and holds writes."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.backup import backup, restore
from gateway.epoch import accept
from gateway.installation import NotSetUp
from gateway.ledger.sqlite import LedgerInUse
from tests.gateway.caller import Caller
from tests.gateway.world import World

pytestmark = pytest.mark.embedded

NOTE = {"box": "red", "text": "hi"}


def calls_in(ledger: Path) -> dict[str, str]:
    raw = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    try:
        return dict(raw.execute("SELECT id, status FROM calls").fetchall())
    finally:
        raw.close()


async def test_everything_that_was_answered_before_is_in_the_backup(world: World, bot: Caller, tmp_path: Path) -> None:
    answered: list[str] = []
    going = True

    async def write(worker: int) -> None:
        n = 0
        while going:
            reply = await bot.run("toy.order.create", {"item": "a"}, key=f"{worker}-{n}")
            assert reply.status == 200
            answered.append(reply.call)
            n += 1

    writers = [asyncio.create_task(write(n)) for n in range(4)]
    for n in range(3):
        while len(answered) < 30 * (n + 1):
            await asyncio.sleep(0.005)
        before = list(answered)
        manifest = await asyncio.to_thread(backup, world.home, tmp_path / f"copy{n}")
        copied = calls_in(tmp_path / f"copy{n}" / "ledger.db")
        assert {copied.get(call) for call in before} == {"succeeded"}
        assert manifest["epoch"] == 1
        check_integrity(tmp_path / f"copy{n}" / "ledger.db")
    going = False
    await asyncio.gather(*writers)


def check_integrity(path: Path) -> None:
    raw = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        assert raw.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert raw.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    finally:
        raw.close()


async def test_a_backup_holds_no_master_key_and_is_private(world: World, bot: Caller, tmp_path: Path) -> None:
    await bot.run("toy.note.create", NOTE, key="k1")
    backup(world.home, tmp_path / "copy")
    names = sorted(path.name for path in (tmp_path / "copy").iterdir())
    assert names == ["credentials.db", "ledger.db", "manifest.json"]
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0
    assert (tmp_path / "copy" / "ledger.db").stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        backup(world.home, tmp_path / "copy")


async def test_a_restore_needs_a_stopped_gateway(world: World, bot: Caller, tmp_path: Path) -> None:
    await bot.run("toy.note.create", NOTE, key="k1")
    backup(world.home, tmp_path / "copy")
    with pytest.raises(LedgerInUse):
        await restore(world.settings, world.home, tmp_path / "copy")
    assert (await bot.run("toy.note.create", NOTE, key="k1")).body["replayed"] is True
    with pytest.raises(NotSetUp):
        await restore(world.settings, world.home, tmp_path)


async def test_a_restore_opens_a_new_epoch_and_writes_wait_for_an_operator(
    world: World, bot: Caller, tmp_path: Path
) -> None:
    first = await bot.run("toy.note.create", NOTE, key="k1")
    backup(world.home, tmp_path / "copy")
    lost = await bot.run("toy.note.create", NOTE, key="k2")
    await world.stop()
    done = await restore(world.settings, world.home, tmp_path / "copy")
    assert (done.epoch, done.unfinished) == (2, 0)
    await world.start()
    applied = world.applied()
    assert (await bot.look(lost.call)).code == "call_not_found"
    assert (await bot.run("toy.note.create", NOTE, key="k1")).body == first.body | {"replayed": True}
    assert (await bot.run("toy.note.get", {"box": "red", "id": 1})).status == 200
    held = await bot.run("toy.note.create", NOTE, key="k2")
    assert (held.status, held.code) == (423, "frozen")
    assert "restore --accept" in held.body["hint"]
    asker = await bot.run("toy.note.create", NOTE, key="k3", headers={"Prefer": "respond-async"})
    assert asker.code == "frozen"
    assert world.applied() == applied
    await world.stop()
    assert await accept(world.settings, world.home, by="test") is True
    assert await accept(world.settings, world.home, by="test") is False
    await world.start()
    assert (await bot.run("toy.note.create", NOTE, key="k2")).status == 200
    assert (await world.check()).intact
    kinds = [(type, data.get("what")) for type, data in await world.events(tenant="") if type == "admin"]
    assert kinds == [("admin", "restore"), ("admin", "restore.accept")]


async def test_what_was_there_is_kept_beside_it(world: World, bot: Caller, tmp_path: Path) -> None:
    backup(world.home, tmp_path / "copy")
    lost = await bot.run("toy.note.create", NOTE, key="k1")
    await world.stop()
    await restore(world.settings, world.home, tmp_path / "copy")
    assert lost.call in calls_in(world.home.path / "ledger.before-2.db")
    assert (world.home.path / "credentials.before-2.db").exists()
    again = await restore(world.settings, world.home, tmp_path / "copy")
    assert again.epoch == 3
    await world.start()


async def test_no_call_that_a_backup_shows_as_unfinished_runs_again(world: World, bot: Caller, tmp_path: Path) -> None:
    asker = await world.caller("asker", autonomy="approve")
    parked = await asker.run("toy.order.create", {"item": "a"}, key="k1")
    stop = world.valve.stop("POST", "/orders")
    task = asyncio.create_task(bot.run("toy.order.create", {"item": "b"}, key="k1"))
    await stop.arrived.wait()
    queued = await bot.run("toy.order.create", {"item": "c"}, key="k2", headers={"Prefer": "respond-async"})
    backup(world.home, tmp_path / "copy")
    stop.release()
    running = await task
    assert (await bot.look(queued.call, wait=10)).body["status"] == "succeeded"
    await world.stop()
    done = await restore(world.settings, world.home, tmp_path / "copy")
    assert done.unfinished == 3
    await accept(world.settings, world.home, by="test")
    reached = world.reached()
    await world.start()
    ends = [(await who.look(call)).body["status"] for who, call in ((asker, parked.call), (bot, queued.call))]
    assert ends == ["expired", "outcome_unknown"]
    assert (await bot.look(running.call)).body["status"] == "outcome_unknown"
    for n, item in (("k1", "b"), ("k2", "c")):
        assert (await bot.run("toy.order.create", {"item": item}, key=n)).code == "outcome_unknown"
    assert (await world.approval(parked.call)).status == "expired"
    assert world.reached() == reached
    assert (await world.verify()).intact


async def test_a_backup_restores_into_an_empty_home_with_its_master_key(
    world: World, bot: Caller, tmp_path: Path
) -> None:
    first = await bot.run("toy.note.create", NOTE, key="k1")
    backup(world.home, tmp_path / "copy")
    await world.stop()
    for name in ("ledger.db", "credentials.db", "checkpoint.json", "ledger.lock"):
        world.home.path.joinpath(name).unlink(missing_ok=True)
    for leftover in world.home.path.glob("*.db-*"):
        leftover.unlink()
    await restore(world.settings, world.home, tmp_path / "copy")
    await world.start()
    assert (await bot.run("toy.note.create", NOTE, key="k1")).body == first.body | {"replayed": True}
    assert (await bot.run("toy.note.get", {"box": "red", "id": 1})).status == 200


async def test_a_backup_does_not_open_under_another_master_key(world: World, bot: Caller, tmp_path: Path) -> None:
    await bot.run("toy.note.create", NOTE, key="k1")
    backup(world.home, tmp_path / "copy")
    await world.stop()
    key = world.home.master_key.read_bytes()
    world.home.master_key.unlink()
    from credentials import MasterKey

    MasterKey.open_or_create(world.home.master_key)
    with pytest.raises(Exception, match="master key"):
        await restore(world.settings, world.home, tmp_path / "copy")
    world.home.master_key.unlink()
    world.home.master_key.touch(mode=0o600)
    world.home.master_key.write_bytes(key)
    await world.start()
    again = await bot.run("toy.note.create", NOTE, key="k1")
    assert again.body.get("replayed") is True or again.code == "frozen"
