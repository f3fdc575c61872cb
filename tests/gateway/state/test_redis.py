"""Limits through a real Redis: all or nothing, shared, leased, given back, by Redis's clock.

That clock cannot be moved, so some of these tests wait.
"""

import asyncio
import math
import time
from dataclasses import replace

import orjson
import pytest

from connectors.sdk import Quota
from connectors.sdk.errors import UpstreamQuota
from gateway.limits import Bill, Charge, Policy, Reach, Refusal
from gateway.state.address import parse_redis_url
from tests.gateway.state.replica import AGENT, Replica, bill, running, until
from tests.gateway.state.servers import Server

EPOCH = 1_750_000_000  # from which the script counts
SMALL = Policy("agent", 10, 60)
READ = Reach("conn_1", "core", writes=False)
WRITE = Reach("conn_1", "core", writes=True)


async def test_two_replicas_share_one_limit(server: Server) -> None:
    async with running(server.url, server.url) as (one, two):
        answers = [await replica.limiter.take(bill(SMALL)) for _ in range(8) for replica in (one, two)]

        assert answers[:10] == [None] * 10
        refused = answers[10]
        assert isinstance(refused, Refusal)
        assert refused.policy == SMALL
        assert 5.5 < refused.seconds <= 6


async def test_a_bill_is_taken_whole_or_not_at_all(server: Server) -> None:
    wide, narrow = Policy("tenant", 100, 60), Policy("writes", 1, 60)
    both = Bill("acme", [Charge(wide, "acme/prod"), Charge(narrow, "agt_1")])
    async with running(server.url) as (one,):
        assert await one.limiter.take(both) is None
        before = one.limiter.standing("acme", wide, "acme/prod")

        refused = await one.limiter.take(both)

        assert isinstance(refused, Refusal)
        assert refused.policy == narrow
        assert one.limiter.standing("acme", wide, "acme/prod").remaining == before.remaining == 99
        assert float(str(server.ask("PTTL", "test:{acme}:limit:tenant:acme/prod"))) <= 3000


async def test_what_is_given_back_can_be_taken_by_another_replica(server: Server) -> None:
    async with running(server.url, server.url) as (one, two):
        taken = bill(SMALL, cost=10)
        assert await one.limiter.take(taken) is None
        assert await two.limiter.take(bill(SMALL, cost=5)) is not None

        one.limiter.give_back(taken)
        await one.limiter.close()

        await asyncio.sleep(0.26)  # a refusal is remembered for a quarter of a second
        assert await two.limiter.take(bill(SMALL, cost=10)) is None


async def test_more_than_a_limit_ever_gives_is_refused_without_asking(server: Server) -> None:
    async with running(server.url) as (one,):
        refused = await one.limiter.take(bill(SMALL, cost=11))

        assert isinstance(refused, Refusal)
        assert math.isinf(refused.seconds)
        assert server.calls("evalsha") == 0


async def test_under_steady_load_at_most_one_call_in_ten_asks_redis(server: Server) -> None:
    charges = [
        Charge(Policy("agent", 6000, 60), "agt_1"),
        Charge(Policy("connection", 12_000, 60), "conn_1"),
        Charge(Policy("tenant", 60_000, 60), "acme/prod"),
    ]
    async with running(server.url) as (one,):
        for _ in range(40):  # the first calls teach it the rate
            assert await one.limiter.take(Bill("acme", charges, READ)) is None
            await asyncio.sleep(0.01)
        before = server.calls("evalsha") + server.calls("eval")
        calls = 200

        for _ in range(calls):
            assert await one.limiter.take(Bill("acme", charges, READ)) is None
            one.quota.learn("acme", "conn_1", [Quota("core", 5000, 4000, time.time() + 3000)])
            await asyncio.sleep(0.01)

        asked = server.calls("evalsha") + server.calls("eval") - before
        assert asked <= calls / 10, asked
        assert one.leased >= calls * 0.9


async def test_calls_that_come_together_share_a_round_trip(server: Server) -> None:
    async with running(server.url) as (one,):
        answers = await asyncio.gather(*(one.limiter.take(bill(key=f"agt_{n}")) for n in range(200)))

        assert answers == [None] * 200
        assert server.calls("evalsha") + server.calls("eval") <= 4


