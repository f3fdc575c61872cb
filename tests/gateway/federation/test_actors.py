"""Actors that a token proves: what they open, how they are recorded, and that calls which waited keep them."""

import asyncio
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from gateway.approvals import approval_digest
from gateway.call import Asked, Options, Proved
from gateway.ending import TERMINAL
from tests.gateway.caller import Caller
from tests.gateway.federation.house import House

ORDER = {"item": "a"}
ACTOR = {"actor_claim": "sub", "agent_claim": "azp"}


@pytest.fixture
async def agent(house: House) -> Caller:
    """An agent with ann's and bob's personal connections."""
    made = await house.world.agent("bot")
    for name, terms in {"toy/ann": {"owner_actor": "ann"}, "toy/bob": {"owner_actor": "bob"}}.items():
        await house.world.grant(made, await house.world.connection(name, **terms))
    return made


async def parked(house: House, agent: Caller) -> str:
    await house.world.update("grants", (await house.world.rows("SELECT id FROM grants"))[0][0], autonomy="approve")
    reply = await house.showing(agent, sub="ann").run("toy.order.create", ORDER, key="k1")
    assert reply.body["status"] == "pending_approval", reply.body
    return reply.call


async def ended(caller: Caller, call: str) -> Any:
    return (await caller.look(call, wait=10)).body


async def test_a_proved_actor_opens_their_own_connection_and_no_other(house: House, agent: Caller) -> None:
    id = await house.register(**ACTOR)
    ann = house.showing(agent, sub="ann")
    made = await ann.run("toy.order.create", ORDER, key="k1")
    assert (made.status, made.body["connection"]) == (200, "toy/ann")
    reached = house.world.reached()
    for caller, named in ((ann, "toy/bob"), (house.showing(agent, sub="eve"), None), (agent, "toy/ann")):
        headers = {"Gatehouse-Connection": named} if named else {}
        reply = await caller.run("toy.order.create", ORDER, key="k2", headers=headers)
        assert (reply.status, reply.code) == (409, "connection_required")
        assert "belongs to a person" in reply.body["detail"]
    assert house.world.reached() == reached
    _, asked = (await house.world.events(call=made.call))[0]
    assert asked["actor"] == "ann"
    assert asked["proved"] == {"issuer": id, "agent": "bot", "actor": "ann", "actor_claim": "sub"}
    assert (await ann.get(f"/v1/runs/{made.body['run']}")).body["actor"] == "ann"


async def test_only_actions_on_connections_that_the_caller_opens_are_listed(house: House, agent: Caller) -> None:
    await house.register(**ACTOR)
    listed = (await house.showing(agent, sub="ann").get("/v1/actions?limit=200&connector=toy")).body["items"]
    assert listed
    assert {name for action in listed for name in action["connections"]} == {"toy/ann"}
    assert (await house.showing(agent, sub="eve").get("/v1/actions")).body["items"] == []
    assert (await agent.get("/v1/actions")).body["items"] == []


async def test_a_shared_connection_beside_one_s_own_is_still_not_picked_silently(house: House, agent: Caller) -> None:
    await house.register(**ACTOR)
    await house.world.grant(agent, await house.world.connection("toy/main"))
    assert (
        await house.showing(agent, sub="ann").run("toy.order.create", ORDER, key="k")
    ).code == "connection_ambiguous"
    alone = await house.showing(agent, sub="eve").run("toy.order.create", ORDER, key="k")
    assert alone.body["connection"] == "toy/main"


async def test_what_one_person_s_connection_gave_is_not_shown_to_another(house: House, agent: Caller) -> None:
    await house.register(**ACTOR)
    ann, bob = house.showing(agent, sub="ann"), house.showing(agent, sub="bob")
    made = await ann.run("toy.order.create", ORDER, key="k1")
    assert (await ann.look(made.call)).body["output"] == made.body["output"]
    for other in (bob, agent):
        for reply in (
            await other.look(made.call),
            await other.get(f"/v1/calls/{made.call}/output"),
            await other.get(f"/v1/runs/{made.body['run']}"),
            await other.run("toy.order.create", ORDER, key="k1", headers={"Gatehouse-Connection": "toy/ann"}),
        ):
            assert reply.code == "connection_required", reply.body
            assert "output" not in reply.body
    assert house.world.applied() == ["POST /orders"]


async def test_an_actor_that_is_only_said_opens_nothing(house: House, agent: Caller) -> None:
    await house.register(agent_claim="azp")  # this issuer proves nobody
    for caller in (house.showing(agent, sub="ann"), agent):
        reply = await caller.run("toy.order.create", ORDER, key="k", headers={"Gatehouse-Actor": "ann"})
        assert reply.code in {"connection_required", "connection_ambiguous"}
    assert house.world.reached() == []


