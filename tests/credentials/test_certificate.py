"""Client certificates: what a credential may hold, how long it is good, and token endpoints that ask for one."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from credentials import Road, Tokens, check_fields, device
from credentials.certificate import CHAIN, KEY, certificate_of, identified
from credentials.supplied import check_client
from credentials.transport import NotSent
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import NameOID

from connectors.sdk.auth import AuthMethod, ClientCredentials
from connectors.sdk.errors import ConnectionUnhealthy, InvalidInput, UpstreamUnavailable
from tests.credentials.loopback import LOOPBACK, Serve, server
from tests.credentials.standins import APP, OAUTH, STATIC, TARGET, Clock, MemoryStore

BY_CERTIFICATE = ClientCredentials(token_url="{origin}/token", client_auth="certificate")
SECRET = "client_secret"
UNTIL = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def fields_of(authority: trustme.CA, until: datetime | None = None) -> dict[str, str]:
    made = authority.issue_cert("agents@acme.example", not_after=until)
    chain = "".join(one.bytes().decode() for one in made.cert_chain_pems)
    return {CHAIN: chain, KEY: made.private_key_pem.bytes().decode()}


def locked(pem: str) -> str:
    key = load_pem_private_key(pem.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        (STATIC, {"token": "t"}),
        (OAUTH, {"access_token": "a"}),
        (BY_CERTIFICATE, {"client_id": "id"}),
    ],
)
def test_any_credential_may_have_a_certificate(
    method: AuthMethod, fields: dict[str, str], authority: trustme.CA
) -> None:
    own = fields_of(authority)

    assert check_fields(method, {**fields, **own}).fields == {**fields, **own}
    assert check_client(OAUTH, {"client_id": "id", **own}) == {"client_id": "id", **own}


def test_what_is_no_pair_of_certificate_and_key_is_refused_at_its_place(authority: trustme.CA, pem: str) -> None:
    own = fields_of(authority)
    for wrong, pointer in (
        ({CHAIN: own[CHAIN]}, f"/{KEY}"),
        ({KEY: own[KEY]}, f"/{CHAIN}"),
        ({**own, KEY: pem}, f"/{KEY}"),
        ({**own, KEY: locked(own[KEY])}, f"/{KEY}"),
        ({**own, KEY: own[CHAIN]}, f"/{KEY}"),
        ({**own, CHAIN: own[KEY]}, f"/{CHAIN}"),
        ({**own, CHAIN: own[CHAIN] * 40}, f"/{CHAIN}"),
    ):
        for check in (lambda given: check_fields(STATIC, {"token": "t", **given}), _client):
            with pytest.raises(InvalidInput) as refused:
                check(wrong)
            assert [issue.pointer for issue in refused.value.issues] == [pointer]
            assert "BEGIN" not in str(refused.value) + str(refused.value.issues)


def weak() -> dict[str, str]:
    """Return a pair that fits together, and that TLS finds too short."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agents")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, UNTIL - timedelta(days=1), UNTIL)
    return {
        CHAIN: made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode(),
        KEY: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    }


async def test_a_pair_that_tls_does_not_take_is_refused_and_never_leads_anywhere() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_fields(STATIC, {"token": "t", **weak()})
    assert [issue.pointer for issue in refused.value.issues] == [f"/{KEY}"]
    with pytest.raises(NotSent, match="client certificate"):
        identified(Road(), weak())


def _client(given: dict[str, str]) -> object:
    return check_client(OAUTH, {"client_id": "id", **given})


def test_a_method_by_certificate_needs_one() -> None:
    for check in (
        lambda: check_fields(BY_CERTIFICATE, {"client_id": "id"}),
        lambda: check_client(replace(OAUTH, client_auth="certificate"), {"client_id": "id"}),
    ):
        with pytest.raises(InvalidInput) as refused:
            check()
        assert f"/{CHAIN}" in [issue.pointer for issue in refused.value.issues]


async def test_a_token_comes_with_its_certificate_until_that_ends(
    tokens: Tokens, memory: MemoryStore, clock: Clock, authority: trustme.CA
) -> None:
    own = fields_of(authority, clock.now.replace(hour=13))
    memory.keep("token", token="pasted", **own)

    token = await tokens.token_for(TARGET, method=STATIC)

    assert token.certificate is not None
    assert token.certificate == certificate_of(own)
    assert own[KEY] not in repr(token)
    clock.forward(3600 - 59)
    with pytest.raises(ConnectionUnhealthy, match="its client certificate ended at 2026-01-01T13:00:00"):
        await tokens.token_for(TARGET, method=STATIC)


