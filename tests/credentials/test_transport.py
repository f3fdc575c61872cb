import asyncio
import gzip
import socket
import ssl
import zlib
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest
import trustme
from credentials import Road, guarded_client
from credentials.transport import AddressRefused, NotSent, Unanswered, by_phase

from tests.credentials.loopback import LOOPBACK, says, server


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await writer.drain()


async def get(road: Road, url: str) -> httpx.Response:
    async with road.client() as client:
        with by_phase():
            return await client.get(url)


@pytest.fixture
def road() -> Road:
    return Road(opened=LOOPBACK, plain_http_loopback=True, timeout_seconds=5.0, max_bytes=4096)


async def test_an_answer_comes_through(road: Road) -> None:
    async with server(says("200 OK", b"hello")) as (port, seen):
        answer = await get(road, f"http://127.0.0.1:{port}/x")
    assert (answer.status_code, answer.content, len(seen)) == (200, b"hello", 1)


async def test_a_server_that_the_authority_vouches_for_is_reached_over_tls() -> None:
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)
    async with server(says("200 OK", b"hello"), theirs) as (port, _):
        for host in ("127.0.0.1", "localhost"):
            async with guarded_client(LOOPBACK, tls=ours) as client:
                assert (await client.get(f"https://{host}:{port}/")).content == b"hello"
        with pytest.raises(NotSent):
            await get(Road(opened=LOOPBACK), f"https://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "localhost"],
)
async def test_private_addresses_are_refused_before_a_socket_is_made(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a socket was connected"))
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", lambda *_: pytest.fail("a socket was connected"))
    with pytest.raises(NotSent, match="private or reserved"):
        await get(Road(), f"https://{host}/")


async def test_a_name_that_resolves_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolved(host: str, port: int, **_: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    with pytest.raises(NotSent, match="private or reserved"):
        await get(Road(), "https://public.example/")


async def test_localhost_that_resolves_elsewhere_is_refused(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolved(host: str, port: int, **_: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    with pytest.raises(NotSent, match="private or reserved"):
        await get(road, "http://localhost/")


@pytest.mark.parametrize(
    "url",
    ["http://git.example/", "http://10.0.0.1/", "http://127.0.0.1.nip.example/", "ftp://127.0.0.1/", "https:///x"],
)
async def test_plain_http_goes_to_loopback_only(road: Road, url: str) -> None:
    with pytest.raises(NotSent):
        await get(road, url)


async def test_plain_http_to_loopback_must_be_opened_twice() -> None:
    async with server(says("200 OK")) as (port, seen):
        for road in (Road(opened=LOOPBACK), Road(plain_http_loopback=True)):
            with pytest.raises(NotSent):
                await get(road, f"http://127.0.0.1:{port}/")
    assert seen == []


async def test_a_redirect_is_not_followed(road: Road) -> None:
    async with (
        server(says("200 OK")) as (port, seen),
        server(says(f"302 Found\r\nlocation: http://127.0.0.1:{port}/")) as (first, _),
    ):
        assert (await get(road, f"http://127.0.0.1:{first}/")).status_code == 302
    assert seen == []


async def test_proxies_of_the_environment_are_not_used(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(says("200 OK")) as (proxy, asked), server(says("200 OK", b"direct")) as (port, _):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        assert (await get(road, f"http://127.0.0.1:{port}/")).content == b"direct"
    assert asked == []


async def test_a_server_that_is_not_there_was_sent_nothing(road: Road) -> None:
    async with server(says("200 OK")) as (port, _):
        pass
    with pytest.raises(NotSent, match="could not be connected"):
        await get(road, f"http://127.0.0.1:{port}/")


async def test_a_name_that_does_not_resolve_was_sent_nothing(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolved(host: str, port: int, **_: object) -> list[object]:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    with pytest.raises(NotSent):
        await get(road, "https://absent.example/")


async def test_a_hang_up_after_sending_leaves_the_outcome_open(road: Road) -> None:
    async with server(hangs_up) as (port, _):
        with pytest.raises(Unanswered) as lost:
            await get(road, f"http://127.0.0.1:{port}/")
    assert not lost.value.timeout


async def test_silence_is_a_timeout_after_sending() -> None:
    road = Road(opened=LOOPBACK, plain_http_loopback=True, timeout_seconds=0.2)
    async with server(never_answers) as (port, _):
        with pytest.raises(Unanswered) as lost:
            await get(road, f"http://127.0.0.1:{port}/")
    assert lost.value.timeout


async def test_an_answer_that_drips_forever_is_bounded_in_time() -> None:
    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.05)

    road = Road(opened=LOOPBACK, plain_http_loopback=True, timeout_seconds=0.3)
    async with server(drips) as (port, _):
        with pytest.raises(Unanswered) as lost:
            await get(road, f"http://127.0.0.1:{port}/")
    assert lost.value.timeout


async def test_a_huge_answer_is_cut_off(road: Road) -> None:
    async with server(never_ends) as (port, _):
        with pytest.raises(Unanswered, match="over 4096 bytes"):
            await get(road, f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("encoding, compress", [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_answer_is_bounded_by_what_it_unfolds_to(
    road: Road, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    head = f"200 OK\r\ncontent-encoding: {encoding}"
    async with server(says(head, compress(b"small"))) as (port, _):
        assert (await get(road, f"http://127.0.0.1:{port}/")).content == b"small"
    async with server(says(head, compress(b"0" * 1_000_000))) as (port, _):
        with pytest.raises(Unanswered, match="over 4096 bytes"):
            await get(road, f"http://127.0.0.1:{port}/")
    for body in (compress(b"small")[:-3], b"no such thing"):
        async with server(says(head, body)) as (port, _):
            with pytest.raises(Unanswered):
                await get(road, f"http://127.0.0.1:{port}/")


async def test_an_encoding_that_was_not_asked_for_is_refused(road: Road) -> None:
    async with server(says("200 OK\r\ncontent-encoding: br", b"x")) as (port, _):
        with pytest.raises(Unanswered, match="content encoding"):
            await get(road, f"http://127.0.0.1:{port}/")


def test_a_refused_address_is_an_httpx_error_of_connecting() -> None:
    assert issubclass(AddressRefused, httpx.ConnectError)
