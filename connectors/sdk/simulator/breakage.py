"""Answers that go wrong on the wire: resets, half bodies, floods and silence."""

import asyncio
import socket
import struct
import zlib
from functools import lru_cache
from typing import Any

from aiohttp import web

from connectors.sdk.simulator.answer import Answer
from connectors.sdk.simulator.faults import Fault

HUGE_BYTES = 1_000_000_000
BOMB_BYTES = 256 * 1024 * 1024
_CHUNK = 256 * 1024
_LINGER_RESET = struct.pack("ii", 1, 0)
PAGE = b"<!doctype html><html><head><title>Service</title></head><body><h1>We'll be right back</h1></body></html>"

RawRequest = web.BaseRequest


def reset(request: RawRequest) -> web.StreamResponse:
    """End the connection with an RST instead of an answer."""
    transport = request.transport
    if transport is not None:
        wire: Any = transport.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        transport.abort()
    return web.Response()


async def half(request: RawRequest, answer: Answer) -> web.StreamResponse:
    """Announce the whole body (and at least 64 bytes of it), send half, and close.

    An answer of a status that has no body is sent as 200, so that there is one to break off.
    """
    length = max(len(answer.body), 64)
    status = 200 if answer.status in {204, 205, 304} else answer.status
    response = web.StreamResponse(status=status, headers=dict(answer.headers))
    response.content_length = length
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def flood(request: RawRequest, answer: Answer) -> web.StreamResponse:
    """Send 1 GB of JSON text, until it is all sent or the client has left."""
    response = web.StreamResponse(status=answer.status, headers={"content-type": "application/json"})
    await response.prepare(request)
    try:
        await response.write(b'{"padding": "')
        for _ in range(HUGE_BYTES // _CHUNK):
            await response.write(b"a" * _CHUNK)
        await response.write(b'"}')
    except ConnectionError:
        pass  # what a bounded client does
    return response


def bomb(answer: Answer) -> web.StreamResponse:
    """Answer with a small gzip body that decompresses to 256 MiB."""
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    return web.Response(status=answer.status, headers=headers, body=_bomb())


def redirect(fault: Fault) -> web.StreamResponse:
    """Send the client to another host."""
    return web.Response(status=302, headers={"location": fault.location})


async def silence(request: RawRequest) -> web.StreamResponse:
    """Wait until the client leaves."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - aiohttp tells nobody
        await asyncio.sleep(0.02)
    return web.Response()


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    """Repeat one compressed block: a full flush makes blocks independent of each other."""
    block = b" " * (1024 * 1024)
    count = BOMB_BYTES // len(block)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = squeeze.compress(block) + squeeze.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS).flush(zlib.Z_FINISH)
    check = 0
    for _ in range(count):
        check = zlib.crc32(block, check)
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return header + piece * count + end + struct.pack("<II", check, BOMB_BYTES & 0xFFFFFFFF)