async def test_a_certificate_that_got_unreadable_makes_its_connection_unhealthy(
    tokens: Tokens, memory: MemoryStore, authority: trustme.CA
) -> None:
    memory.keep("token", token="pasted", **{**fields_of(authority), CHAIN: "nothing"})

    with pytest.raises(ConnectionUnhealthy, match="its client certificate is no good"):
        await tokens.token_for(TARGET, method=STATIC)


Asked = list[tuple[str, str]]


def answering(asked: Asked, body: bytes, status: str) -> Serve:
    """Note who asked, by the certificate, and what; then answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        shown = writer.get_extra_info("peercert")
        name = dict(pair for pair in shown["subjectAltName"])["email"]
        asked.append((name, (await reader.readexactly(length)).decode()))
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    return serve


def asking_for_one(authority: trustme.CA, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    return context


def trusting(authority: trustme.CA) -> Road:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Road(opened=LOOPBACK, tls=context, timeout_seconds=5.0)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_proves_itself_at_the_token_endpoint_by_its_certificate_alone(
    memory: MemoryStore, tokens_on: Callable[..., Tokens], authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    asked: Asked = []
    answer = b'{"access_token": "fresh", "token_type": "bearer", "expires_in": 3600}'
    memory.keep("client", client_id="id", **fields_of(authority))
    async with server(answering(asked, answer, "200 OK"), asking_for_one(authority, version)) as (port, _):
        target = replace(TARGET, origin=f"https://127.0.0.1:{port}")

        token = await tokens_on(memory, trusting(authority)).token_for(target, method=BY_CERTIFICATE)

    assert token.value == "fresh"
    [(name, form)] = asked
    assert name == "agents@acme.example"
    assert "client_id=id" in form
    assert SECRET not in form


async def test_an_apps_assertion_is_exchanged_over_its_certificate(
    memory: MemoryStore, tokens_on: Callable[..., Tokens], authority: trustme.CA, pem: str
) -> None:
    asked: Asked = []
    until = datetime(2026, 1, 1, 13, tzinfo=UTC).isoformat()
    memory.keep("app", app_id="1", installation_id="2", private_key=pem, **fields_of(authority))
    answer = f'{{"token": "fresh", "expires_at": "{until}"}}'.encode()
    async with server(answering(asked, answer, "201 Created"), asking_for_one(authority)) as (port, _):
        target = replace(TARGET, api_root=f"https://127.0.0.1:{port}")

        token = await tokens_on(memory, trusting(authority)).token_for(target, method=APP)

    assert (token.value, [name for name, _ in asked]) == ("fresh", ["agents@acme.example"])


@pytest.mark.parametrize("proof", [False, True])
async def test_a_code_to_type_is_asked_for_over_the_clients_certificate(authority: trustme.CA, proof: bool) -> None:
    """Also where the vendor wants the client's id without its secret there."""
    asked: Asked = []
    client = {"client_id": "id", "client_secret": "hush", **fields_of(authority)}
    page = b'"verification_uri": "https://api.git.example/device"'
    answer = b'{"device_code": "d", "user_code": "PLUM", "expires_in": 60, ' + page + b"}"
    async with server(answering(asked, answer, "200 OK"), asking_for_one(authority)) as (port, _):
        target = replace(TARGET, origin=f"https://127.0.0.1:{port}")
        method = replace(OAUTH, device_url="{origin}/device", device_proof=proof)

        code = await device.ask(trusting(authority), target, method, client, frozenset({"repo"}))

    assert code.typed == "PLUM"
    [(name, form)] = asked
    assert name == "agents@acme.example"
    assert "client_id=id" in form
    assert (SECRET in form) is proof


@pytest.mark.parametrize("other", [False, True])
async def test_a_host_that_takes_no_certificate_or_another_gives_no_token(
    memory: MemoryStore, tokens_on: Callable[..., Tokens], authority: trustme.CA, other: bool
) -> None:
    method = ClientCredentials(token_url="{origin}/token")
    theirs = fields_of(trustme.CA()) if other else {}
    memory.keep("client", client_id="id", client_secret="hush", **theirs)
    asked: Asked = []
    async with server(answering(asked, b"{}", "200 OK"), asking_for_one(authority)) as (port, _):
        target = replace(TARGET, origin=f"https://127.0.0.1:{port}")
        with pytest.raises(UpstreamUnavailable):
            await tokens_on(memory, trusting(authority)).token_for(target, method=method)
    assert asked == []
