"""A TCP proxy between the gateway and PostgreSQL that cuts connections where a test says.

`cut_before` drops a connection when the client sends a statement, before the server gets it; `cut_after` hands the
statement on and drops the connection instead of the server's answer.
"""

import asyncio
from typing import Any
from urllib.parse import urlsplit


class Proxy:
    """Listens on loopback and forwards to a server. `refuse` turns new connections away."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 5432
        self._listener: asyncio.Server | None = None
        self._pairs: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.port = 0
        self.refuse = False
        self.cut_before: bytes | None = None
        self.cut_after: bytes | None = None
        self.cuts = 0

    async def start(self) -> "Proxy":
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        assert self._listener is not None
        self._listener.close()
        self.cut_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def cut_all(self) -> None:
        for writer in list(self._pairs):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuse:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(self._host, self._port)
        self._pairs |= {writer, back}
        up = asyncio.create_task(self._up(reader, back, writer))
        down = asyncio.create_task(_copy(there, writer))
        self._tasks |= {up, down}
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, back):
            end.transport.abort()
            self._pairs.discard(end)

    async def _up(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, front: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.cut_before is not None and self.cut_before in data:
                self.cut_before, self.cuts = None, self.cuts + 1
                return
            cut = self.cut_after is not None and self.cut_after in data
            if cut:
                front.transport.pause_reading()
                self.cut_after, self.cuts = None, self.cuts + 1
                front.transport.abort()
            back.write(data)
            await back.drain()
            if cut:
                await asyncio.sleep(0.2)  # the server has carried it out by then: it is on this machine
                return


async def _copy(there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await there.read(65536):
        writer.write(data)
        await writer.drain()
