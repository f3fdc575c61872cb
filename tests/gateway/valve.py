"""The real road out with a valve in it: a test stops an exchange before it leaves or after it was answered."""

import asyncio
from dataclasses import dataclass, field

from connectors.sdk.exchange import Response
from gateway.upstream.transport import AiohttpTransport, Outbound


@dataclass(eq=False)
class Stop:
    """One place where exchanges wait. `when` is `before` (nothing left yet) or `after` (the vendor has answered)."""

    method: str
    part: str
    when: str
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def takes(self, outbound: Outbound) -> bool:
        return self.method == outbound.method and self.part in outbound.url

    async def hold(self) -> None:
        self.arrived.set()
        await self.opened.wait()

    def release(self) -> None:
        self.opened.set()


class Valve:
    """A `Transport` over real sockets that keeps what it sent and stops where it was told to."""

    def __init__(self, inner: AiohttpTransport) -> None:
        self._inner = inner
        self.sent: list[Outbound] = []
        self.stops: list[Stop] = []

    def stop(self, method: str, part: str, when: str = "before") -> Stop:
        made = Stop(method, part, when)
        self.stops.append(made)
        return made

    async def send(self, outbound: Outbound) -> Response:
        for stop in self._at("before", outbound):
            await stop.hold()
        self.sent.append(outbound)
        response = await self._inner.send(outbound)
        for stop in self._at("after", outbound):
            await stop.hold()
        return response

    async def close(self) -> None:
        await self._inner.close()

    def _at(self, when: str, outbound: Outbound) -> list[Stop]:
        return [stop for stop in self.stops if stop.when == when and not stop.opened.is_set() and stop.takes(outbound)]
