"""A supervisor and its workers: one socket, restarts, rolling restarts, one place for metrics, a clean end."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.serving.fleet import Fleet, Process, within


async def supervised(fleet: Fleet, workers: int = 2, **environment: str) -> Process:
    """Start a supervisor and return when all its workers serve."""
    process = fleet.process(**environment)
    await process.spawn("--workers", str(workers))
    line = await process.logged("supervising")
    process.url, process.metrics_url = line["url"], line["metrics"]
    await until_ready(fleet, process, workers)
    return process


async def until_ready(fleet: Fleet, process: Process, workers: int) -> None:
    """Wait until so many workers serve."""
    async with within(60, process.log.read_text):
        while (await scraped(fleet, process))["gatehouse_workers_ready"] != {"": float(workers)}:
            await asyncio.sleep(0.05)


async def scraped(fleet: Fleet, process: Process) -> dict[str, dict[str, float]]:
    """Return the value of each series by its worker."""
    async with fleet.session.get(f"{process.metrics_url}/metrics") as answer:
        text = await answer.text()
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[sample.labels.get("worker", "")] = sample.value
    return found


def pids(process: Process) -> list[int]:
    return [line["pid"] for line in process.lines("worker_started")]


async def test_workers_share_a_socket_are_replaced_when_killed_and_in_turn_on_sighup(fleet: Fleet) -> None:
    process = await supervised(fleet)
    answered: list[str] = []
    refused: list[object] = []
    ended = asyncio.Event()

    async def load(name: str) -> None:
        number = 0
        while not ended.is_set():
            key = f"{name}-{number}"
            number += 1
            status, body = await fleet.create(process.url, key, Connection="close")
            (answered if status == 200 else refused).append(key if status == 200 else (status, body))

    assert set((await scraped(fleet, process))["gatehouse_ledger_ready"]) == {"0", "1"}
    loads = [asyncio.create_task(load(f"k{n}")) for n in range(4)]
    process.signal(signal.SIGHUP)
    await process.logged("restarted")
    ended.set()
    await asyncio.gather(*loads)
    assert refused == []
    assert answered
    assert len(pids(process)) == 4
    assert fleet.applied() == len(answered)

    victim = pids(process)[-1]
    os.kill(victim, signal.SIGKILL)
    died = await process.logged("worker_died")
    assert died["pid"] == victim
    await until_ready(fleet, process, 2)
    assert (await scraped(fleet, process))["gatehouse_worker_restarts_total"] == {"": 1.0}
    assert await process.stop() == 0
    assert [pid for pid in pids(process) if alive(pid)] == []


async def test_workers_leave_when_their_supervisor_is_killed(fleet: Fleet) -> None:
    process = await supervised(fleet)
    await process.kill()
    async with within(20, process.log.read_text):
        while any(alive(pid) for pid in pids(process)):
            await asyncio.sleep(0.05)


async def test_a_supervisor_gives_up_where_no_worker_comes_to_serve(fleet: Fleet) -> None:
    process = fleet.process(GATEHOUSE_MASTER_KEY="not a key")
    await process.spawn("--workers", "2")
    assert await process.process.wait() == 1
    assert "workers in a row ended before they served" in process.log.read_text()


async def test_the_embedded_ledger_refuses_more_than_one_worker(tmp_path: Path) -> None:
    environment = {**os.environ, "GATEHOUSE_HOME": str(tmp_path / "home")}
    environment.pop("GATEHOUSE_DATABASE_URL", None)
    command = (sys.executable, "-m", "gateway", "serve", "--workers", "2")
    made = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=environment)
    _, complaint = await made.communicate()
    assert made.returncode == 1
    assert b"the embedded ledger serves one process, not 2 workers" in complaint
    assert b"GATEHOUSE_DATABASE_URL" in complaint


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
