"""Any replica goes on with what another has left: queued, approved, running, and what a stopped process wakes up to."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.gateway.serving.fleet import Fleet, within
from tests.gateway.state.conftest import need_redis
from tests.gateway.state.servers import Server, free_ports

ADMIN = "/v1/admin/tenants/acme/environments/prod"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    need_redis()
    server = Server(tmp_path / "redis", free_ports(1)[0]).start()
    yield server
    server.stop()


async def settled(fleet: Fleet, url: str, key: str) -> Any:
    """Return the answer of a key's call once it has one."""
    async with within(40, lambda: "\n".join(one.log.read_text()[-2000:] for one in fleet.processes)):
        while True:
            status, body = await fleet.create(url, key)
            if status == 503:  # this machine is busy: the control plane was not looked at for a second
                continue
            if body.get("code") != "idempotency_in_progress" and body.get("status") != "running":
                assert status == 200, body
                return body
            await asyncio.sleep(0.1)


async def test_calls_that_were_queued_or_running_at_a_killed_replica_end_at_another_once_each(fleet: Fleet) -> None:
    first, second = await fleet.replicas(2)
    # It is applied 4 seconds after it came in, whether or not the sender still lives.
    fleet.github.faults.add({"match": "POST /repos", "fault": "slow", "delay_ms": 4000, "times": 1000})
    taken = [await fleet.create(first.url, f"k{n}", Prefer="respond-async") for n in range(70)]
    assert {body["status"] for _, body in taken} == {"queued"}
    async with within(20, first.log.read_text):
        while sum(one.method == "POST" for one in fleet.github.received) < 64:
            await asyncio.sleep(0.02)

    await first.kill()
    ended = await asyncio.gather(*(fleet.ended(second.url, body["id"], seconds=60) for _, body in taken))

    assert {body["status"] for body in ended} == {"succeeded"}
    assert fleet.effects() == ["POST /repos/acme/web/issues"] * 70


async def test_an_approval_is_decided_where_the_call_was_not_parked(fleet: Fleet) -> None:
    first, second = await fleet.replicas(2)
    status, parked = await fleet.create(first.url, "k1", bearer=fleet.careful)
    assert (status, parked["status"]) == (202, "pending_approval")
    await first.kill()

    page = f"{second.url}{ADMIN}/approvals/{parked['approval']['id']}/decide"
    status, decided, _ = await fleet.ask("POST", page, {"decision": "approve"}, bearer=fleet.owner)

    assert (status, decided["status"]) == (200, "approved"), decided
    assert (await fleet.ended(second.url, parked["id"], bearer=fleet.careful))["status"] == "succeeded"
    assert fleet.effects() == ["POST /repos/acme/web/issues"]


async def test_an_approved_call_whose_process_is_killed_before_it_ran_runs_elsewhere(fleet: Fleet) -> None:
    first, second = await fleet.replicas(2)
    _, parked = await fleet.create(first.url, "k1", bearer=fleet.careful)
    fleet.github.faults.add({"match": "POST /repos", "fault": "late", "delay_ms": 60_000, "times": 1})
    page = f"{first.url}{ADMIN}/approvals/{parked['approval']['id']}/decide"
    await fleet.ask("POST", page, {"decision": "approve"}, bearer=fleet.owner)
    async with within(20, first.log.read_text):
        while not fleet.applied():
            await asyncio.sleep(0.02)

    await first.kill()

    assert (await fleet.ended(second.url, parked["id"], bearer=fleet.careful))["status"] == "succeeded"
    assert fleet.effects() == ["POST /repos/acme/web/issues"]


async def test_a_process_that_slept_past_its_lease_is_fenced_and_answers_from_the_ledger(fleet: Fleet) -> None:
    first, second = await fleet.replicas(2)
    fleet.github.faults.add({"match": "POST /repos", "fault": "late", "delay_ms": 2500, "times": 1})
    call = asyncio.create_task(fleet.create(first.url, "k1"))
    async with within(20, first.log.read_text):
        while not fleet.applied():
            await asyncio.sleep(0.02)

    first.signal(signal.SIGSTOP)
    elsewhere = await settled(fleet, second.url, "k1")
    first.signal(signal.SIGCONT)
    status, body = await call

    assert (status, body["status"], body["id"]) == (200, "succeeded", elsewhere["id"])
    assert body["output"] == elsewhere["output"]
    async with within(20, first.log.read_text):  # what woke up goes on, as another writer
        while (await fleet.create(first.url, "k2"))[0] != 200:
            await asyncio.sleep(0.05)
    assert fleet.effects() == ["POST /repos/acme/web/issues"] * 2


async def test_a_queued_call_of_a_process_that_slept_is_not_run_twice(fleet: Fleet) -> None:
    first, second = await fleet.replicas(2)
    fleet.github.faults.add({"match": "POST /repos", "fault": "slow", "delay_ms": 3000, "times": 64})
    taken = [await fleet.create(first.url, f"k{n}", Prefer="respond-async") for n in range(67)]

    first.signal(signal.SIGSTOP)
    queued = await fleet.rows("SELECT id FROM calls WHERE status='queued'")
    ended = [await fleet.ended(second.url, call) for (call,) in queued]
    first.signal(signal.SIGCONT)
    all_ended = await asyncio.gather(*(fleet.ended(second.url, body["id"], seconds=60) for _, body in taken))

    assert queued
    assert {body["status"] for body in ended} == {"succeeded"}
    assert {body["status"] for body in all_ended} == {"succeeded"}
    assert fleet.effects() == ["POST /repos/acme/web/issues"] * 67


async def test_a_long_poll_at_one_replica_is_woken_by_the_end_at_another(fleet: Fleet, redis: Server) -> None:
    first, second = await fleet.replicas(2, GATEHOUSE_REDIS_URL=redis.url)
    fleet.github.faults.add({"match": "POST /repos", "fault": "late", "delay_ms": 1000, "times": 1})
    _, taken = await fleet.create(first.url, "k1", Prefer="respond-async")

    started = time.monotonic()
    _, body, _ = await fleet.ask("GET", f"{second.url}/v1/calls/{taken['id']}?wait=30")

    assert body["status"] == "succeeded"
    assert time.monotonic() - started < 4  # unwoken it looks every five seconds


async def test_a_call_cut_by_a_kill_leaves_its_caller_without_an_answer_and_never_with_a_false_one(
    fleet: Fleet,
) -> None:
    first, second = await fleet.replicas(2)
    fleet.github.faults.add({"match": "POST /repos", "fault": "late", "delay_ms": 60_000, "times": 1})
    call = asyncio.create_task(fleet.create(first.url, "k1"))
    async with within(20, first.log.read_text):
        while not fleet.applied():
            await asyncio.sleep(0.02)

    await first.kill()

    with pytest.raises(aiohttp.ClientError):
        await call
    assert (await settled(fleet, second.url, "k1"))["replayed"] is True
    assert fleet.effects() == ["POST /repos/acme/web/issues"]
