"""A simulator as a process of its own: it says where it is, outlives its starter for a while, and ends cleanly."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.github.simulator import GitHubSimulator
from connectors.sdk.simulate import NoSimulator, find

ROOT = Path(__file__).resolve().parents[3]


async def started(*options: str) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connectors.sdk.simulate", "github", *options, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    return process, json.loads(await asyncio.wait_for(process.stdout.readline(), 30))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_is_and_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    process, said = await started()

    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{said['url']}/user", headers={"authorization": "Bearer ghp_sandbox"}) as answer,
    ):
        user = await answer.json()
    process.send_signal(number)

    assert user["login"] == "acme-bot"
    assert said["pid"] == process.pid
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_it_ends_by_itself_when_nobody_asks_it_to_stay() -> None:
    process, _ = await started("--linger", "0.1")

    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_it_stays_while_somebody_asks_it_to() -> None:
    process, said = await started("--linger", "1.5")
    loop = asyncio.get_running_loop()
    until = loop.time() + 2.5

    async with aiohttp.ClientSession() as http:
        while loop.time() < until:
            async with http.post(f"{said['url']}/_sim/keepalive") as answer:
                assert answer.status == 200
            await asyncio.sleep(0.1)
        assert process.returncode is None

    assert await asyncio.wait_for(process.wait(), 10) == 0


def test_a_simulator_is_found_by_its_connectors_name() -> None:
    assert find("github") is GitHubSimulator
    assert find("connectors.github.simulator") is GitHubSimulator


@pytest.mark.parametrize("name", ["nobody", "../github", "connectors.sdk.errors", ""])
def test_what_is_no_simulator_is_refused(name: str) -> None:
    with pytest.raises(NoSimulator):
        find(name)
