"""App installations: the assertion that is sent, and every answer to it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx
from credentials import Tokens
from credentials.assertion import KeyUnreadable, private_key
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from joserfc import jwt
from joserfc.jwk import RSAKey

from connectors.sdk.errors import ConnectionUnhealthy, UpstreamQuota, UpstreamTimeout, UpstreamUnavailable
from tests.credentials.standins import APP, TARGET, WHERE, Clock, MemoryStore

URL = "https://api.git.example/v3/app/installations/42/access_tokens"


@pytest.fixture(autouse=True)
def _installed(memory: MemoryStore, pem: str) -> None:
    memory.keep("app", app_id="Iv1.abc", installation_id="42", private_key=pem)


def a_token(clock: Clock, value: str = "ghs_1", seconds: int = 3600) -> dict[str, Any]:
    expires_at = (clock.now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    permissions = {"issues": "write", "metadata": "read"}
    return {"token": value, "expires_at": expires_at, "permissions": permissions, "repository_selection": "all"}


@respx.mock
async def test_an_installation_token_comes_with_its_permissions(tokens: Tokens, clock: Clock) -> None:
    route = respx.post(URL).respond(201, json=a_token(clock))
    token = await tokens.token_for(TARGET, method=APP)
    assert token.header_value() == "Bearer ghs_1"
    assert token.granted == frozenset({"issues:write", "metadata:read"})
    assert token.expires_at == clock.now + timedelta(hours=1)
    assert await tokens.token_for(TARGET, method=APP) is token
    assert route.call_count == 1


@respx.mock
async def test_the_assertion_is_signed_and_short(tokens: Tokens, clock: Clock, pem: str) -> None:
    route = respx.post(URL).respond(201, json=a_token(clock))
    await tokens.token_for(TARGET, method=APP)
    scheme, signed = route.calls.last.request.headers["authorization"].split(" ")
    read = jwt.decode(signed, RSAKey.import_key(pem), algorithms=["RS256"])
    now = int(clock.now.timestamp())
    assert scheme == "Bearer"
    assert read.header["alg"] == "RS256"
    assert read.claims["iss"] == "Iv1.abc"
    assert read.claims["iat"] == now - 60
    assert now < read.claims["exp"] <= read.claims["iat"] + 600


@respx.mock
async def test_a_longer_life_than_the_vendor_takes_is_cut(tokens: Tokens, clock: Clock, pem: str) -> None:
    route = respx.post(URL).respond(201, json=a_token(clock))
    await tokens.token_for(TARGET, method=replace(APP, assertion_lifetime=timedelta(hours=1)))
    signed = route.calls.last.request.headers["authorization"].split(" ")[1]
    claims = jwt.decode(signed, RSAKey.import_key(pem)).claims
    assert claims["exp"] - claims["iat"] == 600


@respx.mock
async def test_nothing_but_memory_holds_an_installation_token(
    tokens: Tokens, memory: MemoryStore, clock: Clock
) -> None:
    respx.post(URL).respond(201, json=a_token(clock))
    await tokens.token_for(TARGET, method=APP)
    assert memory.writes == []


@respx.mock
async def test_a_token_about_to_end_is_minted_again(tokens: Tokens, clock: Clock) -> None:
    route = respx.post(URL).mock(
        side_effect=[
            httpx.Response(201, json=a_token(clock, "one", 3600)),
            httpx.Response(201, json=a_token(clock, "two", 7200)),
        ]
    )
    await tokens.token_for(TARGET, method=APP)
    clock.forward(3541)
    assert (await tokens.token_for(TARGET, method=APP)).value == "two"
    assert route.call_count == 2


@respx.mock
async def test_a_rejected_installation_token_is_minted_again_once(tokens: Tokens, clock: Clock) -> None:
    route = respx.post(URL).mock(
        side_effect=[httpx.Response(201, json=a_token(clock, name)) for name in ("one", "two", "three")]
    )
    tokens.rejected(WHERE, await tokens.token_for(TARGET, method=APP))
    tokens.rejected(WHERE, await tokens.token_for(TARGET, method=APP))
    with pytest.raises(ConnectionUnhealthy, match="just given"):
        await tokens.token_for(TARGET, method=APP)
    assert route.call_count == 2


@respx.mock
@pytest.mark.parametrize(
    "status, why",
    [(401, "app id or its private key"), (404, "no longer installed"), (403, "suspended"), (422, "permissions")],
)
async def test_a_refused_app_is_unhealthy_and_its_vendor_is_left_alone_for_a_while(
    tokens: Tokens, clock: Clock, status: int, why: str
) -> None:
    route = respx.post(URL).respond(status, json={"message": "the vendor's own words"})
    for _ in range(3):
        with pytest.raises(ConnectionUnhealthy, match=why) as refused:
            await tokens.token_for(TARGET, method=APP)
        assert "own words" not in str(refused.value)
        assert refused.value.hint
    assert route.call_count == 1
    clock.forward(31)
    route.respond(201, json=a_token(clock))
    assert (await tokens.token_for(TARGET, method=APP)).value == "ghs_1"


@respx.mock
async def test_an_app_that_was_reconnected_is_asked_at_once(tokens: Tokens, clock: Clock) -> None:
    route = respx.post(URL).respond(404)
    with pytest.raises(ConnectionUnhealthy):
        await tokens.token_for(TARGET, method=APP)
    route.respond(201, json=a_token(clock))
    tokens.forget(WHERE)
    assert (await tokens.token_for(TARGET, method=APP)).value == "ghs_1"


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(301, headers={"location": "https://evil.example/"}),
        httpx.Response(200, html="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(201, json={"token": "x"}),
        httpx.Response(201, json={"token": "x", "expires_at": "soon"}),
        httpx.Response(201, json={"token": "x", "expires_at": "2026-01-01T13:00:00"}),
        httpx.Response(201, json={"token": "a b", "expires_at": "2026-01-01T13:00:00Z"}),
        httpx.Response(201, content=b"x" * 300_000),
        httpx.ReadError("gone"),
        httpx.ConnectError("no"),
    ],
)
async def test_an_answer_that_does_not_serve_can_be_asked_again(tokens: Tokens, clock: Clock, answer: Any) -> None:
    respx.post(URL).mock(side_effect=[answer, httpx.Response(201, json=a_token(clock))])
    with pytest.raises(UpstreamUnavailable, match="Nothing was changed"):
        await tokens.token_for(TARGET, method=APP)
    assert (await tokens.token_for(TARGET, method=APP)).value == "ghs_1"


@respx.mock
async def test_silence_is_a_timeout(tokens: Tokens) -> None:
    respx.post(URL).mock(side_effect=httpx.ReadTimeout("slow"))
    with pytest.raises(UpstreamTimeout):
        await tokens.token_for(TARGET, method=APP)


@respx.mock
@pytest.mark.parametrize("status", [403, 429])
async def test_a_limit_of_the_vendor_says_when_to_come_back(tokens: Tokens, status: int) -> None:
    respx.post(URL).respond(status, headers={"retry-after": "9"})
    with pytest.raises(UpstreamQuota) as limited:
        await tokens.token_for(TARGET, method=APP)
    assert limited.value.retry_after_ms == 9000


@respx.mock
async def test_an_installation_id_stays_in_its_segment(tokens: Tokens, memory: MemoryStore, pem: str) -> None:
    memory.keep("app", app_id="1", installation_id="../../user?x", private_key=pem)
    route = respx.route(host="api.git.example").respond(404)
    with pytest.raises(ConnectionUnhealthy):
        await tokens.token_for(TARGET, method=APP)
    assert route.calls.last.request.url.raw_path.endswith(b"/..%2F..%2Fuser%3Fx/access_tokens")


@respx.mock
async def test_revoking_ends_the_token_in_use(tokens: Tokens, clock: Clock) -> None:
    assert not await tokens.revoke(TARGET, method=APP)
    respx.post(URL).respond(201, json=a_token(clock))
    await tokens.token_for(TARGET, method=APP)
    route = respx.delete("https://api.git.example/v3/installation/token").respond(204)
    assert await tokens.revoke(TARGET, method=APP)
    assert route.calls.last.request.headers["authorization"] == "Bearer ghs_1"


def unusable_keys() -> dict[str, str]:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    curve = ec.generate_private_key(ec.SECP256R1())
    whole = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = Encoding.PEM, NoEncryption()
    return {
        "small": small.private_bytes(pem, PrivateFormat.PKCS8, plain).decode(),
        "curve": curve.private_bytes(pem, PrivateFormat.PKCS8, plain).decode(),
        "public": whole.public_key().public_bytes(pem, PublicFormat.SubjectPublicKeyInfo).decode(),
        "encrypted": whole.private_bytes(pem, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode(),
        "cut": whole.private_bytes(pem, PrivateFormat.PKCS8, plain).decode()[:400],
        "text": "not a key at all",
        "empty": "",
    }


@pytest.mark.filterwarnings("ignore:.*key size.*")
def test_a_key_that_cannot_sign_is_refused_without_quoting_it() -> None:
    for name, pem in unusable_keys().items():
        with pytest.raises(KeyUnreadable) as refused:
            private_key(pem)
        assert (pem[30:60] or "not a key") not in str(refused.value), name


async def test_a_stored_key_that_cannot_be_read_is_unhealthy(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("app", app_id="1", installation_id="42", private_key="-----BEGIN nonsense")
    with pytest.raises(ConnectionUnhealthy, match="private key is no good") as refused:
        await tokens.token_for(TARGET, method=APP)
    assert "nonsense" not in str(refused.value)


def test_both_forms_of_pem_are_read(pem: str) -> None:
    key = load_pem_private_key(pem.encode(), None)
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        assert private_key(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()).is_private
