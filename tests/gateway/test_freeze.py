"""The kill switch at five levels: for new calls, for calls under way, for replays and for looks."""

import asyncio

import pytest

from tests.gateway.caller import Caller
from tests.gateway.world import Link, World

NOTE = {"box": "red", "text": "hi"}
LEVELS = ("tenant", "environment", "agent", "connector", "connection")


async def stage(world: World) -> tuple[Caller, Link]:
    agent = await world.agent()
    link = await world.connection("toy/main")
    await world.grant(agent, link)
    return agent, link


def target(level: str, agent: Caller, link: Link) -> str:
    known = {"tenant": "acme", "environment": "prod", "agent": agent.id, "connector": "toy", "connection": link.id}
    return known[level]


@pytest.mark.parametrize("level", LEVELS)
async def test_nothing_is_sent_looked_at_or_replayed_under_a_freeze(world: World, level: str) -> None:
    agent, link = await stage(world)
    first = await agent.run("toy.note.create", NOTE, key="k1")
    reached = world.reached()
    freeze = await world.freeze(level, target(level, agent, link))
    for reply in (
        await agent.run("toy.note.create", NOTE, key="k2"),
        await agent.run("toy.note.get", {"box": "red", "id": 1}),
        await agent.run("toy.note.create", NOTE, key="k1"),
        await agent.run("toy.note.create", NOTE, key="k3", preview=True),
        await agent.look(first.call),
        await agent.get(f"/v1/calls/{first.call}/output"),
        await agent.get(f"/v1/runs/{first.body['run']}"),
    ):
        assert (reply.status, reply.code) == (423, "frozen"), reply.body
        assert reply.body["retryable"] is False
    assert world.reached() == reached
    await world.lift(freeze)
    assert (await agent.run("toy.note.create", NOTE, key="k1")).body["replayed"] is True
    assert (await agent.run("toy.note.create", NOTE, key="k2")).status == 200


@pytest.mark.parametrize("level", LEVELS)
async def test_a_freeze_stops_only_what_it_names(world: World, level: str) -> None:
    agent, link = await stage(world)
    others = [
        await world.caller("neighbour"),
        await world.caller("cousin", environment="dev"),
        await world.caller("stranger", tenant="rival"),
    ]
    await world.freeze(level, target(level, agent, link))
    stopped = {
        "tenant": ["neighbour", "cousin"],
        "environment": ["neighbour"],
        "agent": [],
        "connector": ["neighbour"],
        "connection": [],
    }[level]
    for other in others:
        reply = await other.run("toy.note.get", {"box": "red", "id": 1})
        assert reply.code == ("frozen" if other.name in stopped else None), other.name


@pytest.mark.parametrize("level", LEVELS)
async def test_a_call_under_way_stops_at_its_next_stage(world: World, level: str) -> None:
    agent, link = await stage(world)
    stop = world.valve.stop("POST", "/uploads", "after")
    task = asyncio.create_task(agent.run("toy.parcel.send", {"name": "a", "to": "b"}, key="k1"))
    await stop.arrived.wait()
    freeze = await world.freeze(level, target(level, agent, link))
    stop.release()
    reply = await task
    assert (reply.status, reply.code) == (423, "frozen")
    assert world.applied() == ["POST /uploads"]
    await world.lift(freeze)
    assert (await agent.look(reply.call)).body["status"] == "denied"
    again = await agent.run("toy.parcel.send", {"name": "a", "to": "b"}, key="k1")
    assert (again.code, again.body["replayed"]) == ("frozen", True)


async def test_a_freeze_holds_between_attempts(world: World) -> None:
    agent, _ = await stage(world)
    world.toy.faults.add({"match": "GET /boxes", "fault": "500", "times": 9})
    stop = world.valve.stop("GET", "/boxes", "after")
    task = asyncio.create_task(agent.run("toy.note.get", {"box": "red", "id": 1}))
    await stop.arrived.wait()
    await world.freeze("agent", agent.id)
    stop.release()
    assert (await task).code == "frozen"
    assert len(world.reached()) == 1


async def test_a_freeze_during_the_fetch_of_a_token_sends_nothing(world: World) -> None:
    agent, _ = await stage(world)
    source = world.gateway.road._tokens
    fetch = source.token

    async def slow(*what: object) -> object:
        await world.freeze("agent", agent.id)
        return await fetch(*what)  # type: ignore[arg-type]

    source.token = slow  # type: ignore[method-assign, assignment]
    reply = await agent.run("toy.note.create", NOTE, key="k1")
    assert reply.code == "frozen"
    assert world.reached() == []


async def test_a_queued_call_under_a_freeze_ends_as_frozen(world: World) -> None:
    agent, _ = await stage(world)
    stop = world.valve.stop("POST", "/orders")
    first = await agent.run("toy.order.create", {"item": "a"}, key="k1", headers={"Prefer": "respond-async"})
    await stop.arrived.wait()
    freeze = await world.freeze("agent", agent.id)
    assert (await agent.run("toy.order.create", {"item": "b"}, key="k2")).code == "frozen"
    stop.release()
    await world.lift(freeze)
    assert (await agent.look(first.call, wait=10)).body["status"] == "succeeded"


async def test_the_list_of_actions_and_files_of_a_frozen_agent(world: World) -> None:
    agent, _ = await stage(world)
    file = (await agent.ask("POST", "/v1/files", raw=b"x", headers={"Content-Type": "text/plain"})).body["id"]
    await world.freeze("agent", agent.id)
    for reply in (
        await agent.ask("POST", "/v1/files", raw=b"x", headers={"Content-Type": "text/plain"}),
        await agent.get(f"/v1/files/{file}"),
        await agent.ask("POST", "/v1/runs", {}),
    ):
        assert reply.code == "frozen"
