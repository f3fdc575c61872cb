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
from typing import Any, Protocol

import aiohttp
from credentials.certificate import ClientCertificate, KeyUnreadable
from yarl import URL

from connectors.sdk.exchange import Response
from connectors.sdk.hosts import Network, refusal

_MOST_POOLS = 256


@dataclass(frozen=True, slots=True)
class Outbound:
    """A request on its way: absolute URL, all headers, the bounds of its answer. Times are seconds.

    `certificate` is what TLS shows to the host.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)
    connect_seconds: float
    total_seconds: float
    max_bytes: int
    certificate: ClientCertificate | None = None


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


@dataclass(slots=True, eq=False)
class _Pool:
    """The connections to one host. `slots` bounds the requests that are under way there."""

    session: aiohttp.ClientSession
    slots: asyncio.Semaphore
    busy: int = 0


class AiohttpTransport:
    """The `Transport` over aiohttp: a pool of at most `limit` connections for each host, so that one that is slow
    takes none from the others, and for each client certificate, so that none serves a connection that has another.
    A host that refuses a certificate says so before the request leaves with TLS 1.2, and only afterwards with TLS 1.3.

    aiohttp follows no redirect here, decompresses nothing, keeps no cookies and, above all, re-sends nothing by
    itself: it would repeat idempotent methods after a disconnect, unrecorded.

    With a `proxy` (a URL) all go through it but loopback and addresses of opened networks. It resolves names, so it
    has to refuse those that lead to private addresses; addresses that are written out are refused here.
    """

    def __init__(
        self,
        *,
        opened: Sequence[Network],
        tls: ssl.SSLContext | None = None,
        limit: int = 64,
        proxy: str | None = None,
    ) -> None:
        self._opened = tuple(opened)
        self._tls = tls
        self._limit = limit
        self._proxy = proxy
        self._pools: dict[tuple[str, int, str], _Pool] = {}

    async def send(self, outbound: Outbound) -> Response:
        """Return the answer, whatever its status. Raises `NotSent` or `Unanswered`."""
        url = URL(outbound.url, encoded=True)
        proxy = self._proxy_to(url.host or "")
        pool = await self._pool(url, outbound.certificate, proxied=proxy is not None)
        await _take(pool, outbound.connect_seconds, url.host or "")
        try:
            return await self._exchange(pool.session, outbound, url, proxy)
        finally:
            pool.busy -= 1
            pool.slots.release()

    async def close(self) -> None:
        """Close all connections."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.session.close()

    async def _exchange(
        self, session: aiohttp.ClientSession, outbound: Outbound, url: URL, proxy: str | None
    ) -> Response:
        # Connecting must fail as such, and not because the whole took too long: that would count as sent.
        connect = min(outbound.connect_seconds, outbound.total_seconds * 0.9)
        timeout = aiohttp.ClientTimeout(total=outbound.total_seconds, connect=connect)
        connected: list[bool] = []
        try:
            async with session.request(
                outbound.method,
                url,
                headers=outbound.headers,
                data=outbound.body,
                allow_redirects=False,
                timeout=timeout,
                proxy=proxy,
                trace_request_ctx=connected,
            ) as answer:
                return await _read_answer(answer, outbound.max_bytes)
        except aiohttp.ClientConnectorError as error:
            raise _not_sent(error) from error
        except (aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise NotSent(f"no connection: {type(error).__name__}") from error
        except aiohttp.ClientHttpProxyError as error:
            raise NotSent(f"the proxy refused to connect: {error.status}") from error
        except TimeoutError as error:
            raise Unanswered("no answer in time", timeout=True) from error
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError, ValueError) as error:
            if proxy is not None and not connected:
                raise NotSent(f"the proxy did not connect: {type(error).__name__}") from error
            raise Unanswered(f"the exchange broke off: {type(error).__name__}") from error

    def _proxy_to(self, host: str) -> str | None:
        """Return the proxy for a host. Raises `AddressRefused` for an address that it must not be asked for."""
        if self._proxy is None or host == "localhost":
            return None
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return self._proxy
        if any(address in network for network in self._opened if network.version == address.version):
            return None
        why = refusal(host, self._opened)
        if why is not None:
            raise AddressRefused(why)
        return self._proxy

    async def _pool(self, url: URL, certificate: ClientCertificate | None, *, proxied: bool) -> _Pool:
        key = (url.host or "", url.port or 0, certificate.digest if certificate is not None else "")
        pool = self._pools.pop(key, None)
        if pool is None:
            pool = _Pool(self._open(self._tls_with(certificate), proxied=proxied), asyncio.Semaphore(self._limit))
        pool.busy += 1
        self._pools[key] = pool  # the last one is the one used last
        if len(self._pools) > _MOST_POOLS:
            idle = next((other for other, it in self._pools.items() if not it.busy), None)
            if idle is not None:
                await self._pools.pop(idle).session.close()
        return pool

    def _tls_with(self, certificate: ClientCertificate | None) -> ssl.SSLContext | None:
        if certificate is None:
            return self._tls
        try:
            return certificate.context(self._tls)
        except KeyUnreadable as error:
            raise NotSent(f"the client certificate cannot be used: {error}") from error

    def _open(self, tls: ssl.SSLContext | None, *, proxied: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._limit,
            ttl_dns_cache=30,
            ssl=tls if tls is not None else True,
            socket_factory=_plain_socket if proxied else self._socket,
            keepalive_timeout=15,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            trust_env=False,
            trace_configs=[_tells_of_connections()] if proxied else None,
        )
        session._retry_connection = False
        return session

    def _socket(self, info: tuple[object, ...]) -> socket.socket:
        """Make a socket for an address, or refuse it. Every address comes by here, IP literals too."""
        why = refusal(str(info[4][0]), self._opened)  # type: ignore[index]
        if why is not None:
            raise _Refused(why)
        return _plain_socket(info)


def _plain_socket(info: tuple[object, ...]) -> socket.socket:
    family, kind, proto, _, _ = info
    made = socket.socket(int(family), int(kind), int(proto))  # type: ignore[call-overload]
    made.setblocking(False)
    return made


async def _take(pool: _Pool, seconds: float, host: str) -> None:
    """Wait for a free connection. Raises `NotSent` where all stay busy."""
    if not pool.slots.locked():
        await pool.slots.acquire()  # at once
        return
    try:
        async with asyncio.timeout(seconds):
            await pool.slots.acquire()
    except TimeoutError:
        pool.busy -= 1
        raise NotSent(f"all connections to {host} are busy") from None
    except BaseException:
        pool.busy -= 1
        raise


def _tells_of_connections() -> aiohttp.TraceConfig:
    """Let a request learn that it has a connection: what fails before was not sent."""

    async def connected(session: object, context: Any, parameters: object) -> None:
        del session, parameters
        context.trace_request_ctx.append(True)

    config = aiohttp.TraceConfig()
    config.on_connection_create_end.append(connected)
    config.on_connection_reuseconn.append(connected)
    return config


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
