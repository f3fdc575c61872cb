"""Runs a connector's contract suite: a whole gateway in a folder of its own, over the connector's simulator."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from importlib import import_module
from io import BytesIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import aiohttp
import orjson

from connectors.sdk import Connector, Resource
from connectors.sdk.contract import Answered, TierReport, run_suite
from connectors.sdk.contract.check import Who
from connectors.sdk.contract.suite import Progress
from connectors.sdk.path import fields_of
from connectors.sdk.simulate import find
from connectors.sdk.simulator import Simulator
from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.contract_desk import Desk
from gateway.installation import Home, set_up
from gateway.registry import Registry
from gateway.sandbox import sandbox_settings
from gateway.settings import Settings
from gateway.telemetry import Telemetry


class SteppedClock(SystemClock):
    """The machine's clock, moved on by every wait, so that waits take no time."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> datetime:
        """Return the time of day, with all waits in it."""
        return super().now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        """Return seconds, with all waits in them."""
        return super().monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        """Move on instead of waiting."""
        self.ahead += seconds
        await asyncio.sleep(0)


class ContractBench:
    """A gateway with the connector's simulator behind it. `close` ends the client; the rest is `bench_of`'s."""

    def __init__(
        self, connector: Connector, simulator: Simulator, gateway: Gateway, clock: SteppedClock, desk: Desk
    ) -> None:
        self.connector = connector
        self.simulator = simulator
        self._gateway = gateway
        self._clock = clock
        self._desk = desk
        self._numbers = count(1)
        self._round = 0
        self._cases = import_module(f"{connector.package}.simulator.cases")
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        """Close the client."""
        await self._session.close()

    @property
    def waited(self) -> float:
        """Return the seconds that were waited so far."""
        return self._clock.ahead

    async def arrange(self) -> Mapping[str, Mapping[str, Any]]:
        """Go back to a fresh world. Keys of the rounds before are other keys."""
        self._round += 1
        self.simulator.reset()
        self._gateway.road.forget_failures()
        cases: Mapping[str, Mapping[str, Any]] = self._cases.arrange(self.simulator)
        return cases

    def aliases(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return what the simulator's cases say of other spellings: nothing where they are silent. Resets the world."""
        known = getattr(self._cases, "aliases", None)
        self.simulator.reset()
        found: Mapping[str, Sequence[Mapping[str, Any]]] = known(self.simulator) if known is not None else {}
        return found

    async def run(
        self, action: str, value: Mapping[str, Any], *, key: str | None = None, who: Who = "free"
    ) -> Answered:
        """Run a call."""
        key = key or f"own-{next(self._numbers)}"
        return await self._post(f"/v1/actions/{action}", orjson.dumps(value), key, who)

    async def send(self, action: str, body: bytes) -> Answered:
        """Run a call with a body as it is."""
        return await self._post(f"/v1/actions/{action}", body, f"own-{next(self._numbers)}", "free")

    async def preview(self, action: str, value: Mapping[str, Any], *, key: str, who: Who = "free") -> Answered:
        """Preview a call."""
        return await self._post(f"/v1/actions/{action}/preview", orjson.dumps(value), key, who)

    async def bind(self, resource: str) -> None:
        """Change the grant of `bound`."""
        await self._desk.bind(resource)

    async def connect(self, who: Literal["pasted", "consented"]) -> bool:
        """Reconnect, which asks the simulator whose the credential is."""
        return await self._desk.connect(who)

    async def record(self, answered: Answered) -> Sequence[Mapping[str, Any]]:
        """Return the events of a call, vendor's bodies and all."""
        call = str(answered.body.get("id") or answered.body.get("call"))
        return await self._desk.record(call)

    async def _post(self, path: str, body: bytes, key: str, who: Who) -> Answered:
        headers = {
            "Authorization": f"Bearer {self._desk.keys[who]}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"{self._round}-{key}",
        }
        async with self._session.post(self._gateway.url + path, data=BytesIO(body), headers=headers) as answer:
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
        desk = await Desk.opened(gateway, connector, simulator, elsewhere=_elsewhere(connector))
        bench = ContractBench(connector, simulator, gateway, clock, desk)
        try:
            yield bench
        finally:
            await bench.close()
            await gateway.stop()
            await simulator.stop()


def _elsewhere(connector: Connector) -> list[str]:
    """Return patterns of resources that are not there, as long as the connector's identities are."""
    templates = [a.resource.template for a in connector.actions.values() if isinstance(a.resource, Resource)]
    lengths = {len(fields_of(template)) for template in templates} or {1}
    return ["/".join(["zz-elsewhere"] * length) for length in sorted(lengths)]
