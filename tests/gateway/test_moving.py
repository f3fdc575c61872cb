"""An embedded installation moves to PostgreSQL: nothing is lost, nothing is doubled, and its record still checks."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from credentials import Credential, Where

from bench.vault_standin import VaultStandIn
from gateway.audit import check
from gateway.installation import Home, NotSetUp
from gateway.ledger.sqlite import LedgerInUse
from gateway.moving import Moved, MovedCredentials, NotMoved, give_up, move
from gateway.serve import _production
from gateway.settings import Settings
from tests.credentials.vault.ground import REAL, Ground
from tests.gateway import postgres
from tests.gateway.caller import Caller
from tests.gateway.world import World, settings_for

pytestmark = pytest.mark.embedded

NOTE = {"box": "red", "text": "hi"}


class Killed(Exception):
    """The process ended here."""


def silent(what: str, done: int, total: int) -> None:
    del what, done, total


def at_target(world: World, database: str) -> Settings:
    return world.settings.model_copy(update={"database_url": postgres.url_of(database)})


async def moved(world: World, database: str) -> Moved:
    return await move(at_target(world, database), world.home, silent)


async def go_on(world: World, database: str) -> None:
    """Start a gateway over PostgreSQL."""
    world.settings, world.database = at_target(world, database), database
    await world.start()


async def filled(world: World, bot: Caller) -> list[str]:
    """Make calls of several kinds and return the ids of those that ended."""
    ended = [(await bot.run("toy.note.create", NOTE, key=f"k{n}")).call for n in range(3)]
    await bot.run("toy.note.get", {"box": "red", "id": 1})
    await world.gateway._checkpoints.sign()
    ended.append((await bot.run("toy.order.create", {"item": "a"}, key="order")).call)
    return ended


def counted(ledger: Path) -> dict[str, int]:
    raw = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    try:
        return {
            name: raw.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("calls", "events", "claims")
        }
    finally:
        raw.close()


async def test_everything_is_there_and_goes_on(empty_database: str, world: World, bot: Caller) -> None:
    first = await bot.run("toy.note.create", NOTE, key="first")
    calls = await filled(world, bot)
    applied = world.applied()
    await world.stop()
    before = counted(world.home.ledger)

    done = await moved(world, empty_database)
    await go_on(world, empty_database)

    assert {name: done.rows[name] for name in before} == before
    assert done.credentials is None
    assert (await bot.run("toy.note.create", NOTE, key="first")).body == first.body | {"replayed": True}
    assert [(await bot.look(call)).body["status"] for call in calls] == ["succeeded"] * 4
    assert world.applied() == applied
    assert (await bot.run("toy.note.create", NOTE, key="later")).status == 200
    report = await world.verify()
    assert report.intact, report.findings
    assert report.events > before["events"]
    kinds = [data["what"] for type, data in await world.events(tenant="") if type == "admin"]
    assert kinds == ["migrate"]


async def test_a_call_under_way_is_settled_in_postgresql_and_applied_once(
    empty_database: str, world: World, bot: Caller
) -> None:
    stop = world.valve.stop("POST", "/orders", "after")
    lost = asyncio.create_task(bot.run("toy.order.create", {"item": "a"}, key="k1"))
    await stop.arrived.wait()
    await world.crash()
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)

    await moved(world, empty_database)
    await go_on(world, empty_database)
    again = await bot.run("toy.order.create", {"item": "a"}, key="k1", headers={"Prefer": "wait=10"})
    for _ in range(200):
        if again.status == 200:
            break
        await asyncio.sleep(0.05)
        again = await bot.run("toy.order.create", {"item": "a"}, key="k1")

    assert (again.status, again.body["replayed"]) == (200, True)
    assert len(world.applied()) == 1
    assert (await world.verify()).intact


async def test_the_source_starts_no_more_and_says_where_it_went(empty_database: str, world: World, bot: Caller) -> None:
    await world.stop()
    await moved(world, empty_database)
    with pytest.raises(NotSetUp, match=f"was moved to 127.0.0.1:5432/{empty_database}"):
        await _production(world.settings, None)
    with pytest.raises(NotMoved, match="was finished"):
        await give_up(at_target(world, empty_database), world.home)
    assert (await moved(world, empty_database)).rows == {}
    await go_on(world, empty_database)


async def test_a_running_source_is_not_moved(empty_database: str, world: World, bot: Caller) -> None:
    with pytest.raises(LedgerInUse):
        await moved(world, empty_database)
    assert (await bot.run("toy.note.create", NOTE, key="k1")).status == 200


async def test_a_changed_source_is_not_moved(empty_database: str, world: World, bot: Caller) -> None:
    await filled(world, bot)
    await world.stop()
    raw = sqlite3.connect(world.home.ledger)
    raw.execute("UPDATE events SET at='2020-01-01T00:00:00.000Z' WHERE seq=2")
    raw.commit()
    raw.close()
    with pytest.raises(NotMoved, match="source is not intact"):
        await moved(world, empty_database)
    connection = await asyncpg.connect(postgres.url_of(empty_database))
    assert await connection.fetchval("SELECT count(*) FROM calls") == 0
    await connection.close()
    await world.start()


async def test_another_installations_database_is_left_alone(
    empty_database: str, world: World, bot: Caller, tmp_path: Path, pristine_home: Path
) -> None:
    await world.stop()
    await moved(world, empty_database)
    shutil.copytree(pristine_home, tmp_path / "second")
    raw = sqlite3.connect(tmp_path / "second" / "ledger.db")
    raw.execute("UPDATE data_keys SET wrapped = randomblob(60)")
    raw.commit()
    raw.close()
    other = settings_for(tmp_path / "second", database_url=postgres.url_of(empty_database))
    with pytest.raises(NotMoved, match="holds another installation"):
        await move(other, Home(tmp_path / "second"), silent)
    await go_on(world, empty_database)


async def test_a_move_that_ends_at_any_step_goes_on_and_ends_whole(
    empty_database: str, world: World, bot: Caller
) -> None:
    """Each attempt goes one step further than the one before and is dropped there."""
    await filled(world, bot)
    await world.stop()
    before = counted(world.home.ledger)
    settings, attempts = at_target(world, empty_database), 0

    while True:
        left = attempts

        def told(what: str, done: int, total: int) -> None:
            nonlocal left
            if left == 0:
                raise Killed(what)
            left -= 1

        try:
            done = await move(settings, world.home, told)
        except Killed:
            attempts += 1
            if attempts > 2:  # past the first steps nobody may serve either side
                for refused in (world.settings, settings):
                    with pytest.raises(NotSetUp, match="being moved"):
                        await _production(refused, None)
        else:
            break

    assert attempts > 18
    assert {name: done.rows[name] for name in before} == before
    await go_on(world, empty_database)
    assert (await bot.run("toy.note.create", NOTE, key="k1")).body["replayed"] is True
    assert (await world.verify()).intact


async def test_a_move_that_was_given_up_leaves_the_source_as_it_was(
    empty_database: str, world: World, bot: Caller
) -> None:
    await filled(world, bot)
    await world.stop()

    def told(what: str, done: int, total: int) -> None:
        if what == "claims":
            raise Killed

    with pytest.raises(Killed):
        await move(at_target(world, empty_database), world.home, told)
    await give_up(at_target(world, empty_database), world.home)

    await world.start()
    assert (await bot.run("toy.note.create", NOTE, key="k1")).body["replayed"] is True
    assert (await world.verify()).intact


async def test_a_killed_move_of_many_rows_goes_on(empty_database: str, world: World, bot: Caller) -> None:
    await bot.run("toy.note.create", NOTE, key="k1")
    await world.stop()
    raw = sqlite3.connect(world.home.ledger)
    raw.executemany(
        "INSERT INTO claims (tenant, environment, agent, key, call, digest) VALUES ('acme','prod','a',?,'c','d')",
        ((f"{n:07d}",) for n in range(40_000)),
    )
    raw.commit()
    raw.close()
    environment = {
        **os.environ,
        "GATEHOUSE_HOME": str(world.home.path),
        "GATEHOUSE_DATABASE_URL": postgres.url_of(empty_database),
    }
    command = [sys.executable, "-m", "gateway", "migrate", "--from", "sqlite", "--to", "postgresql", "--json"]
    connection = await asyncpg.connect(postgres.url_of(empty_database))

    seen = 0
    for wanted in (1, 12_000):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        ends = time.monotonic() + 60
        while seen < wanted and process.poll() is None and time.monotonic() < ends:
            await asyncio.sleep(0.02)
            there = await connection.fetchval("SELECT to_regclass('claims') IS NOT NULL")
            seen = await connection.fetchval("SELECT count(*) FROM claims") if there else 0
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert seen >= 12_000
    await connection.close()
    done = await moved(world, empty_database)

    assert done.rows["claims"] == 40_001
    await go_on(world, empty_database)
    assert (await bot.run("toy.note.create", NOTE, key="k1")).body["replayed"] is True
    assert (await world.verify()).intact


# The record of before


@pytest.mark.parametrize(
    "change, finding",
    [
        (
            "UPDATE events SET body = body || '\\x00' WHERE writer='sqlite:1' AND number=2",
            "not the one that was chained",
        ),
        ("DELETE FROM events WHERE writer='sqlite:1' AND number>=6", "it was cut off"),
        ("DELETE FROM events WHERE writer='sqlite:1'", "it was cut off"),
        ("UPDATE checkpoints SET at='2020-01-01T00:00:00.000Z' WHERE heads IS NULL", "signature of a checkpoint"),
        ("UPDATE meta SET value='{}' WHERE name='earlier_keys'", "signature of a checkpoint"),
        ("DELETE FROM writers WHERE id='sqlite:1'", "it was cut off"),
    ],
)
async def test_what_is_changed_of_the_imported_record_is_found(
    empty_database: str, world: World, bot: Caller, tmp_path: Path, change: str, finding: str
) -> None:
    await filled(world, bot)
    await world.stop()
    await moved(world, empty_database)
    world.settings, world.database = at_target(world, empty_database), empty_database
    # As a replica on another host has it: neither the file of the old key nor the checkpoint.
    world.home.audit_key.rename(tmp_path / "audit.key")
    world.home.checkpoint.rename(tmp_path / "checkpoint.json")
    assert (await check(world.settings)).intact

    await world.behind(change)

    report = await check(world.settings)
    assert any(finding in found.problem for found in report.findings), report.findings
    await world.start()


async def test_an_earlier_key_counts_only_where_ours_signed_for_it(
    empty_database: str, world: World, bot: Caller
) -> None:
    await filled(world, bot)
    await world.stop()
    await moved(world, empty_database)
    world.settings, world.database = at_target(world, empty_database), empty_database
    world.home.audit_key.unlink()
    await world.behind(
        "UPDATE meta SET value = overlay(value placing '00' from length(value) - 4) WHERE name='earlier_keys'"
    )
    assert not (await check(world.settings)).intact
    await world.start()


# Credentials and keys go to Vault


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    standin = None if REAL else VaultStandIn().start()
    made = Ground(tmp_path, standin=standin)
    yield made
    await made.close()
    if standin is not None:
        standin.stop()


def with_vault(ground: Ground) -> dict[str, Any]:
    login = ground.login()
    return {"vault_addr": ground.url, "vault_role_id": login.role_id, "vault_secret_id_file": login.file}


async def test_credentials_and_data_keys_move_to_vault(
    empty_database: str, world: World, bot: Caller, ground: Ground
) -> None:
    await bot.run("toy.note.create", NOTE, key="k1")
    await world.stop()
    world.settings = world.settings.model_copy(update=with_vault(ground))

    done = await moved(world, empty_database)
    world.home.credentials.unlink()
    await go_on(world, empty_database)

    assert done.credentials == MovedCredentials(moved=2, newer=0)
    assert (await bot.run("toy.note.get", {"box": "red", "id": 1})).status == 200
    assert (await bot.run("toy.note.create", NOTE, key="k1")).body["replayed"] is True
    wrapped = [bytes(row[0]) for row in await world.rows("SELECT wrapped FROM data_keys")]
    assert all(one.startswith(b"vault:v1:") for one in wrapped)
    assert (await world.verify()).intact


async def test_a_credential_that_is_newer_at_vault_is_left_alone(
    empty_database: str, world: World, ground: Ground
) -> None:
    link = await world.connection("toy/main")
    await world.connection("github/main")
    where = Where(link.tenant, link.environment, link.id)
    newer = Credential(method="token", fields={"token": "rotated-since"})
    await ground.store().put(where, newer, expected=0)
    await world.stop()
    world.settings = world.settings.model_copy(update=with_vault(ground))

    done = await moved(world, empty_database)

    assert done.credentials == MovedCredentials(moved=1, newer=1)
    there = await ground.store().get(where)
    assert there is not None
    assert there.fields == newer.fields
    await go_on(world, empty_database)
