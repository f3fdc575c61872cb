"""A proxy on loopback that knows CONNECT and nothing else (RFC 9110, section 9.3.6). Names lead where a test says."""

import asyncio
import base64
from collections.abc import Mapping


class ConnectProxy:
    """`names` maps `host:port` to where it leads. `asked` are the hosts that were asked for, `wanted` the login."""

    def __init__(self, names: Mapping[str, tuple[str, int]], *, login: str | None = None) -> None:
        self._names = dict(names)
        self._login = login
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://{self._login + '@' if self._login else ''}127.0.0.1:{self.port}"

    async def start(self) -> "ConnectProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._connect(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n")[0].split(" ")
        self.asked.append(target)
        wanted = base64.b64encode((self._login or "").encode()).decode()
        if self._login and f"basic {wanted}".lower() not in head.lower():
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
        elif method != "CONNECT" or target not in self._names:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
        else:
            beyond, onward = await asyncio.open_connection(*self._names[target])
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pipe(reader, onward), _pipe(beyond, writer))
        await writer.drain()


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    finally:
        target.close()
