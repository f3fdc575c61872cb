"""The driver for machines without wrk: asyncio protocols, one request at a time on each connection.

`python -m bench.speed.driver` reads what to do as JSON and writes what it measured. It takes more of the processor than
wrk, so on few cores requests a second are lower; CPU per request stays the target's own.
"""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson
import uvloop

from bench.speed.load import KEY


class _Load:
    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self._host = urlsplit(given["url"]).netloc
        self._body: bytes = given["body"].encode()
        self._key_inside = KEY.encode() in self._body
        self.until = time.perf_counter() + given["seconds"]
        self.milliseconds: list[float] = []
        self.errors = 0
        self._count = 0

    def next(self) -> bytes:
        self._count += 1
        given, key = self._given, f"{self._given['name']}-{self._count}"
        body = self._body.replace(KEY.encode(), key.encode()) if self._key_inside else self._body
        lines = [f"POST {given['path']} HTTP/1.1", f"host: {self._host}"]
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in given["headers"].items()]
        bearers: Sequence[str] = given["bearers"]
        if bearers:
            lines.append(f"authorization: Bearer {bearers[self._count % len(bearers)]}")
        if given["fresh_keys"] and not self._key_inside:
            lines.append(f"idempotency-key: {key}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class _Connection(asyncio.Protocol):
    def __init__(self, load: _Load) -> None:
        self._load = load
        self._buffer = b""
        self._transport: Any = None
        self._sent = 0.0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + 4 + length:
            return
        self._load.milliseconds.append((time.perf_counter() - self._sent) * 1000)
        self._load.errors += head[9:10] != b"2"
        self._buffer = b""
        if time.perf_counter() < self._load.until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.errors += exc is not None
        if not self.ended.done():
            self.ended.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._load.next())


async def _main() -> None:
    given = orjson.loads(sys.stdin.buffer.read())
    parts = urlsplit(given["url"])
    load = _Load(given)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    open_ones = [
        await loop.create_connection(lambda: _Connection(load), parts.hostname, parts.port)
        for _ in range(given["connections"])
    ]
    await asyncio.wait_for(asyncio.gather(*(one.ended for _, one in open_ones)), given["seconds"] + 30)
    times = sorted(load.milliseconds) or [0.0]
    told = {"requests": len(load.milliseconds), "errors": load.errors, "seconds": time.perf_counter() - began}
    told |= {"p50_ms": times[len(times) // 2], "p99_ms": times[min(len(times) * 99 // 100, len(times) - 1)]}
    sys.stdout.write(orjson.dumps(told).decode())


if __name__ == "__main__":
    uvloop.run(_main())
