"""Shadow, approve, auto, and the rollout between them."""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import pytest

from connectors.sdk.errors import ApprovalAlreadyDecided, ApprovalExpired
from scopes.grant import Autonomy, Grant, rollout_autonomy
from tests.gateway.caller import Caller, Reply
from tests.gateway.world import Link, World

ORDER = {"item": "a"}


async def park(world: World, **terms: Any) -> tuple[Caller, Reply, str]:
    """Return an agent, its parked order, and the grant."""
    agent = await world.agent()
    link = await world.connection("toy/main")
    grant = await world.grant(agent, link, autonomy="approve", **terms)
    parked = await agent.run("toy.order.create", ORDER, key="k1")
    assert (parked.status, parked.body["status"]) == (202, "pending_approval"), parked.body
    assert parked.headers["Location"] == f"/v1/calls/{parked.call}"
    return agent, parked, grant


async def end(agent: Caller, call: str) -> Any:
    return (await agent.look(call, wait=10)).body


async def test_shadow_renders_and_records_and_sends_nothing(world: World) -> None:
    agent = await world.caller(autonomy="shadow")
    reply = await agent.run("toy.order.create", ORDER, key="k1")
    assert (reply.status, reply.body["status"]) == (200, "shadowed")
    assert reply.body["output"] is None
    assert reply.body["attempts"] == 0
    assert reply.body["shadow"]["requests"][0]["url"] == f"{world.toy.url}/orders"
    assert world.reached() == []
    assert world.gateway.tokens._entries == {}
    assert (await agent.look(reply.call)).body == reply.body
    types = [type for type, _ in await world.events(call=reply.call)]
    assert types == ["call_requested", "decision", "call_finished"]


async def test_shadow_holds_for_reads_too(world: World) -> None:
    agent = await world.caller(autonomy="shadow")
    assert (await agent.run("toy.note.get", {"box": "red", "id": 1})).body["status"] == "shadowed"
    assert world.reached() == []


async def test_the_strictest_grant_wins(world: World) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main")
    for autonomy, status in (("auto", "succeeded"), ("approve", "pending_approval"), ("shadow", "shadowed")):
        await world.grant(agent, link, autonomy=autonomy)
        assert (await agent.run("toy.order.create", ORDER, key=autonomy)).body["status"] == status


async def test_reads_need_no_approval(world: World) -> None:
    agent = await world.caller(autonomy="approve")
    assert (await agent.run("toy.note.get", {"box": "red", "id": 1})).body["status"] == "succeeded"


async def test_a_parked_call_is_durable_shows_what_would_be_sent_and_uses_nothing(world: World) -> None:
    agent, parked, _ = await park(world)
    assert world.reached() == []
    assert world.gateway.tokens._entries == {}
    assert parked.headers["RateLimit"] == '"agent";r=3000;t=0, "writes";r=1200;t=0'
    approval = await world.approval(parked.call)
    assert approval.status == "pending"
    assert approval.shown["input"] == ORDER
    assert approval.shown["requests"][0]["url"] == f"{world.toy.url}/orders"
    assert approval.shown["agent"] == {"id": agent.id, "name": "bot"}
    assert approval.shown["decision"]["effect"] == "ask"
    assert parked.body["approval"]["id"] == approval.id
    await world.restart()
    assert (await agent.look(parked.call)).body["status"] == "pending_approval"
    again = await agent.run("toy.order.create", ORDER, key="k1")
    assert (again.status, again.call) == (202, parked.call)


async def test_what_was_approved_is_what_runs(world: World) -> None:
    agent, parked, _ = await park(world)
    shown = (await world.approval(parked.call)).shown["requests"][0]
    await world.decide(parked.call, comment="Fine")
    ended = await end(agent, parked.call)
    assert ended["status"] == "succeeded"
    assert world.toy.received[0].body_sha256 == shown["body_sha256"]
    assert world.toy.received[0].headers["toy-idempotency"] == shown["headers"]["toy-idempotency"]
    decided = [data for type, data in await world.events(call=parked.call) if type == "approval"]
    assert [data["status"] for data in decided] == ["pending", "approved"]
    assert decided[1]["by"] == "tok_person"
    assert (await world.verify()).intact


async def test_a_refused_call_ends_as_denied_and_sends_nothing(world: World) -> None:
    agent, parked, _ = await park(world)
    await world.decide(parked.call, approve=False, comment="Not this vendor")
    ended = await end(agent, parked.call)
    assert (ended["status"], ended["error"]["code"]) == ("denied", "approval_denied")
    assert "Not this vendor" in ended["error"]["detail"]
    assert world.reached() == []
    assert await world.rows("SELECT 1 FROM intents") == []


