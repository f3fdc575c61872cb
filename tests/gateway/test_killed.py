"""A gateway in a process of its own, killed with SIGKILL while a write is under way, and started again."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

ISSUE = {"owner": "acme", "repo": "web", "title": "Killed"}


class Served:
    """`gatehouse serve --sandbox` over a home; the simulated GitHub beside it outlives a kill."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.session = aiohttp.ClientSession()
        self.process: asyncio.subprocess.Process | None = None
        self.told: dict[str, Any] = {}

    async def start(self) -> None:
        environment = {**os.environ, "GATEHOUSE_HOME": str(self.home), "GATEHOUSE_METRICS_PORT": "0"}
        command = (sys.executable, "-m", "gateway", "serve", "--sandbox", "--port", "0")
        log = (self.home.parent / "serve.log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=log, env=environment
        )
        log.close()
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line.startswith(b"Gatehouse sandbox"), (self.home.parent / "serve.log").read_text()
        self.told = orjson.loads((self.home / "sandbox.json").read_bytes())

    async def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()
        await self.session.close()

    async def create(self, key: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.told['agent_key']}", "Idempotency-Key": key}
        url = f"{self.told['url']}/v1/actions/github.issue.create"
        async with self.session.post(url, json=ISSUE | {"title": key}, headers=headers) as answer:
            return answer.status, await answer.json()

    async def vendor(self, method: str, path: str, body: object = None) -> Any:
        url = self.told["simulators"]["github"]["url"] + path
        async with self.session.request(method, url, json=body) as answer:
            return await answer.json()

    async def applied(self) -> list[str]:
        return [item["path"] for item in (await self.vendor("GET", "/_sim/applied"))["items"]]

    async def reached(self, method: str) -> int:
        items = (await self.vendor("GET", "/_sim/requests"))["items"]
        return sum(item["method"] == method for item in items)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    made = Served(tmp_path / "home")
    await made.start()
    yield made
    await made.stop()


async def settled(served: Served, key: str) -> tuple[int, Any]:
    for _ in range(400):
        status, body = await served.create(key)
        if body.get("code") != "idempotency_in_progress":
            return status, body
        await asyncio.sleep(0.05)
    raise AssertionError(body)


async def test_a_write_that_was_applied_before_the_kill_is_found_and_not_sent_again(served: Served) -> None:
    await served.vendor("POST", "/_sim/faults", {"match": "POST /repos", "fault": "late", "delay_ms": 60_000})
    call = asyncio.create_task(served.create("k1"))
    while not await served.applied():
        await asyncio.sleep(0.02)
    await served.kill()
    with pytest.raises(aiohttp.ClientError):
        await call
    await served.start()
    status, body = await settled(served, "k1")
    assert (status, body["replayed"], body["output"]["title"]) == (200, True, "k1")
    assert await served.applied() == ["/repos/acme/web/issues"]
    assert await served.reached("POST") == 1


async def test_what_was_answered_before_the_kill_is_answered_again_after_it(served: Served) -> None:
    answers = await asyncio.gather(*(served.create(f"k{n}") for n in range(20)))
    await served.kill()
    await served.start()
    again = await asyncio.gather(*(served.create(f"k{n}") for n in range(20)))
    assert [body for _, body in again] == [body | {"replayed": True} for _, body in answers]
    assert len(await served.applied()) == 20


async def test_two_gateways_never_share_a_home(served: Served) -> None:
    environment = {**os.environ, "GATEHOUSE_HOME": str(served.home), "GATEHOUSE_METRICS_PORT": "0"}
    second = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--sandbox", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    _, complaint = await second.communicate()
    assert second.returncode == 1
    assert b"held by another process" in complaint
    assert (await served.create("k1"))[0] == 200
