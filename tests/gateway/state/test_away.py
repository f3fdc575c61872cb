"""Redis stops, hangs and comes back: calls go on under local shares, and none waits for it twice."""

import asyncio
import time
from dataclasses import replace

import pytest

from connectors.sdk import Quota
from connectors.sdk.errors import StateUnavailable, UpstreamQuota
from gateway.limits import Policy, Reach, Refusal
from gateway.state.address import parse_redis_url
from tests.gateway.state.conftest import MakeServer
from tests.gateway.state.replica import Replica, bill, running, until
from tests.gateway.state.servers import Server, free_ports

SMALL = Policy("agent", 10, 60)


async def load(replica: Replica, stop: asyncio.Event) -> list[float]:
    """Take one bill after the other until told to stop. Returns how long each waited."""
    waits: list[float] = []
    while not stop.is_set():
        begun = time.monotonic()
        assert await replica.limiter.take(bill(Policy("agent", 600_000, 60))) is None
        waits.append(time.monotonic() - begun)
        await asyncio.sleep(0.001)
    return waits


@pytest.mark.parametrize("how", ["killed", "hanging"])
async def test_under_load_calls_go_on_without_redis_and_come_back_to_it(
    make_server: MakeServer, server: Server, how: str
) -> None:
    async with running(server.url, timeout=0.05) as (one,):
        stop = asyncio.Event()
        loads = [asyncio.create_task(load(one, stop)) for _ in range(8)]
        await until(lambda: one.leased > 50)

        server.stop() if how == "killed" else server.pause()
        await until(lambda: not one.client.up)
        before = one.local
        await until(lambda: one.local > before + 200)
        trips = one.trips
        await until(lambda: one.local > before + 400)
        assert one.trips == trips, "while it is away nobody asks"

        make_server(port=server.port) if how == "killed" else server.go_on()
        await until(lambda: one.client.up)
        leased = one.leased
        await until(lambda: one.leased > leased + 50)
        stop.set()
        waits = [wait for waits in await asyncio.gather(*loads) for wait in waits]

    assert max(waits) < 0.5, "the timeout once, and what a busy machine adds"
    assert sum(wait > 0.04 for wait in waits) <= 2 * len(loads), "each waits for it once, not again and again"
    assert one.turns == [True, False, True]


async def test_without_redis_each_replica_has_its_share(server: Server) -> None:
    async with running(server.url, server.url, timeout=0.05, replicas=2) as replicas:
        server.stop()
        given = [0, 0]
        for at, replica in enumerate(replicas):
            while (answer := await replica.limiter.take(bill(SMALL))) is None:
                given[at] += 1
            assert isinstance(answer, Refusal)
            assert answer.policy == SMALL
            assert 11 < answer.seconds <= 12

        assert given == [5, 5]


async def test_what_was_used_through_redis_counts_in_the_share(server: Server) -> None:
    async with running(server.url, timeout=0.05, replicas=2) as (one,):
        assert await one.limiter.take(bill(SMALL, cost=8)) is None
        server.stop()

        assert await one.limiter.take(bill(SMALL)) is None
        assert await one.limiter.take(bill(SMALL)) is not None
        assert one.limiter.standing("acme", SMALL, "agt_1").remaining == 0


async def test_a_bill_larger_than_the_share_takes_the_whole_share(server: Server) -> None:
    async with running(server.url, timeout=0.05, replicas=4) as (one,):
        server.stop()

        assert await one.limiter.take(bill(SMALL, cost=9)) is None
        assert await one.limiter.take(bill(SMALL)) is not None


async def test_what_was_taken_locally_is_not_given_back_to_redis(make_server: MakeServer, server: Server) -> None:
    async with running(server.url, timeout=0.05, replicas=1) as (one,):
        assert await one.limiter.take(bill(SMALL, cost=5)) is None
        server.stop()
        taken = bill(SMALL, cost=5)
        assert await one.limiter.take(taken) is None
        again = make_server(port=server.port)
        again.ask("SET", "test:{acme}:limit:agent:agt_1", f"[{time.time() - 1_750_000_000 + 60}, []]")
        await until(lambda: one.client.up)

        one.limiter.give_back(taken)

        assert await one.limiter.take(bill(SMALL, cost=5)) is not None


async def test_a_tenant_that_stops_gets_state_unavailable_and_uses_nothing(server: Server) -> None:
    async with running(server.url, timeout=0.05) as (one,):
        server.stop()
        stops = bill(SMALL)
        stops.stops = True

        with pytest.raises(StateUnavailable) as refused:
            await one.limiter.take(stops)

        assert refused.value.retryable
        assert "nothing was sent" in refused.value.detail
        assert one.local == 0
        assert await one.limiter.take(bill(SMALL)) is None


async def test_what_is_known_of_a_vendor_still_holds(server: Server) -> None:
    reach = Reach("conn_1", "core", writes=True)
    async with running(server.url, server.url, timeout=0.05) as (one, two):
        one.quota.learn("acme", "conn_1", [Quota("core", 100, 0, time.time() + 30)])
        assert await one.limiter.take(bill(SMALL)) is None
        with pytest.raises(UpstreamQuota):
            await two.limiter.take(bill(SMALL, reach=reach))
        server.stop()

        for replica in (one, two):
            with pytest.raises(UpstreamQuota):
                await replica.limiter.take(bill(SMALL, reach=reach))


