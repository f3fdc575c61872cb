"""Two replicas over one PostgreSQL: what one gave up as unknown, the other comes to know."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.sdk.errors import OutcomeUnknown
from gateway.app import Gateway
from gateway.ending import ending_of
from gateway.journal import AlreadySettled
from tests.gateway import postgres
from tests.gateway.caller import Caller
from tests.gateway.world import World, fresh_home


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(postgres, "ON_POSTGRES", True)
    template = await fresh_home(tmp_path / "home")
    assert template is not None
    made = World(tmp_path / "home")
    await made.open()
    yield made
    await made.close()
    await postgres.drop(template)


@pytest.fixture
async def younger(world: World) -> AsyncIterator[Gateway]:
    async with world.beside() as made:
        yield made


async def given_up(world: World, agent: Caller, url: str) -> str:
    """Return a call of unknown outcome whose effect is there, and shows only now."""
    world.toy.copies_visible = False
    world.toy.faults.add({"match": "POST /copies", "fault": "reset_after"})
    headers = {"Authorization": f"Bearer {agent.key}", "Idempotency-Key": "k1"}
    path = f"{url}/v1/actions/toy.copy.create"
    async with world.session.post(path, json={"text": "x"}, headers=headers) as answer:
        told = await answer.json()
    assert told["code"] == "outcome_unknown", told
    world.toy.copies_visible = True
    return str(told["call"])


async def test_an_older_process_settles_what_a_younger_one_gave_up_and_the_record_verifies(
    world: World, younger: Gateway
) -> None:
    agent = await world.caller()
    await younger.data_keys.load()
    await younger.directory.refresh()
    assert younger.database.writer > world.gateway.database.writer
    call = await given_up(world, agent, younger.url)

    await younger.stop()
    while (await agent.look(call)).body["status"] != "succeeded":
        await asyncio.sleep(0.05)

    ends = [data["status"] for type, data in await world.events(call=call) if type == "call_finished"]
    assert ends == ["outcome_unknown", "succeeded"]
    report = await world.verify()
    assert report.intact, report.findings
    assert world.applied() == ["POST /copies"]


async def test_what_was_told_as_unknown_is_not_given_up_a_second_time(world: World) -> None:
    agent, gateway = await world.caller(), world.gateway
    call = await given_up(world, agent, gateway.url)
    told = (await agent.look(call)).body
    opened = await gateway.recovery._reopener.reopen(await gateway.looks.find("acme", "prod", call))
    error = OutcomeUnknown("It was given up elsewhere too.")

    with pytest.raises(AlreadySettled):
        await gateway.journal.finish(opened, gateway.answers.failed(opened, error), ending_of(error, handed_over=True))

    assert (await agent.look(call)).body == told
    assert (await world.verify()).intact
