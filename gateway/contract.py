"""Runs a connector's contract suite: a whole gateway in a folder of its own, over the connector's simulator."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from importlib import import_module
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from connectors.sdk import Connector, Resource
from connectors.sdk.contract import Answered, TierReport, run_suite
from connectors.sdk.contract.check import Who
from connectors.sdk.contract.suite import Progress
from connectors.sdk.path import fields_of
from connectors.sdk.simulate import find
from connectors.sdk.simulator import Simulator
from gateway.admin.agents import NewAgent
from gateway.admin.connections import NewConnection
from gateway.admin.grants import NewGrant
from gateway.admin.keys import NewKey
from gateway.admin.rows import Place
from gateway.admin.tenants import NewEnvironment, NewTenant
from gateway.admin.tokens import at_start
from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.installation import Home, set_up
from gateway.registry import Registry
from gateway.sandbox import sandbox_settings
from gateway.settings import Settings
from gateway.telemetry import Telemetry
from scopes.grant import Autonomy

_PLACE = Place("contract", "check")
_BY = at_start("contract suite")


class SteppedClock(SystemClock):
    """The machine's clock, moved on by every wait, so that waits take no time."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> datetime:
        """Return the time of day, with all waits in it."""
        return super().now() + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        """Return seconds, with all waits in them."""
        return super().monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        """Move on instead of waiting."""
        self._ahead += seconds
        await asyncio.sleep(0)


class ContractBench:
    """The suite's `Bench` over one gateway."""

    def __init__(self, connector: Connector, simulator: Simulator, gateway: Gateway, keys: Mapping[Who, str]) -> None:
        self.connector = connector
        self.simulator = simulator
        self._gateway = gateway
        self._keys = keys
        self._numbers = count(1)
        self._round = 0
        self._cases = import_module(f"{connector.package}.simulator.cases")
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        """Close the client."""
        await self._session.close()

    async def arrange(self) -> Mapping[str, Mapping[str, Any]]:
        """Go back to a fresh world. Keys of the rounds before are other keys."""
        self._round += 1
        self.simulator.reset()
        self._gateway.road.forget_failures()
        cases: Mapping[str, Mapping[str, Any]] = self._cases.arrange(self.simulator)
        return cases

    async def run(
        self, action: str, value: Mapping[str, Any], *, key: str | None = None, who: Who = "free"
    ) -> Answered:
        """Run a call."""
        return await self._post(f"/v1/actions/{action}", value, key or f"own-{next(self._numbers)}", who)

    async def preview(self, action: str, value: Mapping[str, Any], *, key: str) -> Answered:
        """Preview a call."""
        return await self._post(f"/v1/actions/{action}/preview", value, key, "free")

    async def _post(self, path: str, value: Mapping[str, Any], key: str, who: Who) -> Answered:
        headers = {"Authorization": f"Bearer {self._keys[who]}", "Idempotency-Key": f"{self._round}-{key}"}
        async with self._session.post(self._gateway.url + path, json=value, headers=headers) as answer:
            return Answered(answer.status, await answer.json(content_type=None))


async def check(connector: Connector, progress: Progress | None = None) -> TierReport:
    """Run the suite over a connector."""
    async with bench_of(connector) as bench:
        return await run_suite(bench, progress=progress)


@asynccontextmanager
async def bench_of(connector: Connector) -> AsyncGenerator[ContractBench]:
    """Open a gateway over the connector's simulator, in a folder that is removed afterwards."""
    clock = SteppedClock()
    simulator = find(connector.package + ".simulator")(clock=lambda: clock.now().timestamp())
    await simulator.start()
    with TemporaryDirectory() as folder:
        settings = sandbox_settings(Settings(home=Path(folder), port=0, metrics_port=0, drain_seconds=0, trace_ratio=0))
        await set_up(settings, Home(settings.home), sandbox=True)
        gateway = Gateway(
            settings,
            clock=clock,
            registry=Registry([connector]),
            telemetry=Telemetry(ratio=0, exporter=None),
            sleep=clock.sleep,
        )
        await gateway.start()
        bench = ContractBench(connector, simulator, gateway, await _keys(gateway, connector, simulator))
        try:
            yield bench
        finally:
            await bench.close()
            await gateway.stop()
            await simulator.stop()


async def _keys(gateway: Gateway, connector: Connector, simulator: Simulator) -> Mapping[Who, str]:
    """Make the connection and the two agents; return their keys."""
    admin, name = gateway.admin, f"{connector.id}/contract"
    await admin.tenants.create(_BY, NewTenant(id=_PLACE.tenant))
    await admin.tenants.create_environment(_BY, _PLACE.tenant, NewEnvironment(id=_PLACE.environment))
    await admin.connections.create(
        _PLACE,
        _BY,
        NewConnection(
            connector=connector.id,
            name=name,
            method=simulator.method,
            credential=dict(simulator.credential),
            base_url=simulator.url,
        ),
    )
    keys: dict[Who, str] = {}
    walls: Mapping[Who, dict[str, Any]] = {"free": {}, "walled": {"resources": _elsewhere(connector)}}
    for who, constraints in walls.items():
        await admin.agents.create(_PLACE, _BY, NewAgent(name=who))
        await admin.grants.create(
            _PLACE,
            _BY,
            NewGrant(
                agent=who,
                connection=name,
                scopes=[f"{connector.id}:*:*"],
                constraints=constraints,
                autonomy=Autonomy.AUTO,
            ),
        )
        keys[who] = (await admin.keys.create(_PLACE, _BY, who, NewKey()))["key"]
    return keys


def _elsewhere(connector: Connector) -> list[str]:
    """Return patterns of resources that are not there, as long as the connector's identities are."""
    templates = [a.resource.template for a in connector.actions.values() if isinstance(a.resource, Resource)]
    lengths = {len(fields_of(template)) for template in templates} or {1}
    return ["/".join(["zz-elsewhere"] * length) for length in sorted(lengths)]