async def test_a_lease_that_is_over_is_given_back(server: Server) -> None:
    async with running(server.url) as (one,):
        for _ in range(30):
            assert await one.limiter.take(bill()) is None
            await asyncio.sleep(0.005)
        leased = one.limiter.standing("acme", AGENT, "agt_1")

        await asyncio.sleep(1.5)

        kept = orjson.loads(str(server.ask("GET", "test:{acme}:limit:agent:agt_1"), "ascii"))
        assert kept[1] == {}, "nothing is out"
        assert kept[0] <= time.time() - EPOCH, "the limit is whole again: 30 units refill in 0.3 s"
        assert leased.remaining >= 6000 - 31


async def test_a_replica_that_stops_gives_back_at_once(server: Server) -> None:
    slow = Policy("records", 10_000, 3600)
    one = Replica(server.url)
    await one.start()
    for _ in range(100):
        assert await one.limiter.take(bill(slow)) is None
        await asyncio.sleep(0.001)

    await one.stop()

    async with running(server.url) as (two,):
        assert await two.limiter.take(bill(slow)) is None
        assert 9890 <= two.limiter.standing("acme", slow, "agt_1").remaining <= 9900


async def test_a_call_that_is_cancelled_while_redis_is_asked_takes_nothing(server: Server) -> None:
    async with running(server.url) as (one,):
        asked = asyncio.create_task(one.limiter.take(bill(SMALL, cost=7)))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await until(lambda: server.ask("GET", "test:{acme}:limit:agent:agt_1") is not None)
        await one.limiter.close()

        assert await one.limiter.take(bill(SMALL, cost=10)) is None


async def test_time_is_that_of_redis(server: Server) -> None:
    async with running(server.url, server.url) as (one, two):
        behind = time.time() - 3600
        two.quota._now = lambda: behind
        assert await one.limiter.take(bill(SMALL, cost=10)) is None
        refused = await two.limiter.take(bill(SMALL))
        assert isinstance(refused, Refusal)
        assert 5 < refused.seconds <= 6


async def test_a_clock_of_redis_that_went_back_locks_for_one_window_at_most(server: Server) -> None:
    server.ask("SET", "test:{acme}:limit:agent:agt_1", f"[{time.time() - EPOCH + 86_400}, []]")
    async with running(server.url) as (one,):
        refused = await one.limiter.take(bill(SMALL))
        assert isinstance(refused, Refusal)
        assert refused.seconds <= 6.01


async def test_a_redis_that_forgot_the_script_gets_it_again(server: Server) -> None:
    async with running(server.url) as (one,):
        assert await one.limiter.take(bill(SMALL)) is None
        server.ask("SCRIPT", "FLUSH")
        assert await one.limiter.take(bill(SMALL, key="agt_2")) is None
        assert one.turns == [True]


async def test_keys_hold_the_tenant_as_hash_tag_and_go_away(server: Server) -> None:
    async with running(server.url) as (one,):
        assert await one.limiter.take(bill(SMALL, reach=READ)) is None
        one.quota.learn("acme", "conn_1", [Quota("core", 100, 50, time.time() + 60)])
        assert await one.limiter.take(bill(SMALL, key="agt_2", reach=READ)) is None

        keys = server.ask("KEYS", "*")
        assert isinstance(keys, list)
        assert keys
        assert all(key.startswith(b"test:{acme}:") for key in keys)
        assert all(int(str(server.ask("PTTL", key))) > 0 for key in keys)


async def test_what_one_replica_learned_of_a_vendor_holds_for_all(server: Server) -> None:
    async with running(server.url, server.url) as (one, two):
        one.quota.learn("acme", "conn_1", [Quota("core", 100, 0, time.time() + 30)])
        assert await one.limiter.take(bill(SMALL)) is None  # tells it on the way

        with pytest.raises(UpstreamQuota) as refused:
            await two.limiter.take(bill(SMALL, reach=READ))

        assert 28_000 < (refused.value.retry_after_ms or 0) <= 30_001
        assert "budget of 100 is used up" in refused.value.detail
        assert two.limiter.standing("acme", SMALL, "agt_1").remaining == 9


