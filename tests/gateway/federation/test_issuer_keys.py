"""Keys by discovery over real sockets: once for all who wait, looked at again in time, kept while an issuer is away."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from aiohttp import web
from credentials import Road

from connectors.sdk.errors import IssuerUnavailable
from gateway.federation import discovery
from gateway.federation.discovery import Undiscovered, discover, metadata_urls
from gateway.federation.issuer_keys import IssuerKeys
from gateway.federation.keyring import Keyring
from gateway.federation.token import read_token
from tests.gateway.federation.standin import OPENID, RFC8414, IssuerStandIn, ec_key

LOOPBACK = Road(opened=(ipaddress.ip_network("127.0.0.0/8"),), plain_http_loopback=True, timeout_seconds=2)


class Clock:
    def __init__(self) -> None:
        self.at = 1_000.0

    def monotonic(self) -> float:
        return self.at


class Keys:
    """The keys over a clock that stands still."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.tasks: list[asyncio.Task[None]] = []
        self.keys = IssuerKeys(self._discover, self.clock.monotonic, self._spawn)

    async def _discover(self, issuer: str) -> Keyring:
        return await discover(LOOPBACK, issuer)

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self.tasks.append(task)
        return task

    async def signed(self, token: str) -> bool:
        read = read_token(token)
        return (await self.keys.of(read)).signed(read)

    async def settle(self) -> None:
        await asyncio.gather(*self.tasks)


@pytest.fixture
async def keys() -> AsyncIterator[Keys]:
    made = Keys()
    yield made
    for task in made.tasks:
        task.cancel()


async def test_keys_are_found_by_openid_connect_and_read_once(issuer: IssuerStandIn, keys: Keys) -> None:
    assert await keys.signed(issuer.token())
    assert await keys.signed(issuer.token())
    assert issuer.asked == [OPENID, "/keys"]


async def test_keys_are_found_by_rfc_8414_where_there_is_no_openid_connect() -> None:
    issuer = IssuerStandIn("/tenant/one")
    issuer.metadata_at = RFC8414
    await issuer.start()
    try:
        assert await Keys().signed(issuer.token())
    finally:
        await issuer.stop()
    assert issuer.asked == [f"/tenant/one{OPENID}", f"{RFC8414}/tenant/one", "/keys"]


def test_metadata_lies_below_the_path_by_one_standard_and_before_it_by_the_other() -> None:
    assert metadata_urls("https://login.example:8443/one/") == (
        "https://login.example:8443/one/.well-known/openid-configuration",
        "https://login.example:8443/.well-known/oauth-authorization-server/one",
    )


async def test_a_rotated_key_is_found_without_an_outage(issuer: IssuerStandIn, keys: Keys) -> None:
    assert await keys.signed(issuer.token())
    old = issuer.keys[0]
    issuer.keys = [ec_key("k2"), old]
    keys.clock.at += 61
    assert await keys.signed(issuer.token())
    assert await keys.signed(issuer.token(key=old))
    assert issuer.key_sets_read == 2
    issuer.keys = issuer.keys[:1]
    keys.clock.at += 301
    assert await keys.signed(issuer.token(key=old))  # used once more, while they are looked at again
    await keys.settle()
    assert not await keys.signed(issuer.token(key=old))
    assert await keys.signed(issuer.token())


async def test_a_herd_of_unknown_key_ids_causes_one_reading(issuer: IssuerStandIn, keys: Keys) -> None:
    assert await keys.signed(issuer.token())
    keys.clock.at += 61
    issuer.gate = asyncio.Event()
    herd = [asyncio.create_task(keys.signed(issuer.token(header={"kid": f"made-up-{n}"}))) for n in range(500)]
    while issuer.asked.count(OPENID) < 2:
        await asyncio.sleep(0)
    issuer.gate.set()
    assert not any(await asyncio.gather(*herd))
    assert issuer.key_sets_read == 2
    assert not any([await keys.signed(issuer.token(header={"kid": f"later-{n}"})) for n in range(50)])
    assert issuer.key_sets_read == 2
    keys.clock.at += 61
    assert not await keys.signed(issuer.token(header={"kid": "a minute later"}))
    assert issuer.key_sets_read == 3


async def test_a_herd_at_the_start_causes_one_reading(issuer: IssuerStandIn, keys: Keys) -> None:
    assert all(await asyncio.gather(*(keys.signed(issuer.token()) for _ in range(200))))
    assert issuer.asked == [OPENID, "/keys"]


