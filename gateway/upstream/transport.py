"""One exchange over a socket. Two methods, so that a leaner client can take aiohttp's place.

Errors are split by phase, because only the second makes a write's outcome unknown:

    NotSent      no byte of the request was handed to a socket
    Unanswered   it was, and no whole answer came back
"""

import asyncio
import ipaddress
import socket
import ssl
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from yarl import URL

from connectors.sdk.exchange import Response
from connectors.sdk.hosts import Network, refusal


@dataclass(frozen=True, slots=True)
class Outbound:
    """A request on its way: absolute URL, all headers, the bounds of its answer. Times are seconds."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)
    connect_seconds: float
    total_seconds: float
    max_bytes: int


class NotSent(Exception):
    """Nothing was handed to a socket: sending again is safe."""


class AddressRefused(NotSent):
    """The host's address is not one that may be reached. Sending again would not help."""


class Unanswered(Exception):
    """The request may have arrived. `status` is set where the answer broke off after its head."""

    def __init__(self, detail: str, *, timeout: bool = False, status: int | None = None) -> None:
        """Say what broke, and whether it was time that ran out."""
        super().__init__(detail)
        self.timeout = timeout
        self.status = status


class AnswerTooLarge(Unanswered):
    """The answer is over its bound, as sent or decompressed."""


class Transport(Protocol):
    """Sends one request and reads its whole answer."""

    async def send(self, outbound: Outbound) -> Response:
        """Return the answer, whatever its status. Raises `NotSent` or `Unanswered`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class AiohttpTransport:
    """The `Transport` over aiohttp, one session a vendor.

    aiohttp follows no redirect here, decompresses nothing, keeps no cookies and, above all, re-sends nothing by
    itself: it would repeat idempotent methods after a disconnect, unrecorded.
    """

    def __init__(
        self,
        *,
        opened: Sequence[Network],
        tls: ssl.SSLContext | None = None,
        limit: int = 256,
        proxy: str | None = None,
    ) -> None:
        self._opened = tuple(opened)
        self._tls = tls
        self._limit = limit
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def send(self, outbound: Outbound) -> Response:
        """Return the answer, whatever its status. Raises `NotSent` or `Unanswered`."""
        session = self._session or self._open()
        timeout = aiohttp.ClientTimeout(total=outbound.total_seconds, sock_connect=outbound.connect_seconds)
        try:
            async with session.request(
                outbound.method,
                URL(outbound.url, encoded=True),
                headers=outbound.headers,
                data=outbound.body,
                allow_redirects=False,
                timeout=timeout,
                proxy=self._proxy,
            ) as answer:
                return await _read_answer(answer, outbound.max_bytes)
        except aiohttp.ClientConnectorError as error:
            raise _not_sent(error) from error
        except (aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise NotSent(f"no connection: {type(error).__name__}") from error
        except TimeoutError as error:
            raise Unanswered("no answer in time", timeout=True) from error
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError, ValueError) as error:
            raise Unanswered(f"the exchange broke off: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._limit,
            ttl_dns_cache=30,
            ssl=self._tls if self._tls is not None else True,
            socket_factory=self._socket,
            keepalive_timeout=15,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            trust_env=False,
        )
        session._retry_connection = False
        self._session = session
        return session

    def _socket(self, info: tuple[object, ...]) -> socket.socket:
        """Make a socket for an address, or refuse it. Every address comes by here, IP literals too."""
        family, kind, proto, _, address = info
        host = str(address[0])  # type: ignore[index]
        why = refusal(host, self._opened)
        if why is not None:
            raise _Refused(why)
        made = socket.socket(int(family), int(kind), int(proto))  # type: ignore[call-overload]
        made.setblocking(False)
        return made


class _Refused(OSError):
    """Carries the guard's refusal through aiohttp's connector."""


def _not_sent(error: aiohttp.ClientConnectorError) -> NotSent:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _Refused):
            return AddressRefused(str(cause))
        if isinstance(cause, ExceptionGroup):
            for inner in cause.exceptions:
                if isinstance(inner, _Refused):
                    return AddressRefused(str(inner))
        cause = cause.__cause__ or getattr(cause, "os_error", None) or cause.__context__
        if cause is error:
            break
    if "is not a public address" in str(error):
        return AddressRefused(str(error.os_error) if error.os_error else "the address is refused")
    return NotSent(f"no connection to {error.host}:{error.port}: {type(error).__name__}")


async def _read_answer(answer: aiohttp.ClientResponse, max_bytes: int) -> Response:
    """Read a bounded answer and undo its compression, bounded too."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    declared = answer.content_length
    if declared is not None and declared > max_bytes:
        answer.close()
        raise AnswerTooLarge(f"the answer has {declared} bytes, over the bound of {max_bytes}", status=answer.status)
    try:
        body = await _read_bounded(answer, max_bytes)
    except AnswerTooLarge:
        answer.close()
        raise
    except TimeoutError as error:
        raise Unanswered("the answer did not end in time", timeout=True, status=answer.status) from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unanswered(f"the answer broke off: {type(error).__name__}", status=answer.status) from error
    encoding = headers.get("content-encoding", "")
    if encoding and body:
        body = _decompressed(body, encoding, max_bytes, answer.status)
    return Response(answer.status, headers, body)


async def _read_bounded(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    if answer.content_length is not None:
        return await answer.content.read() if answer.content_length else b""
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > max_bytes:
            raise AnswerTooLarge(f"the answer is over the bound of {max_bytes} bytes", status=answer.status)
        parts.append(part)
    return b"".join(parts)


def _decompressed(body: bytes, encoding: str, max_bytes: int, status: int) -> bytes:
    """Undo gzip or deflate, and stop at the bound: a bomb costs no more than that."""
    wanted = encoding.strip().lower()
    if wanted == "identity":
        return body
    if wanted not in {"gzip", "x-gzip", "deflate"}:
        raise Unanswered(f"the answer is encoded as {wanted[:20]!r}, which was not asked for", status=status)
    undo = zlib.decompressobj(wbits=47 if wanted != "deflate" else 15)
    try:
        plain = undo.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise Unanswered("the answer's compression is broken", status=status) from error
    if len(plain) > max_bytes:
        raise AnswerTooLarge(f"the answer unpacks to more than {max_bytes} bytes", status=status)
    if not undo.eof:
        raise Unanswered("the answer's compression broke off", status=status)
    return plain


def opens_loopback(opened: Sequence[Network]) -> bool:
    """Whether the operator opened loopback, where plain http is allowed."""
    return any(ipaddress.ip_address("127.0.0.1") in net for net in opened if net.version == 4)
