"""Keys are rotated at Vault and data keys wrapped again, while what they sealed stays readable."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from credentials.vault_transit import TransitKeys

from bench.vault_standin import VaultStandIn
from gateway.audit import check
from gateway.ledger.keyring import stored_keys
from gateway.ledger.sqlite import LedgerInUse
from gateway.rewrap import NoVaultHere, Rewrapped, rewrap, rotate
from tests.credentials.vault.ground import REAL, Ground
from tests.gateway.caller import Caller
from tests.gateway.world import World

NOTE = {"box": "red", "text": "hi"}
pytestmark = pytest.mark.embedded


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    standin = None if REAL else VaultStandIn().start()
    made = Ground(tmp_path, standin=standin)
    yield made
    await made.close()
    if standin is not None:
        standin.stop()


class Killed(Exception):
    """The process ended here."""


def silent(done: int, total: int) -> None:
    del done, total


async def versions(world: World) -> list[str]:
    stored = await world.gateway.database.read(stored_keys)
    return [wrapped[:8].decode() if wrapped.startswith(b"vault:") else "master" for _, _, wrapped in stored]


async def go_over(world: World, ground: Ground) -> None:
    """Stop the gateway, and let its settings name Vault."""
    await world.stop()
    login = ground.login()
    given = {"vault_addr": ground.url, "vault_role_id": login.role_id, "vault_secret_id_file": login.file}
    world.settings = world.settings.model_copy(update=given)


async def test_data_keys_go_to_vault_and_through_a_rotation(world: World, bot: Caller, ground: Ground) -> None:
    link = await world.connection("toy/second", tenant="rival")
    assert link
    told = await bot.run("toy.note.create", NOTE, key="k1")
    await go_over(world, ground)
    world.home.credentials.rename(world.home.path / "kept.db")

    assert await rewrap(world.settings, world.home, silent) == Rewrapped(3, 0, ())
    await world.start()
    assert await versions(world) == ["vault:v1"] * 3
    await world.stop()
    assert await rotate(world.settings, world.home, None, silent) == ("operators", "acme", "rival")
    assert await rewrap(world.settings, world.home, silent) == Rewrapped(3, 0, ())
    await world.start()

    assert await versions(world) == ["vault:v2"] * 3
    assert (await bot.look(told.call)).body["status"] == "succeeded"
    await world.stop()
    report = await check(world.settings)
    assert (report.intact, report.unread) == (True, 0)
    await world.start()


async def test_a_rewrap_that_was_cut_short_goes_on(world: World, bot: Caller, ground: Ground) -> None:
    await world.place("rival", "prod")
    await go_over(world, ground)

    def told(done: int, total: int) -> None:
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        await rewrap(world.settings, world.home, told)
    assert await rewrap(world.settings, world.home, silent) == Rewrapped(1, 2, ())
    assert await rewrap(world.settings, world.home, silent) == Rewrapped(3, 0, ())
    await world.start()
    assert await versions(world) == ["vault:v1"] * 3


async def test_a_destroyed_key_is_told_and_stops_no_other(world: World, bot: Caller, ground: Ground) -> None:
    await world.place("rival", "prod")
    await go_over(world, ground)
    await rewrap(world.settings, world.home, silent)
    session = ground.session(ground.token_login(ground.root_token))
    await TransitKeys(session).destroy("acme")
    assert await rewrap(world.settings, world.home, silent) == Rewrapped(2, 0, ("acme",))
    report = await check(world.settings)
    assert report.intact, report.findings
    await world.start()


async def test_without_vault_there_is_nothing_to_rotate(world: World) -> None:
    await world.stop()
    with pytest.raises(NoVaultHere):
        await rotate(world.settings, world.home, None, silent)
    await world.start()


async def test_an_embedded_ledger_in_use_is_left_alone(world: World) -> None:
    with pytest.raises(LedgerInUse):
        await rewrap(world.settings, world.home, silent)
