"""The transport over aiohttp: a pool for each host, and the outbound proxy."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import trustme
from aiohttp import web
from credentials.certificate import ClientCertificate

from gateway.upstream.transport import AddressRefused, AiohttpTransport, NotSent, Outbound, Unanswered
from tests.connect_proxy import ConnectProxy

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
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


def client_of(authority: trustme.CA, name: str) -> ClientCertificate:
    made = authority.issue_cert(name)
    chain = "".join(one.bytes().decode() for one in made.cert_chain_pems)
    return ClientCertificate(chain, made.private_key_pem.bytes().decode(), UNTIL)


def asking(authority: trustme.CA, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    return context


async def says_who(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    shown = request.transport.get_extra_info("peercert")
    return web.Response(text=dict(pair for pair in shown["subjectAltName"])["email"])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_each_connection_shows_its_own_certificate_and_shares_no_socket(
    authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    async with vendor(says_who, asking(authority, version)) as port:
        transport = AiohttpTransport(opened=LOOPBACK, tls=trusting(authority))
        asked = outbound(f"https://127.0.0.1:{port}/")
        ann, bob = client_of(authority, "ann@acme.example"), client_of(authority, "bob@acme.example")

        answers = [(await transport.send(replace(asked, certificate=one))).body for one in (ann, bob, ann)]

        assert answers == [b"ann@acme.example", b"bob@acme.example", b"ann@acme.example"]
        assert "PRIVATE" not in repr(replace(asked, certificate=ann))
        await transport.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("shown", ["none", "of another authority"])
async def test_what_is_refused_for_its_certificate_does_not_come_through(
    authority: trustme.CA, version: ssl.TLSVersion, shown: str
) -> None:
    came: list[str] = []

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        came.append(request.path)
        return web.Response()

    other = client_of(trustme.CA(), "ann@acme.example") if shown != "none" else None
    async with vendor(note, asking(authority, version)) as port:
        transport = AiohttpTransport(opened=LOOPBACK, tls=trusting(authority))
        # With TLS 1.3 the refusal meets a request that has left, which then counts as sent.
        with pytest.raises(NotSent if version is ssl.TLSVersion.TLSv1_2 else (NotSent, Unanswered)):
            await transport.send(replace(outbound(f"https://127.0.0.1:{port}/"), certificate=other))
        await transport.close()
    assert came == []


async def test_a_certificate_that_tls_does_not_take_sends_nothing() -> None:
    transport = AiohttpTransport(opened=LOOPBACK)
    broken = ClientCertificate("nothing", "nothing", UNTIL)
    with pytest.raises(NotSent, match="client certificate"):
        await transport.send(replace(outbound("https://127.0.0.1:9/"), certificate=broken))
    await transport.close()
