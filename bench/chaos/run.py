"""Runs one fault from a fresh sandbox to its verdict."""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from bench.chaos.client import Agent, Told
from bench.chaos.faults import Scenario
from bench.chaos.judge import Verdict, judge
from bench.chaos.ledger import read_ledger
from bench.chaos.plan import Planned, count_of_updates, plan
from bench.chaos.process import GatewayProcess
from bench.chaos.vendor import Vendor

Progress = Callable[[int, str], None]
# GitHub's settle time: after it recovery may send again what it did not find.
_SETTLE_SECONDS = 15.0
_SPREAD_SECONDS = 1.0


async def run(scenario: Scenario, calls: int, seed: int, *, limit_seconds: float, progress: Progress) -> Verdict:
    """Return the verdict over `calls` concurrent writes under one fault. Ends what it started, in any case."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gatehouse-chaos-") as folder:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as session:
            gateway = GatewayProcess(Path(folder) / scenario.name, session)
            try:
                await gateway.start()
                verdict = await _Run(scenario, gateway, session, seed, started + limit_seconds, progress).go(calls)
            finally:
                await gateway.stop()
    verdict.seconds = round(time.monotonic() - started, 1)
    return verdict


class _Run:
    def __init__(
        self,
        scenario: Scenario,
        gateway: GatewayProcess,
        session: aiohttp.ClientSession,
        seed: int,
        deadline: float,
        progress: Progress,
    ) -> None:
        told = gateway.told()
        self._scenario = scenario
        self._gateway = gateway
        self._vendor = Vendor(session, told["simulators"]["github"]["url"])
        self._agent = Agent(session, [gateway.url], told["agent_key"], patience_seconds=scenario.patience_seconds)
        self._random = random.Random(seed)
        self._seed = seed
        self._deadline = deadline
        self._progress = progress
        self._told: dict[str, Told] = {}
        self._kills = 0

    async def go(self, calls: int) -> Verdict:
        """Prepare, break, let all calls run to their ends, repeat each once, and compare the records."""
        vendor = self._vendor
        issues = await vendor.make_issues(count_of_updates(calls))
        planned = plan(calls, self._seed, issues=issues, head=await vendor.head())
        before = len(await vendor.applied())
        await vendor.break_with(self._scenario.faults)
        async with asyncio.TaskGroup() as group:
            for call in planned:
                group.create_task(self._carry_out(call))
            group.create_task(self._kill_some(calls))
        await vendor.mend()
        again = await self._repeat(planned)
        applied, received = (await vendor.applied())[before:], await vendor.received()
        await self._gateway.stop()
        recorded = await asyncio.to_thread(read_ledger, self._gateway.home)
        verdict = judge(self._scenario.name, planned, self._told, again, applied, received, recorded)
        verdict.kills = self._kills
        return verdict

    async def _carry_out(self, call: Planned) -> None:
        await asyncio.sleep(self._random.uniform(0, _SPREAD_SECONDS))
        self._told[call.key] = await self._agent.carry_out(call, self._deadline)
        self._progress(len(self._told), "answered")

    async def _repeat(self, planned: list[Planned]) -> dict[str, Told]:
        slots = asyncio.Semaphore(16)

        async def one(call: Planned) -> Told:
            async with slots:
                return await self._agent.carry_out(call, self._deadline + 10)

        return dict(zip((call.key for call in planned), await asyncio.gather(*map(one, planned)), strict=True))

    async def _kill_some(self, calls: int) -> None:
        """Kill in the burst, then in the middle of recovery, then while recovery sends again."""
        while self._kills < self._scenario.kills and len(self._told) < calls:
            if self._kills == 0:
                await self._until_answered(calls // 5)
            elif self._kills % 2 == 1:
                await asyncio.sleep(self._random.uniform(0.2, 2.0))
            else:
                await asyncio.sleep(_SETTLE_SECONDS + self._random.uniform(-0.5, 1.0))
            if len(self._told) == calls:
                return
            self._progress(len(self._told), "killed")
            await self._gateway.kill()
            self._kills += 1
            await self._vendor.mend()
            await self._vendor.break_with(self._scenario.later)
            await self._gateway.start()

    async def _until_answered(self, count: int) -> None:
        while len(self._told) < count and time.monotonic() < self._deadline:  # noqa: ASYNC110 - a bounded look
            await asyncio.sleep(0.01)
