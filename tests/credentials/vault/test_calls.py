"""The threads that hvac runs in, and whom a token is given to."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from credentials.vault_calls import VaultAddress, VaultCalls

from bench.vault_standin import VaultStandIn
from connectors.sdk.errors import SecretStoreUnavailable
from tests.credentials.vault.ground import Ground


def look_up(client: object) -> object:
    return client.auth.token.lookup_self()  # type: ignore[attr-defined]


@pytest.fixture
def vouched(tmp_path: Path) -> Iterator[tuple[VaultStandIn, Path]]:
    """A stand-in with https, and the authority that vouches for it."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    standin = VaultStandIn(tls=context).start()
    yield standin, tmp_path / "ca.pem"
    standin.stop()


async def test_the_operators_authority_vouches_for_vault(vouched: tuple[VaultStandIn, Path]) -> None:
    standin, file = vouched
    calls = VaultCalls(VaultAddress(standin.url, ca_file=str(file)))
    assert (await calls.run(standin.root_token, look_up))["data"]["policies"] == ["root"]
    await calls.close()


async def test_a_vault_that_nobody_vouches_for_gets_no_token(vouched: tuple[VaultStandIn, Path]) -> None:
    standin, _ = vouched
    calls = VaultCalls(VaultAddress(standin.url))
    with pytest.raises(SecretStoreUnavailable, match="SSLError"):
        await calls.run(standin.root_token, look_up)
    assert not standin.seen
    await calls.close()


async def test_the_environments_proxies_are_not_used(
    ground: Ground, standin: VaultStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = VaultStandIn().start()
    monkeypatch.setenv("http_proxy", trap.url)
    monkeypatch.setenv("HTTPS_PROXY", trap.url)
    monkeypatch.setenv("VAULT_NAMESPACE", "elsewhere")
    calls = VaultCalls(VaultAddress(standin.url))
    assert await calls.run(standin.root_token, look_up)
    assert not trap.seen
    await calls.close()
    trap.stop()


async def test_the_loop_goes_on_while_vault_is_slow(ground: Ground, standin: VaultStandIn) -> None:
    calls = VaultCalls(VaultAddress(standin.url, timeout_seconds=2), at_once=1)
    standin.slow_seconds = 0.3
    asked = asyncio.create_task(calls.run(standin.root_token, look_up))
    turns = 0
    while not asked.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
    standin.slow_seconds = 0
    await calls.close()


async def test_a_token_of_one_request_is_not_that_of_the_next(ground: Ground, standin: VaultStandIn) -> None:
    calls = VaultCalls(VaultAddress(standin.url), at_once=1)
    child = ground.root.auth.token.create(policies=["default"])["auth"]["client_token"]
    seen = [
        (await calls.run(token, look_up))["data"]["policies"]
        for token in (standin.root_token, child, standin.root_token)
    ]
    assert seen == [["root"], ["default"], ["root"]]
    await calls.close()
