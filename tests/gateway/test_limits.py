"""Limits: GCRA over several policies at once, their headers, and what uses none of them."""

import asyncio
import math
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits import Bill, Charge, Policy
from gateway.state.memory import MemoryLimiter
from tests.gateway.caller import Reply
from tests.gateway.world import World

READ = {"box": "red", "id": 1}
POLICIES = [Policy("a", 5, 10), Policy("b", 3, 60), Policy("c", 50, 1)]
CHARGES = st.lists(
    st.builds(Charge, st.sampled_from(POLICIES), st.sampled_from(["x", "y"]), st.integers(1, 3)),
    min_size=1,
    max_size=3,
    unique_by=lambda charge: (charge.policy.name, charge.key),
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def standings(limiter: MemoryLimiter) -> dict[tuple[str, str], float]:
    return {(p.name, key): limiter._arrivals.get((p.name, key), 0.0) for p in POLICIES for key in "xy"}


@given(st.lists(st.tuples(CHARGES, st.floats(0, 20)), max_size=40))
def test_several_policies_give_all_or_nothing(steps: list[tuple[list[Charge], float]]) -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock)
    for charges, wait in steps:
        clock.now += wait
        before = standings(limiter)
        refusal = limiter.settle(charges)
        after = standings(limiter)
        if refusal is not None:
            assert after == before
            assert refusal.seconds > 0
        else:
            assert all(after[c.policy.name, c.key] > max(before[c.policy.name, c.key], clock.now) for c in charges)
        for charge in charges:
            left = limiter.standing("", charge.policy, charge.key)
            assert 0 <= left.remaining <= charge.policy.quota
            assert 0 <= left.resets <= charge.policy.window


@given(st.lists(st.floats(0, 5), min_size=1, max_size=100), st.integers(1, 20), st.integers(1, 60))
def test_a_window_never_lets_more_through_than_its_burst_and_refill(gaps: list[float], quota: int, window: int) -> None:
    clock = Clock()
    limiter, policy = MemoryLimiter(clock), Policy("p", quota, window)
    taken: list[float] = []
    for gap in gaps:
        clock.now += gap
        if limiter.settle([Charge(policy, "k")]) is None:
            taken.append(clock.now)
    for start in taken:
        inside = [at for at in taken if start <= at < start + window]
        assert len(inside) <= 2 * quota


@given(CHARGES)
def test_who_waits_as_long_as_told_is_let_through(charges: list[Charge]) -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock)
    while (refusal := limiter.settle(charges)) is None:
        pass
    clock.now += refusal.seconds + 1e-6
    assert limiter.settle(charges) is None


def test_what_is_given_back_can_be_taken_again() -> None:
    limiter, policy = MemoryLimiter(Clock()), Policy("p", 2, 60)
    charges = [Charge(policy, "k", 2)]
    for _ in range(5):
        assert limiter.settle(charges) is None
        assert limiter.settle(charges) is not None
        limiter.give_back(Bill("", charges))
    assert limiter.standing("", policy, "k").remaining == 2


def test_more_than_a_limit_ever_gives_is_refused_without_end() -> None:
    refusal = MemoryLimiter(Clock()).settle([Charge(Policy("p", 2, 60), "k", 3)])
    assert refusal is not None
    assert math.isinf(refusal.seconds)


def test_limits_that_are_whole_again_are_forgotten() -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock, most=100)
    for n in range(1000):
        clock.now += 1
        limiter.settle([Charge(Policy("p", 10, 10), str(n))])
    assert len(limiter._arrivals) <= 101


def left(reply: Reply) -> dict[str, int]:
    return {
        name.strip('"'): int(rest.split("r=")[1].split(";")[0])
        for name, _, rest in (part.strip().partition(";") for part in reply.headers["RateLimit"].split(","))
    }


async def test_headers_are_structured_fields_of_the_draft(world: World) -> None:
    agent = await world.caller(limits={"requests_per_minute": 5, "writes_per_minute": 2})
    reply = await agent.run("toy.order.create", {"item": "a"}, key="k")
    assert reply.headers["RateLimit-Policy"] == '"agent";q=5;w=60, "writes";q=2;w=60'
    assert reply.headers["RateLimit"] == '"agent";r=4;t=12, "writes";r=1;t=30'
    world.clock.forward(seconds=12)
    assert left(await agent.get("/v1/actions")) == {"agent": 5, "writes": 1}


@pytest.mark.parametrize("path", ["/v1/actions", "/v1/calls/call_0", "/v1/files/file_0", "/v1/runs/run_0"])
async def test_every_authenticated_answer_tells_what_is_left(world: World, path: str) -> None:
    agent = await world.caller()
    reply = await agent.get(path)
    assert left(reply) == {"agent": 3000, "writes": 1200}
    file = (await agent.ask("POST", "/v1/files", raw=b"x", headers={"Content-Type": "text/plain"})).body["id"]
    assert left(await agent.get(f"/v1/files/{file}"))["agent"] == 3000


async def test_over_a_limit_a_call_is_refused_untouched_and_told_when_to_come_back(world: World) -> None:
    agent = await world.caller(limits={"requests_per_minute": 2})
    for status in (200, 200, 429):
        reply = await agent.run("toy.note.get", READ)
        assert reply.status == status
    assert (reply.code, reply.body["retryable"]) == ("rate_limited", True)
    assert 29_000 < reply.body["retry_after_ms"] <= 30_001
    assert reply.headers["Retry-After"] in {"30", "31"}
    assert len(world.reached()) == 2
    world.clock.forward(seconds=31)
    assert (await agent.run("toy.note.get", READ)).status == 200


