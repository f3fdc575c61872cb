"""The road to token endpoints: httpx, guarded below the client and tellable by phase.

The address is checked when the socket is made, in httpcore's network backend, so neither a name that resolves to a
private address nor an IP literal gets past it. No redirects, no proxies from the environment, answers bounded in
size (after decompression too) and in time. Every exchange has a client of its own: a pooled connection that the
server has closed would make a request that was never read look like one that was never answered.
"""

import asyncio
import ipaddress
import socket
import ssl
import zlib
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import httpcore
import httpx

from connectors.sdk.hosts import Network, is_loopback, refusal

USER_AGENT = "gatehouse"
_DEFLATE = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class AddressRefused(httpx.ConnectError):
    """The host, its address or the scheme is not one that a token may be sent to. Nothing was sent."""


class AnswerRefused(httpx.TransportError):
    """The answer is over its bound or in an encoding that cannot be bounded. The request was sent."""


class NotSent(Exception):
    """The request did not leave: the vendor knows nothing of it. The message is a reason without secrets."""


class Unanswered(Exception):
    """The request may have been read and was not answered readably. The message is a reason without secrets."""

    def __init__(self, reason: str, *, timeout: bool = False) -> None:
        """Say why; `timeout` where waiting longer might have helped."""
        super().__init__(reason)
        self.timeout = timeout


@dataclass(frozen=True, kw_only=True)
class Road:
    """How token endpoints are reached. `opened` are the networks that the operator opened.

    `plain_http_loopback` lets `http://` go to loopback, where that is opened too. `timeout_seconds` bounds one
    exchange as a whole. `tls` is the context that vouches for servers, by default the system's. With a `proxy` (a URL)
    all goes through it but loopback and addresses of opened networks: it resolves names, and has to refuse what is
    private.
    """

    opened: tuple[Network, ...] = ()
    plain_http_loopback: bool = False
    timeout_seconds: float = 15.0
    max_bytes: int = 256 * 1024
    tls: ssl.SSLContext | None = None
    proxy: str | None = field(default=None, repr=False)

    @cached_property
    def timeout(self) -> httpx.Timeout:
        """Connecting may take a third of the whole, so that its failure is known to be one."""
        return httpx.Timeout(self.timeout_seconds, connect=self.timeout_seconds / 3)

    def transport(self) -> httpx.AsyncBaseTransport:
        """Return a transport for one exchange."""
        proxied = None
        if self.proxy is not None:
            proxied = self._transport_over(
                httpcore.AsyncHTTPProxy(
                    self.proxy,
                    proxy_auth=_proxy_auth(self.proxy),
                    ssl_context=self.trust,
                    max_keepalive_connections=0,
                    retries=0,
                )
            )
        direct = self._transport_over(
            httpcore.AsyncConnectionPool(
                ssl_context=self.trust,
                max_keepalive_connections=0,
                retries=0,
                network_backend=_GuardedBackend(self.opened),
            )
        )
        return _GuardedTransport(direct, proxied, self)

    def _transport_over(self, pool: httpcore.AsyncConnectionPool) -> httpx.AsyncHTTPTransport:
        # httpx has no argument for the backend; the pool is the one part that must be ours.
        made = httpx.AsyncHTTPTransport(verify=self.trust, trust_env=False, retries=0)
        made._pool = pool
        return made

    def goes_directly(self, host: str) -> bool:
        """Whether a host is reached without the proxy. Raises `AddressRefused` for one that nobody may be asked for."""
        if host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        if any(address in network for network in self.opened if network.version == address.version):
            return True
        if refusal(host, self.opened) is not None:
            raise AddressRefused("its address is private or reserved and not one that the operator opened")
        return False

    def client(self) -> httpx.AsyncClient:
        """Return a client for one exchange; close it afterwards."""
        return httpx.AsyncClient(
            transport=self.transport(),
            timeout=self.timeout,
            follow_redirects=False,
            trust_env=False,
            headers={"user-agent": USER_AGENT},
        )

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """The context that vouches for servers."""
        return self.tls or httpx.create_ssl_context(trust_env=False)


