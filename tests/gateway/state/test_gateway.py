"""A whole gateway with a Redis of its own: wired, ready, degraded when it is away, counted."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings import Settings
from tests.gateway.caller import Caller
from tests.gateway.state.replica import until
from tests.gateway.state.servers import Server
from tests.gateway.world import World

READ = {"box": "red", "id": 1}
MakeWorld = Callable[..., Awaitable[World]]


async def readiness(agent: Caller) -> tuple[int, dict[str, Any]]:
    reply = await agent.ask("GET", "/readyz", bearer=None)
    return reply.status, reply.body


def metric(world: World, name: str) -> float:
    text = world.gateway.telemetry.metrics.text().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


async def test_calls_are_limited_through_redis_and_answers_tell_what_is_left(
    make_world: MakeWorld, server: Server
) -> None:
    world = await make_world(redis_url=server.url, redis_timeout_ms=250)
    agent = await world.caller(limits={"requests_per_minute": 2})

    replies = [await agent.run("toy.note.get", READ) for _ in range(3)]

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[0].headers["RateLimit"].startswith('"agent";r=1;t=')
    assert 28_000 < replies[2].body["retry_after_ms"] <= 30_001
    assert len(world.reached()) == 2
    keys = server.ask("KEYS", "gatehouse:{acme}:limit:*")
    assert isinstance(keys, list)
    assert {key.split(b":")[3] for key in keys} == {b"agent", b"connection", b"tenant"}
    assert await readiness(agent) == (
        200,
        {"status": "ready", "checks": {"ledger": "ok", "serving": "ok", "redis": "ok"}},
    )


async def test_when_redis_is_away_reads_and_writes_go_on_and_it_says_so(make_world: MakeWorld, server: Server) -> None:
    world = await make_world(redis_url=server.url)
    agent = await world.caller()
    assert (await agent.run("toy.note.get", READ)).status == 200

    server.pause()
    replies = [await agent.run("toy.note.get", READ) for _ in range(5)]
    order = await agent.run("toy.order.create", {"item": "a"}, key="k1")

    assert [reply.status for reply in (*replies, order)] == [200] * 6
    status, body = await readiness(agent)
    assert (status, body["status"], body["checks"]["redis"]) == (200, "degraded", "away")
    assert metric(world, "gatehouse_calls_limited_locally_total") >= 5
    assert metric(world, "gatehouse_redis_up ") == 0
    assert metric(world, "gatehouse_redis_losses_total") == 1
    server.go_on()
    await until(lambda: metric(world, "gatehouse_redis_up ") == 1)
    assert (await readiness(agent))[1]["status"] == "ready"


async def test_a_tenant_that_chose_to_stop_reads_and_does_not_write(make_world: MakeWorld, server: Server) -> None:
    world = await make_world(redis_url=server.url)
    agent = await world.caller()
    await world.change(_stop)
    assert (await agent.run("toy.order.create", {"item": "a"}, key="k0")).status == 200
    sent = len(world.reached())
    server.stop()

    refused = await agent.run("toy.order.create", {"item": "b"}, key="k1")
    read = await agent.run("toy.note.get", READ)

    assert (refused.status, refused.code, refused.body["retryable"]) == (503, "state_unavailable", True)
    assert read.status == 200
    assert len(world.reached()) == sent + 1
    assert len(world.applied()) == 1
    assert await world.rows("SELECT 1 FROM claims WHERE key='k1'") == []


def _stop(rows: Any) -> None:
    rows.exec_driver_sql("UPDATE tenants SET when_state_is_gone='stop' WHERE id='acme'")


async def test_most_calls_of_a_busy_agent_ask_redis_nothing(make_world: MakeWorld, server: Server) -> None:
    world = await make_world(redis_url=server.url, redis_timeout_ms=1000)
    agent = await world.caller(limits={"requests_per_minute": 60_000})
    for _ in range(60):
        assert (await agent.run("toy.note.get", READ)).status == 200
    before, begun = server.calls("evalsha") + server.calls("eval") + server.calls("publish"), time.monotonic()
    calls = 0
    while time.monotonic() - begun < 1.5:
        await asyncio.gather(*(agent.run("toy.note.get", READ) for _ in range(4)))
        calls += 4

    asked = server.calls("evalsha") + server.calls("eval") + server.calls("publish") - before

    assert asked <= calls / 10, (asked, calls)
    assert metric(world, "gatehouse_calls_leased_total") >= calls * 0.8
    assert metric(world, "gatehouse_redis_round_trips_total") > 0


async def test_a_gateway_that_stops_owes_redis_nothing(make_world: MakeWorld, server: Server) -> None:
    world = await make_world(redis_url=server.url, redis_timeout_ms=250)
    agent = await world.caller(limits={"requests_per_minute": 6000})
    for _ in range(80):
        assert (await agent.run("toy.note.get", READ)).status == 200

    await world.stop()

    assert b'"rep_' not in b"".join(
        bytes(str(server.ask("GET", key)), "utf-8") for key in _keys(server, "gatehouse:{acme}:limit:agent:*")
    )
    await world.start()


def _keys(server: Server, pattern: str) -> list[bytes]:
    found = server.ask("KEYS", pattern)
    assert isinstance(found, list)
    return found


def test_all_problems_of_the_settings_are_told_at_once_and_none_shows_a_password(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "redis_url": "ftp://user:s3cret@host",
        "redis_password_file": tmp_path / "missing",
        "redis_ca_file": tmp_path / "missing too",
        "redis_timeout_ms": 0,
        "redis_prefix": "a b",
        "replicas": 0,
    }
    with pytest.raises(ValidationError) as refused:
        Settings(**given)
    assert {fault["loc"][0] for fault in refused.value.errors()} == set(given)
    assert "s3cret" not in str(refused.value)


def test_a_password_comes_from_a_file_where_the_url_has_none(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    settings = Settings(
        redis_url="rediss://cache:6380", redis_username="gate", redis_password_file=tmp_path / "password"
    )
    address = settings.redis()
    assert address is not None
    assert (address.username, address.password) == ("gate", "s3cret")
    assert "s3cret" not in repr(settings) + repr(address)