async def test_a_decision_is_made_once(world: World) -> None:
    agent, parked, _ = await park(world)
    await world.decide(parked.call)
    for approve in (True, False):
        with pytest.raises(ApprovalAlreadyDecided):
            await world.decide(parked.call, approve=approve)
    await end(agent, parked.call)
    assert world.applied() == ["POST /orders"]


async def test_two_deciders_at_once_make_one_decision(world: World) -> None:
    agent, parked, _ = await park(world)
    approval = await world.approval(parked.call)
    decisions = await asyncio.gather(
        *(
            world.gateway.approvals.decide(approval, approve=n % 2 == 0, by=f"p{n}", comment=None, address="")
            for n in range(8)
        ),
        return_exceptions=True,
    )
    assert sum(not isinstance(decision, BaseException) for decision in decisions) == 1
    del agent


async def test_an_approved_call_runs_after_a_restart(world: World) -> None:
    agent, parked, _ = await park(world)
    approval = await world.approval(parked.call)
    await world.gateway.approvals.decide(approval, approve=True, by="p", comment=None, address="")
    await world.restart()
    assert (await end(agent, parked.call))["status"] == "succeeded"
    assert world.applied() == ["POST /orders"]


async def test_a_refusal_is_carried_out_after_a_restart(world: World) -> None:
    agent, parked, _ = await park(world)
    approval = await world.approval(parked.call)
    await world.gateway.approvals.decide(approval, approve=False, by="p", comment=None, address="")
    await world.restart()
    assert (await end(agent, parked.call))["status"] == "denied"
    assert world.reached() == []


async def test_a_crash_while_an_approved_call_is_sent_sends_it_once(world: World) -> None:
    agent, parked, _ = await park(world)
    stop = world.valve.stop("POST", "/orders", "after")
    await world.decide(parked.call)
    await stop.arrived.wait()
    await world.crash()
    await world.start()
    assert (await end(agent, parked.call))["status"] == "succeeded"
    assert world.applied() == ["POST /orders"]


async def test_a_question_that_nobody_decides_expires(make_world: Callable[..., Awaitable[World]]) -> None:
    world = await make_world(approval_hours=2)
    agent, parked, _ = await park(world)
    world.clock.forward(hours=2, seconds=1)
    with pytest.raises(ApprovalExpired):
        await world.decide(parked.call)
    await world.gateway.sweeper.expire_approvals()
    ended = await end(agent, parked.call)
    assert (ended["status"], ended["error"]["code"]) == ("expired", "approval_expired")
    again = await agent.run("toy.order.create", ORDER, key="k1")
    assert (again.status, again.body["replayed"]) == (410, True)
    assert world.reached() == []
    assert (await world.verify()).intact


async def test_one_question_that_cannot_be_opened_keeps_no_other_from_expiring(world: World) -> None:
    agent = await world.caller(autonomy="approve")
    calls = [(await agent.run("toy.order.create", ORDER, key=key)).call for key in ("k1", "k2")]
    await world.update("calls", calls[0], request=b"\x01\x00\x01broken")
    world.clock.forward(hours=25)
    await world.gateway.sweeper.expire_approvals()
    assert (await end(agent, calls[1]))["status"] == "expired"
    assert await world.gateway.approvals.lapsed(world.clock.now()) == []


async def test_an_approval_that_lapsed_before_its_call_could_run_expires(world: World) -> None:
    agent, parked, _ = await park(world)
    approval = await world.approval(parked.call)
    await world.gateway.approvals.decide(approval, approve=True, by="p", comment=None, address="")
    world.clock.forward(hours=25)
    world.gateway.queue.submit(parked.call)
    assert (await end(agent, parked.call))["error"]["code"] == "approval_expired"
    assert world.reached() == []


CHANGES: dict[str, Callable[[World, Caller, str], Awaitable[None]]] = {}


def change(what: Callable[[World, Caller, str], Awaitable[None]]) -> None:
    CHANGES[what.__name__] = what


@change
async def a_changed_grant(world: World, agent: Caller, grant: str) -> None:
    await world.update("grants", grant, constraints='{"denied_fields": ["other"]}')


@change
async def a_further_grant(world: World, agent: Caller, grant: str) -> None:
    link = (await world.rows("SELECT id FROM connections"))[0][0]
    await world.grant(agent, Link(link, "toy/main", "toy", "acme", "prod"), autonomy="approve")


@change
async def another_account(world: World, agent: Caller, grant: str) -> None:
    link = (await world.rows("SELECT id FROM connections"))[0][0]
    await world.update("connections", link, account="other")