async def test_writes_have_a_limit_of_their_own(world: World) -> None:
    agent = await world.caller(limits={"writes_per_minute": 1})
    assert (await agent.run("toy.order.create", {"item": "a"}, key="k1")).status == 200
    assert (await agent.run("toy.order.create", {"item": "b"}, key="k2")).code == "rate_limited"
    assert (await agent.run("toy.note.get", READ)).status == 200
    assert await world.rows("SELECT 1 FROM claims WHERE key='k2'") == []


async def test_an_action_can_have_a_limit_of_its_own(world: World) -> None:
    agent = await world.caller(limits={"action:toy.note.get": 1})
    assert (await agent.run("toy.note.get", READ)).status == 200
    assert (await agent.run("toy.note.get", READ)).code == "rate_limited"
    assert (await agent.run("toy.note.list", {"box": "red"})).status == 200


async def test_connection_and_tenant_limits_are_shared_by_agents(
    make_world: Callable[..., Awaitable[World]],
) -> None:
    world = await make_world(connection_per_minute=2, tenant_per_minute=3)
    link = await world.connection("toy/main")
    agents = [await world.agent(name) for name in ("one", "two")]
    for agent in agents:
        await world.grant(agent, link)
    assert [(await agent.run("toy.note.get", READ)).status for agent in (*agents, *agents)] == [200, 200, 429, 429]
    third = await world.caller("three")
    assert [(await third.run("toy.note.get", READ)).status for _ in range(2)] == [200, 429]
    assert (await (await world.caller("four", tenant="rival")).run("toy.note.get", READ)).status == 200


async def test_refused_replayed_shadowed_and_parked_calls_use_nothing(world: World) -> None:
    limits = {"requests_per_minute": 3, "writes_per_minute": 3}
    bot = await world.caller(limits=limits)
    first = await bot.run("toy.order.create", {"item": "a"}, key="k1")
    whole = left(first)
    asker = await world.caller("asker", autonomy="approve", limits=limits)
    shadow = await world.caller("shadow", autonomy="shadow", limits=limits)
    for reply in (
        await bot.run("toy.order.create", {"item": "a"}, key="k1"),
        await bot.run("toy.order.create", {"item": "b"}, key="k1"),
        await bot.run("toy.order.create", {"itme": "a"}, key="k2"),
        await bot.run("toy.nothing", {}),
        await bot.look(first.call),
    ):
        assert left(reply) == whole, reply.body
    for agent in (asker, shadow):
        reply = await agent.run("toy.order.create", {"item": "a"}, key="k1")
        assert left(reply) == {"agent": 3, "writes": 3}


async def test_a_queued_call_is_charged_once_when_it_runs(world: World) -> None:
    agent = await world.caller(limits={"writes_per_minute": 2})
    queued = await agent.run("toy.order.create", {"item": "a"}, key="k1", headers={"Prefer": "respond-async"})
    assert (await agent.look(queued.call, wait=10)).body["status"] == "succeeded"
    assert left(await agent.get("/v1/actions"))["writes"] == 1
    assert (await agent.run("toy.order.create", {"item": "b"}, key="k2")).status == 200


async def test_an_approved_call_is_charged_once_when_it_runs_and_waits_for_its_limit(world: World) -> None:
    agent = await world.caller(autonomy="approve", limits={"writes_per_minute": 1})
    calls = [(await agent.run("toy.order.create", {"item": key}, key=key)).call for key in ("k1", "k2")]
    for call in calls:
        await world.decide(call)
    for call in calls:
        assert (await agent.look(call, wait=10)).body["status"] == "succeeded"
    assert sum(world.clock.slept) >= 59


async def test_a_lost_insert_gives_its_charge_back(world: World) -> None:
    bot = await world.caller(limits={"writes_per_minute": 12})  # a unit comes back every five seconds, not sooner
    await asyncio.gather(*(bot.run("toy.order.create", {"item": "a"}, key="k1") for _ in range(10)))
    assert left(await bot.get("/v1/actions"))["writes"] == 11


async def test_the_intake_limit_stands_before_everything(make_world: Callable[..., Awaitable[World]]) -> None:
    world = await make_world(intake_per_second=5)
    agent = await world.agent()
    replies = [await agent.ask("GET", "/v1/actions", bearer="nonsense") for _ in range(7)]
    assert [reply.status for reply in replies] == [401] * 5 + [429] * 2
    refused = replies[-1]
    assert (refused.code, refused.headers["Retry-After"]) == ("rate_limited", "1")
    assert refused.headers["Gatehouse-Trace"]
    assert (await agent.ask("GET", "/healthz", bearer=None)).status == 429
    world.clock.forward(seconds=1)
    assert (await agent.get("/v1/actions")).status == 200
    assert await world.rows("SELECT 1 FROM calls UNION SELECT 1 FROM events") == []
    metrics = world.gateway.telemetry.metrics.text()
    assert b"gatehouse_unauthenticated_requests_total 5.0" in metrics
    assert b"gatehouse_intake_refusals_total 3.0" in metrics


async def test_over_the_bound_of_concurrent_calls_the_gateway_says_overloaded(
    make_world: Callable[..., Awaitable[World]],
) -> None:
    world = await make_world(concurrency=2)
    agent = await world.caller()
    stop = world.valve.stop("GET", "/boxes")
    tasks = [asyncio.create_task(agent.run("toy.note.get", READ)) for _ in range(2)]
    await stop.arrived.wait()
    while world.gateway.telemetry.metrics.in_flight._value.get() < 2:
        await asyncio.sleep(0)
    over = await agent.run("toy.note.get", READ)
    assert (over.status, over.code, over.body["retryable"]) == (503, "overloaded", True)
    stop.release()
    assert [(await task).status for task in tasks] == [200, 200]
    assert (await agent.run("toy.note.get", READ)).status == 200
