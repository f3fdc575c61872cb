"""Sets two replicas up on servers of their own, and runs rows of the table on them, one after the other."""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from bench.chaos.client import Agent, Told
from bench.chaos.judge import Verdict, judge
from bench.chaos.plan import Planned
from bench.chaos.replicas.faults import Blows, Row
from bench.chaos.replicas.installation import environment_of, fill, init
from bench.chaos.replicas.ledger import ReplicasLedger
from bench.chaos.replicas.plan import plan, targets
from bench.chaos.replicas.replica import Replica
from bench.chaos.replicas.servers import DidNotStart, Postgres, Redis, Vault
from bench.chaos.replicas.vendors import Vendors
from gateway.settings import Settings

Progress = Callable[[int, str], None]
_SAMPLE_SECONDS, _WARM_SECONDS = 0.5, 8.0
_PATIENCE_SECONDS = 8.0
_REPEAT_SECONDS = 60.0
_MOST_STORIES = 5
# Far above what two replicas need, far below what would be a leak over one run.
MOST_MEMORY = 400 * 1024 * 1024


class House:
    """Two replicas, and what they stand on."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        self._folder = folder
        self._home = folder / "home"
        self.session = session
        self.postgres = Postgres()
        self.redis = Redis(folder)
        self.vault = Vault(folder, session)
        self.vendors = Vendors(folder, session)
        self.replicas: list[Replica] = []
        self.agent_key = ""

    async def start(self, running: AsyncExitStack) -> None:
        """Start everything; what has started is ended by `running`, also when the rest does not come up."""
        for server in (self.postgres, self.redis, self.vault, self.vendors):
            running.push_async_callback(server.stop)
            await server.start()
        environment = environment_of(self._home, self.postgres, self.redis, self.vault)
        operator = await init(environment)
        self.replicas = [Replica(name, environment, self.session, self._folder) for name in ("one", "two")]
        for replica in self.replicas:
            running.push_async_callback(replica.stop)
        await asyncio.gather(*(replica.start() for replica in self.replicas))
        self.agent_key = await fill(self.session, self.replicas[0].url, operator, self.vendors)

    def ledger(self) -> ReplicasLedger:
        """Return a reader of the common ledger."""
        vault = self.vault.environment
        return ReplicasLedger(
            Settings(
                home=self._home,
                database_url=self.postgres.url,
                vault_addr=vault["GATEHOUSE_VAULT_ADDR"],
                vault_role_id=vault["GATEHOUSE_VAULT_ROLE_ID"],
                vault_secret_id_file=self.vault.secret_id_file,
            )
        )

    async def with_clocks(self, *, movable: bool) -> None:
        """Start the replicas again, with clocks that can be moved or with the machine's."""
        for replica in self.replicas:
            if replica.movable_clock is not movable:
                await replica.stop()
                replica.movable_clock = movable
                replica.step_clock(0)
                await replica.start()