@change
async def another_address(world: World, agent: Caller, grant: str) -> None:
    link = (await world.rows("SELECT id FROM connections"))[0][0]
    await world.update("connections", link, base_url=world.toy.url + "/v2")


@change
async def another_version_of_the_connector(world: World, agent: Caller, grant: str) -> None:
    world.registry.connectors["toy"].version = "2"


@pytest.mark.parametrize("what", sorted(CHANGES))
async def test_any_difference_from_what_was_approved_ends_the_call(world: World, what: str) -> None:
    agent, parked, grant = await park(world)
    await CHANGES[what](world, agent, grant)
    await world.decide(parked.call)
    ended = await end(agent, parked.call)
    assert (ended["status"], ended["error"]["code"]) == ("expired", "approval_expired")
    assert (await agent.look(parked.call)).status == 200
    assert world.reached() == []


async def test_a_revoked_grant_or_key_ends_the_approved_call(world: World) -> None:
    _, parked, grant = await park(world)
    await world.revoke(grant)
    await world.decide(parked.call)
    while (status := (await world.rows("SELECT status, code FROM calls"))[0])[0] in {"queued", "running"}:
        await asyncio.sleep(0)
    assert tuple(status) == ("denied", "scope_denied") or status[1] in {"connection_required", "approval_expired"}
    assert world.reached() == []
    other = await world.caller("other", autonomy="approve")
    waiting = await other.run("toy.order.create", ORDER, key="k1")
    await world.update("agent_keys", other.key_id, revoked_at="2026-01-01T00:00:00.000Z")
    await world.decide(waiting.call)
    for _ in range(200):
        row = (await world.rows("SELECT status, code FROM calls WHERE id=:id", id=waiting.call))[0]
        if row[0] != "queued":
            break
        await asyncio.sleep(0.01)
    assert tuple(row) == ("failed", "unauthenticated")
    assert world.reached() == []


async def test_a_freeze_holds_for_an_approved_call(world: World) -> None:
    agent, parked, _ = await park(world)
    freeze = await world.freeze("connector", "toy")
    await world.decide(parked.call)
    for _ in range(200):
        if (await world.rows("SELECT status FROM calls"))[0][0] != "queued":
            break
        await asyncio.sleep(0.01)
    assert world.reached() == []
    await world.lift(freeze)
    assert (await end(agent, parked.call))["error"]["code"] == "frozen"


async def test_a_parked_call_can_be_cancelled_and_then_not_be_approved(world: World) -> None:
    agent, parked, _ = await park(world)
    cancelled = await agent.ask("POST", f"/v1/calls/{parked.call}/cancel")
    assert cancelled.body["status"] == "cancelled"
    assert (await world.approval(parked.call)).status == "cancelled"
    with pytest.raises(ApprovalAlreadyDecided):
        await world.decide(parked.call)
    assert world.reached() == []


def test_a_rollout_sends_its_share_of_runs_to_auto_and_always_the_same_ones() -> None:
    runs = [f"run_{n}" for n in range(2000)]
    for share in (0, 1, 25, 99, 100):
        grant = Grant("g", 1, "a", "c", frozenset(), rollout=share)
        alone = {run for run in runs if rollout_autonomy(grant, run) is Autonomy.AUTO}
        assert alone == {run for run in runs if int(sha256(run.encode()).hexdigest()[:16], 16) % 100 < share}
        assert abs(len(alone) / 20 - share) < 4


@pytest.mark.parametrize(("rollout", "status"), [(0, "pending_approval"), (100, "succeeded")])
async def test_a_rollout_decides_between_asking_and_running(world: World, rollout: int, status: str) -> None:
    agent = await world.caller(autonomy="approve", rollout=rollout)
    assert (await agent.run("toy.order.create", ORDER, key="k1")).body["status"] == status


async def test_all_calls_of_a_run_fall_on_the_same_side_of_a_rollout(world: World) -> None:
    agent = await world.caller(autonomy="approve", rollout=50)
    sides = set()
    for _ in range(8):
        run = await agent.open_run()
        replies = [await agent.run("toy.order.create", ORDER, key=f"{run}{n}", run=run) for n in range(3)]
        assert len({reply.status for reply in replies}) == 1
        sides.add(replies[0].status)
    assert sides == {200, 202}


async def test_a_rollout_never_loosens_shadow(world: World) -> None:
    agent = await world.caller(autonomy="shadow", rollout=100)
    assert (await agent.run("toy.order.create", ORDER, key="k1")).body["status"] == "shadowed"
