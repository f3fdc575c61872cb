"""A gateway in this process over a real simulator, with clocks that a test moves and a socket that it can hold."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.github.simulator import SIMULATOR
from connectors.sdk.exchange import Response
from connectors.sdk.simulator import Simulator
from gateway.app import Gateway
from gateway.call import Answer, Asked, Options
from gateway.installation import Home, set_up
from gateway.sandbox import sandbox_settings, seed
from gateway.settings import Settings
from gateway.upstream.transport import AiohttpTransport, Outbound, Unanswered


class MovingClock:
    """Real time, and as much more as a test has slept or waited."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead

    async def sleep(self, seconds: float) -> None:
        self.ahead += seconds
        await asyncio.sleep(0)


class Wire:
    """The real transport, which loses the answers of effects while `lose` says so."""

    def __init__(self, transport: AiohttpTransport) -> None:
        self._transport = transport
        self.lose: Callable[[Outbound], bool] = lambda outbound: False
        self.drop: Callable[[Outbound], bool] = lambda outbound: False
        self.sent: list[Outbound] = []
        self.lost = asyncio.Event()

    async def send(self, outbound: Outbound) -> Response:
        self.sent.append(outbound)
        if self.drop(outbound):
            raise Unanswered("the exchange broke off")
        response = await self._transport.send(outbound)
        if self.lose(outbound):
            self.lost.set()
            await asyncio.Event().wait()
        return response

    async def close(self) -> None:
        await self._transport.close()


class Bench:
    """Starts gateways on one home, one after the other."""

    def __init__(self, home: Path, simulator: Simulator, clock: MovingClock) -> None:
        self.home = Home(home)
        self.simulator = simulator
        self.clock = clock

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[tuple[Gateway, Wire]]:
        settings = sandbox_settings(Settings(home=self.home.path, port=0, metrics_port=0, drain_seconds=0))
        if not self.home.ledger.exists():
            await set_up(settings, self.home, sandbox=True)
        wire = Wire(AiohttpTransport(opened=settings.opened()))
        gateway = Gateway(settings, clock=self.clock, transport=wire)
        for part in (gateway.recovery, gateway.road, gateway.reconciler):
            part._sleep = self.clock.sleep  # type: ignore[attr-defined]
        await gateway.start()
        try:
            told = await seed(gateway, self.home, {"github": self.simulator.url})
            self.home.sandbox.write_bytes(orjson.dumps(told))
            yield gateway, wire
        finally:
            await gateway.stop()

    async def asked(self, gateway: Gateway, action: str, key: str, value: Mapping[str, Any]) -> Asked:
        told = orjson.loads(self.home.sandbox.read_bytes())
        principal = await gateway.directory.authenticate(told["agent_key"], "127.0.0.1")
        trace = gateway.telemetry.trace(None)
        return Asked(principal, action, orjson.dumps(value), Options(key=key), "127.0.0.1", trace)

    async def call(self, gateway: Gateway, action: str, key: str, value: Mapping[str, Any]) -> Answer:
        return await gateway.pipeline.invoke(await self.asked(gateway, action, key, value))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    simulator = SIMULATOR()
    await simulator.start()
    try:
        yield Bench(tmp_path / "home", simulator, MovingClock())
    finally:
        await simulator.stop()