async def test_a_call_that_says_somebody_else_than_its_token_is_refused(house: House, agent: Caller) -> None:
    await house.register(**ACTOR)
    ann = house.showing(agent, sub="ann")
    reply = await ann.run("toy.order.create", ORDER, key="k", headers={"Gatehouse-Actor": "bob"})
    assert (reply.status, reply.code) == (403, "policy_denied")
    run = await ann.ask("POST", "/v1/runs", {}, headers={"Gatehouse-Actor": "bob"})
    assert (run.status, run.code) == (403, "policy_denied")
    assert house.world.reached() == []
    assert (await ann.run("toy.order.create", ORDER, key="k", headers={"Gatehouse-Actor": "ann"})).status == 200
    own = await ann.ask("POST", "/v1/runs", {})
    assert own.body["actor"] == "ann"


async def test_an_approved_call_keeps_its_actor_after_a_restart_and_after_its_token_is_over(
    house: House, agent: Caller
) -> None:
    await house.register(**ACTOR)
    call = await parked(house, agent)
    approval = await house.world.approval(call)
    assert (approval.shown["actor"], approval.shown["actor_proved"]) == ("ann", True)
    await house.world.restart()
    house.world.clock.forward(hours=2)
    await house.issuer.stop()  # nobody is asked for a call that was let in before
    await house.world.decide(call)
    await house.issuer.start()
    later = house.issuer.claims()["iat"] + 7200
    found = await ended(house.showing(agent, sub="ann", iat=later, exp=later + 300), call)
    assert found["status"] == "succeeded", found
    assert house.world.applied() == ["POST /orders"]


@pytest.mark.parametrize("change", ["deleted", "proves nobody", "proves by another claim", "disabled", "means another"])
async def test_an_approved_call_is_not_run_for_one_who_would_not_be_let_in_any_more(
    house: House, agent: Caller, change: str
) -> None:
    id = await house.register(**ACTOR)
    call = await parked(house, agent)
    await house.world.agent("other")
    if change == "deleted":
        await house.delete(id)
    elif change == "proves nobody":
        await house.change(id, actor_claim=None)
    elif change == "proves by another claim":
        await house.change(id, actor_claim="email")
    elif change == "disabled":
        await house.world.update("agents", agent.id, disabled_at="2026-01-01T00:00:00.000Z")
    else:
        await house.change(id, agents={"bot": "other"})
    await house.world.decide(call)
    status = "running"
    while status not in TERMINAL:
        (row,) = await house.world.rows("SELECT status FROM calls WHERE id=:id", id=call)
        status = row[0]
        await asyncio.sleep(0.01)
    types = dict(await house.world.events(call=call))
    assert types["call_finished"]["code"] == "unauthenticated"
    assert house.world.reached() == []


async def test_an_approval_is_bound_to_what_was_proved(house: House, agent: Caller) -> None:
    gateway = house.world.gateway
    main = await house.world.connection("toy/main")
    await house.world.grant(agent, main)
    id = await house.register(scope_claim="scope", **ACTOR)
    said = Options(key="k", connection="toy/main", actor="ann")

    async def digest(principal: Any) -> str:
        trace = gateway.telemetry.trace(None)
        asked = Asked(principal, "toy.order.create", b'{"item":"a"}', said, "", trace, preview=True)
        return approval_digest(await gateway.pipeline.preview(asked), "2030-01-01T00:00:00.000Z")

    proved = Proved(id, "bot", "ann", "sub", ("toy:*:*",))
    by_key = await digest(await gateway.directory.principal(agent.key_id))
    by_token = await digest(await gateway.directory.federated(proved))
    narrower = await digest(await gateway.directory.federated(replace(proved, scopes=("toy:order:write",))))
    assert by_token == await digest(await gateway.directory.federated(proved))
    assert len({by_key, by_token, narrower}) == 3


async def test_a_queued_call_and_one_that_a_crash_left_are_settled_as_the_same_caller(
    house: House, agent: Caller
) -> None:
    world = house.world
    await house.register(**ACTOR)
    ann = house.showing(agent, sub="ann")
    queued = await ann.run("toy.order.create", ORDER, key="k0", headers={"Prefer": "respond-async"})
    assert queued.status == 202
    assert (await ended(ann, queued.call))["status"] == "succeeded"
    stop = world.valve.stop("POST", "/orders", "after")
    task = asyncio.create_task(ann.run("toy.order.create", {"item": "b"}, key="k1"))
    await stop.arrived.wait()
    await world.crash()
    with pytest.raises(aiohttp.ClientError):
        await task
    await world.start()
    replayed = await ann.run("toy.order.create", {"item": "b"}, key="k1")
    while replayed.code == "idempotency_in_progress":
        await asyncio.sleep(0.02)
        replayed = await ann.run("toy.order.create", {"item": "b"}, key="k1")
    assert (replayed.status, replayed.body["replayed"], replayed.body["connection"]) == (200, True, "toy/ann")
    assert world.applied() == ["POST /orders"] * 2
    assert (await world.verify()).intact


@pytest.mark.parametrize("sub", [None, "", 7, ["ann"], "a\nb", "x" * 257])
async def test_a_token_that_should_prove_an_actor_and_does_not_is_refused(
    house: House, agent: Caller, sub: Any
) -> None:
    await house.register(**ACTOR)
    reply = await house.showing(agent, sub=sub).run("toy.order.create", ORDER, key="k")
    assert (reply.status, reply.code) == (401, "unauthenticated")
    assert house.world.reached() == []
