"""A vendor that costs next to nothing: GitHub-shaped answers from one asyncio protocol, and a sink for traces.

`python -m bench.speed.upstream` prints its port. It reads no more of a request than where it ends.
"""

import asyncio
import signal
import sys

import orjson
import uvloop

_USER = {
    "login": "octavia",
    "id": 583231,
    "node_id": "MDQ6VXNlcjU4MzIzMQ==",
    "avatar_url": "https://avatars.githubusercontent.com/u/583231?v=4",
    "html_url": "https://github.com/octavia",
    "type": "User",
    "site_admin": False,
}
_LABEL = {"id": 208045946, "name": "bug", "color": "d73a4a", "default": True, "description": "Something isn't working"}
_ROOT = "https://api.github.com/repos/acme/web"
ISSUE = {
    "id": 1,
    "node_id": "MDU6SXNzdWUx",
    "url": f"{_ROOT}/issues/1347",
    "repository_url": _ROOT,
    "labels_url": f"{_ROOT}/issues/1347/labels{{/name}}",
    "comments_url": f"{_ROOT}/issues/1347/comments",
    "events_url": f"{_ROOT}/issues/1347/events",
    "html_url": "https://github.com/acme/web/issues/1347",
    "number": 1347,
    "state": "open",
    "state_reason": None,
    "title": "Login page answers 500",
    "body": "Steps:\n1. Open /login\n2. See the error. " + "It happens on every browser. " * 12,
    "user": _USER,
    "labels": [_LABEL],
    "assignees": [_USER],
    "milestone": None,
    "locked": False,
    "active_lock_reason": None,
    "comments": 3,
    "author_association": "COLLABORATOR",
    "created_at": "2026-01-31T12:00:00Z",
    "updated_at": "2026-01-31T13:00:00Z",
    "closed_at": None,
}
_BODY = orjson.dumps(ISSUE)
_HEAD = (
    "HTTP/1.1 {status}\r\ncontent-type: application/json; charset=utf-8\r\nserver: github.com\r\n"
    "x-ratelimit-limit: 1000000000\r\nx-ratelimit-remaining: 999999999\r\nx-ratelimit-used: 1\r\n"
    "x-ratelimit-reset: 4102444800\r\nx-ratelimit-resource: core\r\nx-github-request-id: 0000:0000:0000:0000\r\n"
    'etag: "0123456789abcdef"\r\ncontent-length: {length}\r\n\r\n'
)


def _answer(status: str, body: bytes) -> bytes:
    return _HEAD.format(status=status, length=len(body)).encode() + body


_READ, _MADE, _NOTHING = _answer("200 OK", _BODY), _answer("201 Created", _BODY), _answer("200 OK", b"")


class Upstream(asyncio.Protocol):
    """Answers each request as soon as its end has come."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Take in bytes, and answer what is whole."""
        assert self._transport is not None
        buffer = self._buffer + data if self._buffer else data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            length = _length(buffer[:end])
            if len(buffer) < end + 4 + length:
                break
            self._transport.write(_reply(buffer))
            buffer = buffer[end + 4 + length :]
        self._buffer = buffer


def _reply(request: bytes) -> bytes:
    if request.startswith(b"POST /v1/traces"):
        return _NOTHING
    return _MADE if request.startswith(b"POST") else _READ


def _length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    return int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def _main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=1024)
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stopped.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(_main())