def guarded_client(
    opened: Sequence[Network],
    *,
    plain_http_loopback: bool = False,
    timeout: float = 15.0,
    max_bytes: int = 256 * 1024,
    tls: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """Return a client that goes only where `Road` lets it; `timeout` is seconds for one exchange."""
    return Road(
        opened=tuple(opened),
        plain_http_loopback=plain_http_loopback,
        timeout_seconds=timeout,
        max_bytes=max_bytes,
        tls=tls,
    ).client()


@contextmanager
def by_phase() -> Generator[None]:
    """Turn httpx's errors into `NotSent` and `Unanswered`. What is not known to be unsent counts as sent."""
    try:
        yield
    except AddressRefused as error:
        raise NotSent(str(error)) from error
    except httpx.ProxyError as error:
        raise NotSent("the proxy refused to connect to it") from error
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise NotSent("it could not be connected to") from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError) as error:
        raise NotSent("its address or the request cannot be written") from error
    except httpx.TimeoutException as error:
        raise Unanswered("it did not answer in time", timeout=True) from error
    except AnswerRefused as error:
        raise Unanswered(str(error)) from error
    except httpx.RequestError as error:
        raise Unanswered("the connection ended before its answer") from error


class _GuardedTransport(httpx.AsyncBaseTransport):
    """Checks the scheme, bounds time and size, and hands the answer on whole and decoded."""

    def __init__(self, direct: httpx.AsyncHTTPTransport, proxied: httpx.AsyncHTTPTransport | None, road: Road) -> None:
        self._direct = direct
        self._proxied = proxied
        self._road = road

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._check_scheme(request.url)
        request.headers["accept-encoding"] = "identity"
        try:
            async with asyncio.timeout(self._road.timeout_seconds):
                answer = await self._way_to(request.url.host).handle_async_request(request)
                try:
                    raw = await self._read(answer)
                finally:
                    await answer.aclose()
        except TimeoutError as error:
            raise httpx.ReadTimeout("the answer took too long", request=request) from error
        headers = [
            (name, value)
            for name, value in answer.headers.raw
            if name.lower() not in {b"content-encoding", b"content-length", b"transfer-encoding"}
        ]
        content = _decoded(raw, answer.headers.get("content-encoding", ""), self._road.max_bytes)
        return httpx.Response(answer.status_code, headers=headers, content=content, request=request)

    async def aclose(self) -> None:
        await self._direct.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()

    def _way_to(self, host: str) -> httpx.AsyncHTTPTransport:
        if self._proxied is None or self._road.goes_directly(host):
            return self._direct
        return self._proxied

    def _check_scheme(self, url: httpx.URL) -> None:
        if url.scheme == "https" and url.host:
            return
        if url.scheme == "http" and self._road.plain_http_loopback and is_loopback(url.host):
            return
        raise AddressRefused("its address is not https")

    async def _read(self, answer: httpx.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in answer.aiter_raw():
            size += len(part)
            if size > self._road.max_bytes:
                raise AnswerRefused(f"its answer is over {self._road.max_bytes} bytes")
            parts.append(part)
        return b"".join(parts)


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves names itself, refuses addresses, and connects to nothing but an address that it has looked at."""

    def __init__(self, opened: Sequence[Network]) -> None:
        self._opened = opened
        self._sockets = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = self._allowed(host, await _resolve(host, port))
                return await self._connect(addresses, port, local_address, socket_options)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("connecting took too long") from error

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefused("its address is a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _allowed(self, host: str, addresses: list[str]) -> list[str]:
        allowed = [address for address in addresses if refusal(address, self._opened) is None]
        if host == "localhost":
            allowed = [address for address in allowed if is_loopback(address)]
        if not allowed:
            raise AddressRefused("its address is private or reserved and not one that the operator opened")
        return allowed

    async def _connect(
        self, addresses: list[str], port: int, local_address: str | None, socket_options: Iterable[Any] | None
    ) -> httpcore.AsyncNetworkStream:
        last: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses:
            try:
                return await self._sockets.connect_tcp(
                    address, port, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last or httpcore.ConnectError("no address to connect to")


def _proxy_auth(proxy: str) -> tuple[str, str] | None:
    parts = urlsplit(proxy)
    return (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


async def _resolve(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("the name cannot be resolved") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _decoded(raw: bytes, encoding: str, most: int) -> bytes:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return raw
    if name not in _DEFLATE:
        raise AnswerRefused("its answer has a content encoding that was not asked for")
    inflate = zlib.decompressobj(_DEFLATE[name])
    try:
        plain = inflate.decompress(raw, most + 1)
    except zlib.error as error:
        raise AnswerRefused("its answer cannot be decompressed") from error
    if len(plain) > most:
        raise AnswerRefused(f"its answer is over {most} bytes")
    if not inflate.eof:
        raise AnswerRefused("its answer is cut off")
    return plain