async def test_known_keys_are_kept_for_an_hour_while_the_issuer_is_away(issuer: IssuerStandIn, keys: Keys) -> None:
    assert await keys.signed(issuer.token())
    token, unknown = issuer.token(), issuer.token(header={"kid": "k2"})
    await issuer.stop()
    for _ in range(10):
        keys.clock.at += 350
        assert await keys.signed(token)
        await keys.settle()
    keys.clock.at += 61
    with pytest.raises(IssuerUnavailable):  # whether there is such a key by now cannot be told
        await keys.signed(unknown)
    keys.clock.at += 100
    with pytest.raises(IssuerUnavailable) as away:
        await keys.signed(token)
    assert away.value.retryable
    await issuer.start()
    keys.clock.at += 6
    assert await keys.signed(token)
    await issuer.stop()


async def test_a_forged_signature_under_a_known_key_id_is_refused_while_the_issuer_is_away(
    issuer: IssuerStandIn, keys: Keys
) -> None:
    assert await keys.signed(issuer.token())
    await issuer.stop()
    assert not await keys.signed(issuer.token(key=ec_key("k1")))
    await issuer.start()


async def test_an_issuer_that_was_never_reached_is_not_asked_by_everybody(issuer: IssuerStandIn, keys: Keys) -> None:
    issuer.answers[OPENID] = web.Response(status=500)
    for _ in range(20):
        with pytest.raises(IssuerUnavailable):
            await keys.signed(issuer.token())
    assert issuer.asked == [OPENID]
    issuer.answers.clear()
    keys.clock.at += 6
    assert await keys.signed(issuer.token())


def json(value: Any) -> web.Response:
    return web.json_response(value)


@pytest.mark.parametrize(
    ("path", "answer", "reason"),
    [
        (OPENID, json({"issuer": "https://other.example", "jwks_uri": "http://127.0.0.1:1/keys"}), "another issuer"),
        (OPENID, json({"jwks_uri": "http://127.0.0.1:1/keys"}), "another issuer"),
        (OPENID, web.Response(text="<html>"), "not JSON"),
        (OPENID, web.Response(body=b'{"issuer":"a","issuer":"b"}'), "not JSON"),
        (OPENID, web.Response(body=b"[" * 200_000), "not JSON"),
        (OPENID, json([]), "no JSON object"),
        (OPENID, web.Response(body=b" " * 300_000), "over 262144 bytes"),
        (OPENID, web.Response(status=302, headers={"Location": "/elsewhere"}), "302"),
        (OPENID, web.Response(status=503), "503"),
        ("/keys", web.Response(status=404), "404"),
        ("/keys", json({"keys": []}), "no key"),
        ("/keys", json({"keys": "none"}), "no list"),
        ("/keys", web.Response(body=b'{"keys":[' + b" " * 300_000 + b"]}"), "over 262144 bytes"),
    ],
)
async def test_an_issuer_that_answers_wrongly_gives_no_keys(
    issuer: IssuerStandIn, path: str, answer: web.Response, reason: str
) -> None:
    issuer.answers[path] = answer
    with pytest.raises(Undiscovered, match=reason):
        await discover(LOOPBACK, issuer.url)
    assert "/elsewhere" not in issuer.asked


@pytest.mark.parametrize(
    "jwks_uri",
    ["http://10.0.0.1/keys", "http://169.254.169.254/latest", "ftp://127.0.0.1/keys", "file:///etc/passwd", "", 7],
)
async def test_a_key_set_is_not_fetched_from_where_the_gateway_may_not_go(issuer: IssuerStandIn, jwks_uri: Any) -> None:
    issuer.metadata = {"jwks_uri": jwks_uri}
    with pytest.raises(Undiscovered):
        await discover(LOOPBACK, issuer.url)
    assert issuer.asked == [OPENID]


async def test_loopback_is_refused_where_the_operator_did_not_open_it(issuer: IssuerStandIn) -> None:
    with pytest.raises(Undiscovered):
        await discover(Road(), issuer.url)
    assert issuer.asked == []


async def test_a_slow_issuer_is_given_up(issuer: IssuerStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "_SECONDS", 0.2)
    issuer.gate = asyncio.Event()
    with pytest.raises(Undiscovered, match="in time"):
        await discover(LOOPBACK, issuer.url)