async def test_reads_keep_a_reserve_for_writes_over_all_replicas(server: Server) -> None:
    async with running(server.url, server.url) as (one, two):
        one.quota.learn("acme", "conn_1", [Quota("core", 100, 8, time.time() + 30)])
        assert await one.limiter.take(bill()) is None
        reads = writes = 0
        details: list[str] = []

        for replica in (one, two, one, two, one):
            try:
                reads += await replica.limiter.take(bill(reach=READ)) is None
            except UpstreamQuota as refused:
                details.append(refused.detail)
        for replica in (one, two, one, two, one, two):
            try:
                writes += await replica.limiter.take(bill(reach=WRITE)) is None
            except UpstreamQuota:
                pass

        assert (reads, writes) == (3, 5)
        assert all("5 are kept for writes" in detail for detail in details)


async def test_a_pause_that_a_vendor_asked_for_holds_for_all(server: Server) -> None:
    async with running(server.url, server.url) as (one, two):
        assert await two.limiter.take(bill(reach=READ)) is None

        one.quota.refused("acme", "conn_1", 20.0, "secondary limit")
        await until(lambda: server.ask("HGET", "test:{acme}:vendor:conn_1", "pause") is not None)

        await asyncio.sleep(1.05)  # what the other may still send without asking is a second's
        with pytest.raises(UpstreamQuota, match="secondary limit"):
            await two.limiter.take(bill(reach=READ))
        with pytest.raises(UpstreamQuota, match="secondary limit"):
            await one.limiter.take(bill(reach=WRITE))
        assert await two.limiter.take(bill(reach=replace(READ, connection="conn_2"))) is None


async def test_an_answer_that_comes_late_does_not_make_a_budget_larger(server: Server) -> None:
    resets = time.time() + 30
    async with running(server.url, server.url) as (one, two):
        one.quota.learn("acme", "conn_1", [Quota("core", 100, 0, resets)])
        assert await one.limiter.take(bill()) is None
        two.quota.learn("acme", "conn_1", [Quota("core", 100, 50, resets)])

        with pytest.raises(UpstreamQuota):
            await two.limiter.take(bill(reach=WRITE))


async def test_a_new_window_of_the_vendor_is_a_new_budget(server: Server) -> None:
    async with running(server.url) as (one,):
        one.quota.learn("acme", "conn_1", [Quota("core", 100, 0, time.time() + 0.3)])
        with pytest.raises(UpstreamQuota):
            await one.limiter.take(bill(reach=WRITE))

        await asyncio.sleep(0.35)

        assert await one.limiter.take(bill(reach=READ)) is None


async def test_a_limit_that_an_admin_changed_counts_anew_in_its_measure(server: Server) -> None:
    async with running(server.url) as (one,):
        assert await one.limiter.take(bill(Policy("agent", 10, 60), cost=5)) is None

        assert await one.limiter.take(bill(Policy("agent", 100, 60), cost=50)) is None
        assert await one.limiter.take(bill(Policy("agent", 100, 60), cost=2)) is not None


def test_the_address_never_shows_its_credential() -> None:
    address = parse_redis_url("rediss://gate:s3cret@redis.example:6380/2")
    assert "s3cret" not in repr(address) + address.shown
    assert address.shown == "single redis.example:6380 (TLS)"


async def test_replicas_that_hammer_one_limit_stay_within_its_bound(server: Server) -> None:
    policy, seconds = Policy("agent", 400, 4), 3.0
    async with running(*[server.url] * 4, timeout=1.0) as replicas:
        given = 0
        begun = time.monotonic()

        async def hammer(replica: Replica) -> None:
            nonlocal given
            while time.monotonic() - begun < seconds:
                refusal = await replica.limiter.take(bill(policy))
                given += refusal is None
                await asyncio.sleep(0.001)

        await asyncio.gather(*(hammer(replica) for replica in replicas))
        span = time.monotonic() - begun

    assert given <= policy.quota * (1 + span / policy.window) + 1
    assert given >= policy.quota * (1 + span / policy.window) * 0.95, "and little of it is left lying"
    assert sum(replica.local for replica in replicas) == 0
