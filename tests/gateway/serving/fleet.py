"""Gateways in processes of their own over one PostgreSQL and one Redis, with the simulated GitHub beside them.

Processes are ended by their ids. What they log is kept, and told where a test waits for it in vain.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from aiohttp import ClientSession

from connectors.github.simulator import GitHubSimulator
from gateway.admin.agents import NewAgent
from gateway.admin.connections import NewConnection
from gateway.admin.grants import NewGrant
from gateway.admin.keys import NewKey
from gateway.admin.roles import Role
from gateway.admin.rows import Place
from gateway.admin.tenants import NewEnvironment, NewTenant
from gateway.admin.tokens import NewToken, at_start
from gateway.app import Gateway
from gateway.installation import Home, set_up
from gateway.settings import Settings
from scopes.grant import Autonomy
from tests.gateway import postgres
from tests.gateway.state.servers import free_ports

PLACE = Place("acme", "prod")
ISSUE = {"owner": "acme", "repo": "web"}
START_SECONDS = 60.0


class Process:
    """One `gatehouse serve`."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        self.environment = dict(environment)
        self.process: asyncio.subprocess.Process
        self.url = ""
        self.metrics_url = ""

    @property
    def pid(self) -> int:
        return self.process.pid

    async def start(self, *arguments: str) -> "Process":
        """Start it and return when it serves."""
        await self.spawn(*arguments)
        line = await self.logged("listening")
        self.url, self.metrics_url = line["url"], line.get("metrics", "")
        return self

    async def spawn(self, *arguments: str) -> None:
        """Start it."""
        self._from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "serve", *arguments),
                stdout=log,
                stderr=log,
                env=self.environment,
            )

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the events of that name since the last start."""
        with self.log.open("rb") as log:
            log.seek(self._from)
            parsed = [orjson.loads(line) for line in log.read().splitlines() if line.startswith(b"{")]
        return [line for line in parsed if line["event"] == event]

    async def logged(self, event: str, count: int = 1, seconds: float = START_SECONDS) -> dict[str, Any]:
        """Return the event once it was logged so often."""
        async with within(seconds, lambda: self.log.read_text()[-4000:]):
            while len(found := self.lines(event)) < count:
                assert event == "supervisor_ended" or self.process.returncode is None, self.log.read_text()[-4000:]
                await asyncio.sleep(0.02)
        return found[-1]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def stop(self) -> int:
        """Tell it to stop, and return how it ended."""
        if self.process.returncode is None:
            self.signal(signal.SIGTERM)
        return await self.process.wait()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.signal(signal.SIGKILL)
            await self.process.wait()


class Fleet:
    """An installation, and the processes that serve it. `agent` and `owner` are credentials."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.home = Home(folder / "home")
        self.github = GitHubSimulator()
        self.processes: list[Process] = []
        self.more = environment
        self.database = self.agent = self.careful = self.owner = ""

    async def open(self) -> None:
        """Set the installation up."""
        self.session = ClientSession()
        self.database = await postgres.create()
        await self.github.start()
        settings = Settings(
            home=self.home.path,
            database_url=postgres.url_of(self.database),
            port=0,
            metrics_port=0,
            opened_networks=["127.0.0.0/8"],
        )
        await set_up(settings, self.home, sandbox=False)
        gateway = Gateway(settings)
        await gateway.start()
        try:
            await self._seed(gateway)
        finally:
            gateway.hurry()
            await gateway.stop()

    async def _seed(self, gateway: Gateway) -> None:
        admin, by = gateway.admin, at_start("tests")
        await admin.tenants.create(by, NewTenant(id=PLACE.tenant, title="Acme"))
        await admin.tenants.create_environment(by, PLACE.tenant, NewEnvironment(id=PLACE.environment))
        credential = {"token": "ghp_sandbox"}
        name = "github/main"
        wanted = NewConnection(
            connector="github", name=name, method="token", credential=credential, base_url=self.github.url, test=False
        )
        await admin.connections.create(PLACE, by, wanted)
        for agent, autonomy in (("bot", Autonomy.AUTO), ("careful", Autonomy.APPROVE)):
            await admin.agents.create(PLACE, by, NewAgent(name=agent))
            grant = NewGrant(agent=agent, connection=name, scopes=["github:*:*"], autonomy=autonomy)
            await admin.grants.create(PLACE, by, grant)
            setattr(
                self, {"bot": "agent"}.get(agent, agent), (await admin.keys.create(PLACE, by, agent, NewKey()))["key"]
            )
        token = await admin.tokens.create(by, NewToken(name="owner", role=Role.OWNER, tenant=PLACE.tenant))
        self.owner = token["token"]

    def process(self, port: int = 0, **environment: str) -> Process:
        """Make a process, not yet started, whose port stays the same."""
        given = {
            **os.environ,
            "GATEHOUSE_HOME": str(self.home.path),
            "GATEHOUSE_DATABASE_URL": postgres.url_of(self.database),
            "GATEHOUSE_PORT": str(port or free_ports(1)[0]),
            "GATEHOUSE_METRICS_PORT": "0",
            "GATEHOUSE_OPENED_NETWORKS": "127.0.0.0/8",
            "GATEHOUSE_LEASE_SECONDS": "2",
            "GATEHOUSE_INTAKE_PER_SECOND": "100000",
            **{
                f"GATEHOUSE_{name.upper()}_PER_MINUTE": "6000000"
                for name in ("agent", "writes", "connection", "tenant")
            },
            **self.more,
            **environment,
        }
        made = Process(self.folder / f"serve{len(self.processes)}.log", given)
        self.processes.append(made)
        return made

    async def replicas(self, count: int, **environment: str) -> list[Process]:
        """Start processes of one worker each."""
        made = [self.process(**environment) for _ in range(count)]
        await asyncio.gather(*(one.start() for one in made))
        return made

    async def ask(
        self, method: str, url: str, body: object = None, *, bearer: str = "", **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Ask anything, as the agent unless a credential is given."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given["Authorization"] = f"Bearer {bearer or self.agent}"
        async with self.session.request(method, url, json=body, headers=given) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers.copy()

    async def create(self, url: str, key: str, *, bearer: str = "", **headers: str) -> tuple[int, Any]:
        """Create an issue whose title is the key."""
        status, body, _ = await self.ask(
            "POST",
            f"{url}/v1/actions/github.issue.create",
            ISSUE | {"title": key},
            bearer=bearer,
            **{"Idempotency-Key": key, **headers},
        )
        return status, body

    async def ended(self, url: str, call: str, *, bearer: str = "", seconds: float = 30) -> Any:
        """Return a call once it has ended, and it is known how."""
        async with within(seconds, lambda: "\n".join(one.log.read_text()[-2000:] for one in self.processes)):
            while True:
                status, body, _ = await self.ask("GET", f"{url}/v1/calls/{call}?wait=1", bearer=bearer)
                # 503: on a busy machine the control plane may not have been looked at for a second.
                if status != 503 and body.get("status") not in {
                    "running",
                    "queued",
                    "pending_approval",
                    "outcome_unknown",
                }:
                    return body
                await asyncio.sleep(0.05)

    async def rows(self, statement: str) -> list[Any]:
        """Return what a query of the ledger gives."""
        connection = await asyncpg.connect(postgres.url_of(self.database))
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    def effects(self) -> list[str]:
        """Return what was changed at the vendor, as `METHOD path`."""
        return [f"{effect.method} {effect.path}" for effect in self.github.applied]

    def applied(self) -> int:
        """Return how many effects the vendor has seen."""
        return len(self.github.applied)

    async def close(self) -> None:
        for process in self.processes:
            if hasattr(process, "process"):
                if process.process.returncode is None:
                    process.signal(signal.SIGCONT)
                await process.kill()
        await self.session.close()
        await self.github.stop()
        if self.database:
            await postgres.drop(self.database)


@asynccontextmanager
async def within(seconds: float, told: Callable[[], str]) -> AsyncIterator[None]:
    """Bound what is waited for, and say what was going on where it does not come."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise AssertionError(f"not within {seconds} seconds; the log ends with\n{told()}") from None