async def test_a_redis_that_is_away_at_the_start_is_found_when_it_comes(make_server: MakeServer) -> None:
    port = free_ports(1)[0]
    async with running(f"redis://127.0.0.1:{port}/0", timeout=0.05) as (one,):
        assert await one.limiter.take(bill()) is None
        assert one.local == 1

        make_server(port=port)
        await until(lambda: one.client.up)

        assert await one.limiter.take(bill(key="agt_2")) is None
        assert one.local == 1


async def test_a_wrong_password_is_a_redis_that_is_away_and_is_in_no_log(
    make_server: MakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server = make_server(settings={"requirepass": "right"}, client={"password": "right"})
    address = replace(parse_redis_url(server.url), password="wr0ng-s3cret")
    async with running(address, timeout=0.05) as (one,):
        assert await one.limiter.take(bill()) is None
        assert one.local == 1
        await asyncio.sleep(0.3)
    assert "wr0ng" not in "".join(capsys.readouterr())


async def test_units_whose_giving_back_was_not_answered_are_not_given_back_again(server: Server) -> None:
    async with running(server.url, timeout=0.1) as (one,):
        taken = bill(SMALL, cost=5)
        assert await one.limiter.take(bill(SMALL, cost=5)) is None
        assert await one.limiter.take(taken) is None
        one.limiter.give_back(taken)
        server.pause()
        await until(lambda: not one.client.up)  # the sweep asked, and got no answer

        server.go_on()  # what it had received, it does now
        await until(lambda: one.client.up)
        await asyncio.sleep(0.6)

        assert await one.limiter.take(bill(SMALL, cost=5)) is None
        assert await one.limiter.take(bill(SMALL)) is not None


async def test_a_share_is_one_unit_at_least(server: Server) -> None:
    async with running(server.url, timeout=0.05, replicas=100) as (one,):
        server.stop()
        assert await one.limiter.take(bill(SMALL)) is None
        assert await one.limiter.take(bill(SMALL)) is not None


async def test_a_replica_that_was_held_up_itself_does_not_blame_redis(server: Server) -> None:
    async with running(server.url, timeout=0.05) as (one,):
        assert await one.limiter.take(bill(SMALL, key="agt_0")) is None
        asked = asyncio.create_task(one.limiter.take(bill(SMALL)))
        while one.trips < 2:
            await asyncio.sleep(0)

        time.sleep(0.2)  # nothing runs in this process meanwhile

        assert await asked is None
        assert one.local == 0
        assert one.turns == [True]


async def test_no_answer_is_taken_for_another_request_s(server: Server) -> None:
    async with running(server.url, timeout=0.05) as (one,):
        assert await one.limiter.take(bill(SMALL, key="agt_0")) is None
        server.pause()
        assert await one.limiter.take(bill(SMALL, key="agt_1", cost=10)) is None
        server.go_on()
        await until(lambda: one.client.up)

        answers = [await one.limiter.take(bill(SMALL, key=f"agt_{n}", cost=4)) for n in range(2, 6)]

        assert answers == [None] * 4
        assert one.limiter.standing("acme", SMALL, "agt_5").remaining == 6


async def test_what_one_tenant_s_keys_hold_does_not_take_redis_from_the_others(server: Server) -> None:
    reach = Reach("conn_1", "core", writes=False)
    server.ask("HSET", "test:{acme}:vendor:conn_1", "pause", "no JSON")
    server.ask("LPUSH", "test:{acme}:limit:agent:agt_2", "no string")
    async with running(server.url, timeout=0.25) as (one,):
        assert await one.limiter.take(bill(SMALL, reach=reach)) is None
        assert await one.limiter.take(bill(SMALL, tenant="rival")) is None

        assert one.local == 1, "the one that could not be settled there"
        assert one.turns == [True]
        assert await one.limiter.take(bill(SMALL, key="agt_2")) is None


async def test_a_redis_that_takes_no_writes_is_a_redis_that_is_away(server: Server) -> None:
    server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.ask("CONFIG", "SET", "maxmemory", "1")
    async with running(server.url, timeout=0.25) as (one,):
        assert await one.limiter.take(bill(SMALL)) is None
        assert one.local == 1
        assert False in one.turns


async def test_a_pause_that_a_vendor_asked_for_meanwhile_is_told_when_redis_is_back(server: Server) -> None:
    reach = Reach("conn_1", "core", writes=True)
    async with running(server.url, server.url, timeout=0.05) as (one, two):
        server.pause()
        one.quota.refused("acme", "conn_1", 30.0, "secondary limit")
        await until(lambda: not one.client.up)
        server.go_on()
        await until(lambda: one.client.up)
        await until(lambda: server.ask("HGET", "test:{acme}:vendor:conn_1", "pause") is not None)

        with pytest.raises(UpstreamQuota, match="secondary limit"):
            await two.limiter.take(bill(SMALL, reach=reach))
