r"""What a worker and its supervisor say to each other, over a pair of sockets that no other process has.

    worker:      ready\\n                       once, when it listens
    supervisor:  metrics\\n
    worker:      metrics <bytes>\\n<the text>

The end of the stream is a message too: whoever reads it knows that the other has ended, however that came.
"""

import asyncio
import socket
from collections.abc import Callable

_SECONDS = 2.0


class WorkerSide:
    """The worker's end."""

    def __init__(self, descriptor: int, metrics: Callable[[], bytes]) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._metrics = metrics

    async def serve(self) -> None:
        """Say that the worker is ready, and answer until the supervisor has ended."""
        reader, writer = await asyncio.open_connection(sock=self._socket)
        try:
            writer.write(b"ready\n")
            while await reader.readline():
                text = self._metrics()
                writer.write(b"metrics %d\n" % len(text) + text)
        except ConnectionError:
            pass
        finally:
            writer.close()


class SupervisorSide:
    """The supervisor's end. `ready` is set when the worker listens."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asking = asyncio.Lock()
        self.ready = False

    @classmethod
    async def open(cls, end: socket.socket) -> "SupervisorSide":
        """Open it over a socket."""
        return cls(*await asyncio.open_connection(sock=end))

    async def until_ready(self) -> bool:
        """Wait for the worker. Returns whether it is ready: not where it ended before."""
        try:
            self.ready = await self._reader.readline() == b"ready\n"
        except ConnectionError:
            self.ready = False
        return self.ready

    async def metrics(self) -> bytes:
        """Return the worker's metrics, nothing where it does not answer in time."""
        if not self.ready:
            return b""
        try:
            async with self._asking, asyncio.timeout(_SECONDS):
                self._writer.write(b"metrics\n")
                head = await self._reader.readline()
                return await self._reader.readexactly(int(head.split()[1])) if head else b""
        except TimeoutError:
            self.ready = False  # its late answer would be taken for the next one's
            return b""
        except (ConnectionError, asyncio.IncompleteReadError):
            return b""

    def close(self) -> None:
        """Close it."""
        self._writer.close()
