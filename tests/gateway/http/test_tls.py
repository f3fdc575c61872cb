"""TLS on the gateway's own listener: renewed while it runs, and callers' certificates."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from gateway.http.tls import ListenerTls, listener_tls
from gateway.installation import NotSetUp
from gateway.settings import Settings
from tests.gateway import postgres
from tests.gateway.world import World, fresh_home

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class Files:
    """The PEM files of a listener, in a folder."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.certificate, self.callers = folder / "tls.pem", folder / "callers.pem"
        authority.cert_pem.write_to_path(str(self.callers))
        self.write(authority)

    def write(self, authority: trustme.CA, name: str = "127.0.0.1") -> None:
        """Replace the certificate as Kubernetes does: by another file under the same name."""
        fresh = self.certificate.with_suffix(".new")
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(fresh))
        fresh.replace(self.certificate)


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Files:
    return Files(tmp_path, authority)


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Start]:
    worlds: list[World] = []
    home = tmp_path / "home"
    template = await fresh_home(home)

    async def start(**more: Any) -> World:
        world = World(home, **more)
        await world.open()
        worlds.append(world)
        return world

    yield start
    for world in worlds:
        await world.close()
    if template is not None:
        await postgres.drop(template)


def trusting(authority: trustme.CA, *, own: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if own is not None:
        own.issue_cert("agent@acme.example").configure_cert(context)
    return context


async def status(url: str, context: ssl.SSLContext) -> tuple[int, str | None]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, force_close=True)) as session,
        session.get(url) as answer,
    ):
        told = await answer.json(content_type=None)
        return answer.status, told.get("code") if isinstance(told, dict) else None


async def test_it_speaks_tls_and_nothing_else(serving: Start, files: Files, authority: trustme.CA) -> None:
    world = await serving(tls_certificate_file=files.certificate)

    assert world.gateway.url.startswith("https://")
    assert await status(f"{world.gateway.url}/healthz", trusting(authority)) == (200, None)
    assert (await status(f"{world.gateway.url}/v1/actions", trusting(authority)))[0] == 401
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await status(f"{world.gateway.url}/healthz", trusting(trustme.CA()))
    with pytest.raises(aiohttp.ClientError):
        await status(world.gateway.url.replace("https", "http") + "/healthz", trusting(authority))


async def test_a_call_goes_through_it(serving: Start, files: Files, authority: trustme.CA) -> None:
    world = await serving(tls_certificate_file=files.certificate)
    await world.session.close()
    world.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting(authority)))
    bot = await world.caller()

    assert (await bot.run("toy.order.create", {"item": "a"}, key="k1")).status == 200


async def test_whoever_shows_no_certificate_of_the_authority_is_turned_away_but_for_health(
    serving: Start, files: Files, authority: trustme.CA
) -> None:
    world = await serving(tls_certificate_file=files.certificate, tls_client_ca_file=files.callers)
    url = world.gateway.url

    for path in ("/healthz", "/readyz"):
        assert (await status(url + path, trusting(authority)))[0] == 200
    for path in ("/v1/actions", "/openapi.json", "/approvals/x", "/connect/x", "/v1/admin/tenants"):
        assert await status(url + path, trusting(authority)) == (401, "unauthenticated")
    assert (await status(f"{url}/openapi.json", trusting(authority, own=authority)))[0] == 200
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await status(f"{url}/openapi.json", trusting(authority, own=trustme.CA()))


async def shown(port: int, authority: trustme.CA) -> str:
    context = trusting(authority)
    context.check_hostname = False
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    del reader
    found = writer.get_extra_info("peercert")
    writer.close()
    return str(found["subjectAltName"][0][1])


async def test_a_new_certificate_is_taken_without_a_restart_and_a_broken_one_left_alone(
    files: Files, authority: trustme.CA
) -> None:
    tls = ListenerTls(files.certificate)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls.context)
    port = server.sockets[0].getsockname()[1]

    assert not tls.renew()
    files.write(authority, "renewed.example")
    assert tls.renew()
    assert await shown(port, authority) == "renewed.example"

    files.certificate.write_text("nothing")
    assert not tls.renew()
    files.certificate.unlink()
    assert not tls.renew()
    assert await shown(port, authority) == "renewed.example"
    files.write(authority, "again.example")
    assert tls.renew()
    assert await shown(port, authority) == "again.example"
    server.close()


@pytest.mark.parametrize("broken", ["certificate", "callers"])
def test_files_that_cannot_be_used_are_said_at_the_start(files: Files, broken: str, tmp_path: Path) -> None:
    getattr(files, broken).write_text("nothing")
    settings = Settings(home=tmp_path, tls_certificate_file=files.certificate, tls_client_ca_file=files.callers)

    with pytest.raises(NotSetUp, match="GATEHOUSE_TLS_CERTIFICATE_FILE"):
        listener_tls(settings)


def test_callers_authorities_without_a_certificate_are_refused(files: Files) -> None:
    with pytest.raises(ValueError, match="is of no use without"):
        Settings(tls_client_ca_file=files.callers)


async def test_the_health_check_of_the_image_follows(
    serving: Start, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await serving(tls_certificate_file=files.certificate, tls_client_ca_file=files.callers)
    port = world.gateway.url.rpartition(":")[2]

    async def healthy(**environment: str) -> int:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.healthcheck"), env=environment, stderr=subprocess.DEVNULL
        )
        return await process.wait()

    given = {"GATEHOUSE_PORT": port, "HTTPS_PROXY": "http://127.0.0.1:9"}
    assert await healthy(**given, GATEHOUSE_TLS_CERTIFICATE_FILE=str(files.certificate)) == 0
    assert await healthy(**given) == 1
    assert await healthy(GATEHOUSE_PORT="9") == 1