@asynccontextmanager
async def house() -> AsyncGenerator[House]:
    """Set everything up, and end it in any case. Raises `DidNotStart`."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-chaos-") as folder:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, AsyncExitStack() as running:
            made = House(Path(folder), session)
            await made.start(running)
            yield made


async def run(made: House, row: Row, calls: int, seed: int, *, limit_seconds: float, progress: Progress) -> Verdict:
    """Return the verdict over `calls` writes while the faults of one row happen."""
    started = time.monotonic()
    verdict = await _Run(made, row, seed, progress).go(calls, limit_seconds)
    verdict.seconds = round(time.monotonic() - started, 1)
    return verdict


class _Run:
    def __init__(self, made: House, row: Row, seed: int, progress: Progress) -> None:
        self._house = made
        self._row = row
        self._seed = seed
        self._prefix = f"{row.name}-{seed}"
        self._progress = progress
        self._told: dict[str, Told] = {}
        self._random = random.Random(seed)
        self._note = ""
        urls = [replica.url for replica in made.replicas]
        self._agent = Agent(made.session, urls, made.agent_key, patience_seconds=_PATIENCE_SECONDS)
        self._blows = Blows(seed, made.replicas, made.postgres, made.redis, made.vault, self._noted)

    async def go(self, calls: int, limit_seconds: float) -> Verdict:
        """Prepare, break, let all calls run to their ends, repeat each once, and compare the records."""
        made, vendors = self._house, self._house.vendors
        await made.with_clocks(movable=any("clock" in hand for hand in self._row.hands))
        planned = plan(calls, self._seed, self._prefix, await targets(vendors, calls))
        before = {(seen.vendor, seen.seq) for seen in await vendors.applied()}
        await vendors.break_with(self._row.vendors)
        await self._carry_all_out(planned, time.monotonic() + limit_seconds)
        await vendors.mend()
        for replica in made.replicas:
            replica.step_clock(0)
        again = await self._repeat(planned)
        await self._until_at_rest()
        applied = [seen for seen in await vendors.applied() if (seen.vendor, seen.seq) not in before]
        recorded = await made.ledger().recorded(self._prefix)
        verdict = judge(self._row.name, planned, self._told, again, applied, await vendors.received(), recorded)
        verdict.struck = dict(self._blows.struck)
        verdict.kills = self._blows.struck.get("kill", 0)
        self._judge_replicas(verdict)
        await self._tell(verdict, [*recorded.suspects, *(call.key for call in planned)], set(recorded.suspects))
        return verdict

    async def _carry_all_out(self, planned: list[Planned], deadline: float) -> None:
        async def one(call: Planned) -> None:
            await asyncio.sleep(self._random.uniform(0, self._row.span_seconds))
            self._told[call.key] = await self._agent.carry_out(call, deadline)
            self._progress(len(self._told), self._note)

        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look())
            striking = group.create_task(self._blows.strike(self._row))
            await asyncio.gather(*(one(call) for call in planned))
            await striking
            looking.cancel()

    async def _repeat(self, planned: list[Planned]) -> dict[str, Told]:
        """Repeat every call once, at any of the replicas: those that were refused without their key are no repeats."""
        slots, deadline = asyncio.Semaphore(16), time.monotonic() + _REPEAT_SECONDS
        taken = await self._house.ledger().keys(self._prefix)

        async def one(call: Planned) -> Told:
            if call.key not in taken:
                return self._told[call.key]
            async with slots:
                return await self._agent.carry_out(call, deadline)

        return dict(zip((call.key for call in planned), await asyncio.gather(*map(one, planned)), strict=True))

    async def _until_at_rest(self) -> None:
        ledger, until = self._house.ledger(), time.monotonic() + 30
        while await ledger.open_calls() and time.monotonic() < until:  # noqa: ASYNC110 - a bounded look
            await asyncio.sleep(0.5)

    async def _look(self) -> None:
        while True:
            for replica in self._house.replicas:
                replica.look(_WARM_SECONDS)
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def _tell(self, verdict: Verdict, keys: list[str], suspects: set[str]) -> None:
        """Add what the ledger tells of calls that are blamed."""
        blamed = suspects | {who.split()[0] for names in verdict.blamed.values() for who in names if who}
        for key in [key for key in keys if key in blamed][:_MOST_STORIES]:
            verdict.stories[key] = await self._house.ledger().story(key)

    def _judge_replicas(self, verdict: Verdict) -> None:
        for replica in self._house.replicas:
            verdict.memory_mib = max(verdict.memory_mib, replica.memory.most >> 20)
            verdict.growth_mib = max(verdict.growth_mib, replica.memory.growth >> 20)
            if replica.memory.most > MOST_MEMORY:
                verdict.blame("unbounded_memory", f"{replica.memory.most >> 20} MiB")
            if replica.ended:
                verdict.blame("ended_by_itself", replica.log.read_text()[-300:])

    def _noted(self, what: str) -> None:
        self._note = what
        self._progress(len(self._told), what)


__all__ = ["DidNotStart", "House", "house", "run"]
