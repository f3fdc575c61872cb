"""The transport over aiohttp: a pool for each host, and the outbound proxy."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme
from aiohttp import web

from gateway.upstream.transport import AddressRefused, AiohttpTransport, NotSent, Outbound, Unanswered
from tests.connect_proxy import ConnectProxy

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def outbound(url: str, *, connect: float = 5, total: float = 10) -> Outbound:
    return Outbound("POST", url, (), b"{}", connect, total, 1000)


@asynccontextmanager
async def vendor(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A vendor on loopback; gives its port."""
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def says_ok(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="ok")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def of_server(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("vendor.example").configure_cert(context)
    return context


async def test_a_vendor_whose_connections_are_all_busy_takes_none_from_another() -> None:
    came, release = asyncio.Semaphore(0), asyncio.Event()

    async def hangs(request: web.BaseRequest) -> web.StreamResponse:
        came.release()
        await release.wait()
        return web.Response(text="late")

    transport = AiohttpTransport(opened=LOOPBACK, limit=2)
    async with vendor(hangs) as slow, vendor(says_ok) as quick:
        busy = [asyncio.create_task(transport.send(outbound(f"http://127.0.0.1:{slow}/"))) for _ in range(2)]
        for _ in busy:
            await came.acquire()

        with pytest.raises(NotSent, match="busy"):
            await transport.send(outbound(f"http://127.0.0.1:{slow}/", connect=0.05))
        answer = await transport.send(outbound(f"http://127.0.0.1:{quick}/"))

        assert answer.body == b"ok"
        release.set()
        assert [one.body for one in await asyncio.gather(*busy)] == [b"late", b"late"]
        assert came.locked()  # the third never came to the vendor
        await transport.close()


async def test_a_connection_that_is_given_back_serves_who_waits() -> None:
    transport = AiohttpTransport(opened=LOOPBACK, limit=1)
    async with vendor(says_ok) as port:
        answers = await asyncio.gather(*(transport.send(outbound(f"http://127.0.0.1:{port}/")) for _ in range(20)))
        assert {one.status for one in answers} == {200}
        await transport.close()


async def test_a_request_goes_through_the_proxy_by_name_and_tls_reaches_to_the_vendor(authority: trustme.CA) -> None:
    async with vendor(says_ok, of_server(authority)) as port:
        proxy = await ConnectProxy({"vendor.example:443": ("127.0.0.1", port)}, login="gate:secret").start()
        transport = AiohttpTransport(opened=(), tls=trusting(authority), proxy=proxy.url)

        answer = await transport.send(outbound("https://vendor.example/"))

        assert answer.body == b"ok"
        assert proxy.asked == ["vendor.example:443"]
        await transport.close()
        await proxy.stop()


@pytest.mark.parametrize("login", [None, "somebody:else"])
async def test_what_the_proxy_refuses_was_not_sent(authority: trustme.CA, login: str | None) -> None:
    proxy = await ConnectProxy({}, login=login).start()
    transport = AiohttpTransport(opened=(), proxy=f"http://127.0.0.1:{proxy.port}")

    with pytest.raises(NotSent, match="refused"):
        await transport.send(outbound("https://vendor.example/"))

    await transport.close()
    await proxy.stop()


async def test_a_proxy_that_hangs_up_before_it_connected_means_not_sent() -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hangs_up, "127.0.0.1", 0)
    transport = AiohttpTransport(opened=(), proxy=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    with pytest.raises(NotSent):
        await transport.send(outbound("https://vendor.example/"))

    await transport.close()
    server.close()


async def test_a_vendor_that_hangs_up_behind_the_proxy_leaves_it_open_what_happened(authority: trustme.CA) -> None:
    async def hangs_up(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        raise ConnectionError

    async with vendor(hangs_up, of_server(authority)) as port:
        proxy = await ConnectProxy({"vendor.example:443": ("127.0.0.1", port)}).start()
        transport = AiohttpTransport(opened=(), tls=trusting(authority), proxy=proxy.url)

        with pytest.raises(Unanswered):
            await transport.send(outbound("https://vendor.example/"))

        await transport.close()
        await proxy.stop()


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[::1]"])
async def test_the_proxy_is_not_asked_for_an_address_that_is_not_public(host: str) -> None:
    proxy = await ConnectProxy({}).start()
    transport = AiohttpTransport(opened=(), proxy=proxy.url)

    with pytest.raises(AddressRefused):
        await transport.send(outbound(f"https://{host}/"))

    assert proxy.asked == []
    await transport.close()
    await proxy.stop()


async def test_opened_networks_are_reached_without_the_proxy() -> None:
    proxy = await ConnectProxy({}).start()
    transport = AiohttpTransport(opened=LOOPBACK, proxy=proxy.url)
    async with vendor(says_ok) as port:
        assert (await transport.send(outbound(f"http://127.0.0.1:{port}/"))).body == b"ok"
        assert proxy.asked == []
        await transport.close()
    await proxy.stop()
