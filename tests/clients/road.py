"""A road to the gateway that breaks: a loopback proxy that loses requests and answers as it is told."""

from collections import deque
from types import TracebackType
from typing import Self

from aiohttp import ClientSession, web

HOP = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}


class Road:
    """Passes requests on. Each one takes the next of `faults`:

    `lose_request` closes before the gateway sees it, `lose_answer` after the gateway has answered, `html` answers 502
    as a proxy would, `pass` passes it on. What was passed on is in `passed`, with its headers.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.faults: deque[str] = deque()
        self.passed: list[tuple[str, dict[str, str]]] = []
        self.seen = 0

    async def __aenter__(self) -> Self:
        self._session = ClientSession(auto_decompress=False)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._runner.cleanup()

    def keys(self) -> list[str]:
        """Return the idempotency keys that came, in order."""
        return [headers["Idempotency-Key"] for _, headers in self.passed if "Idempotency-Key" in headers]

    async def _pass(self, request: web.Request) -> web.Response:
        self.seen += 1
        fault = self.faults.popleft() if self.faults else "pass"
        if fault == "lose_request":
            return self._cut(request)
        if fault == "html":
            return web.Response(status=502, text="<html>Bad gateway</html>", content_type="text/html")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        self.passed.append((f"{request.method} {request.path}", headers))
        body = await request.read()
        url = self.target + str(request.rel_url)
        async with self._session.request(request.method, url, data=body, headers=headers) as answer:
            content = await answer.read()
            if fault == "lose_answer":
                return self._cut(request)
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
            return web.Response(status=answer.status, body=content, headers=kept)

    def _cut(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
