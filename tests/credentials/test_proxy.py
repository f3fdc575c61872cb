"""Token endpoints through the outbound proxy."""

import asyncio
import ssl

import httpx
import pytest
import trustme
from credentials import Road
from credentials.transport import NotSent, by_phase

from tests.connect_proxy import ConnectProxy
from tests.credentials.loopback import LOOPBACK


async def get(road: Road, url: str) -> httpx.Response:
    async with road.client() as client:
        with by_phase():
            return await client.get(url)


async def says_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    await writer.drain()
    writer.close()


async def test_a_token_endpoint_is_asked_through_the_proxy_with_its_login() -> None:
    authority = trustme.CA()
    trusting, of_server = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(trusting)
    authority.issue_cert("vendor.example").configure_cert(of_server)
    server = await asyncio.start_server(says_ok, "127.0.0.1", 0, ssl=of_server)
    there = server.sockets[0].getsockname()[:2]
    proxy = await ConnectProxy({"vendor.example:443": there}, login="gate:secret").start()

    answer = await get(Road(tls=trusting, proxy=proxy.url), "https://vendor.example/token")

    assert (answer.status_code, answer.text) == (200, "ok")
    assert proxy.asked == ["vendor.example:443"]
    await proxy.stop()
    server.close()


async def test_what_the_proxy_refuses_was_not_sent() -> None:
    proxy = await ConnectProxy({}).start()

    with pytest.raises(NotSent, match="proxy"):
        await get(Road(proxy=proxy.url), "https://vendor.example/token")

    assert proxy.asked == ["vendor.example:443"]
    await proxy.stop()


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[::1]"])
async def test_the_proxy_is_not_asked_for_an_address_that_is_not_public(host: str) -> None:
    proxy = await ConnectProxy({}).start()

    with pytest.raises(NotSent, match="private or reserved"):
        await get(Road(proxy=proxy.url), f"https://{host}/token")

    assert proxy.asked == []
    await proxy.stop()


async def test_loopback_that_is_opened_is_reached_without_the_proxy() -> None:
    server = await asyncio.start_server(says_ok, "127.0.0.1", 0)
    proxy = await ConnectProxy({}).start()
    road = Road(opened=LOOPBACK, plain_http_loopback=True, proxy=proxy.url)

    answer = await get(road, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token")

    assert (answer.status_code, proxy.asked) == (200, [])
    await proxy.stop()
    server.close()
