"""What steers a gateway for tests in another language: a loopback server that makes agents, faults and decisions."""

import asyncio
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.clients.road import Road
from tests.gateway.world import World


class Stage:
    """Each `POST /<what>` is one method here; its body is the arguments. One test at a time."""

    def __init__(self, world: World, road: Road) -> None:
        self._world = world
        self._road = road
        self._agents = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{what}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        do = getattr(self, f"do_{request.match_info['what']}")
        return web.json_response(await do(**await request.json()))

    async def do_agent(self, **terms: Any) -> dict[str, Any]:
        """Make an agent with a connection of its own, and forget what was seen before."""
        self._agents += 1
        agent = await self._world.caller(f"agent{self._agents}", **terms)
        self._road.faults.clear()
        self._road.passed.clear()
        self._road.seen = 0
        self._world.toy.received.clear()
        self._world.toy.applied.clear()
        return {"url": self._road.url, "key": agent.key}

    async def do_forward(self, seconds: float) -> dict[str, Any]:
        self._world.clock.forward(seconds=seconds)
        return {}

    async def do_faults(self, faults: list[str]) -> dict[str, Any]:
        self._road.faults.extend(faults)
        return {}

    async def do_vendor(self, **fault: Any) -> dict[str, Any]:
        self._world.toy.faults.add(fault)
        return {}

    async def do_seen(self) -> dict[str, Any]:
        return {
            "applied": self._world.applied(),
            "reached": self._world.reached(),
            "keys": self._road.keys(),
            "requests": self._road.seen,
        }

    async def do_decide(self, approve: bool) -> dict[str, Any]:
        """Decide about the call that waits for a person, once there is one."""
        while not (found := await self._world.rows("SELECT call FROM approvals WHERE status='pending'")):
            await asyncio.sleep(0)
        await self._world.decide(found[0][0], approve=approve)
        return {}
