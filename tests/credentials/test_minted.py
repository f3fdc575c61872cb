"""Grants without a refresh token: what is signed and asked, every answer to it, and when it is asked again."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx
from credentials import Tokens, check_fields
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509 import CertificateBuilder, Name, NameAttribute, load_pem_x509_certificate
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from connectors.sdk.auth import Assertion, AuthMethod, ClientCredentials, JwtBearer, RootInToken, SignedToken
from connectors.sdk.errors import (
    ConnectionUnhealthy,
    InvalidInput,
    UpstreamQuota,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.credentials.standins import TARGET, WHERE, Clock, MemoryStore

URL = "https://git.example/oauth/token"
ROOT = "https://acme.my.git.example"
# As Salesforce has it: no expiry in the answer, and the API's root in each.
ORG = JwtBearer(
    token_url="{origin}/oauth/token",
    audience="{origin}",
    lifetime=timedelta(hours=2),
    discover=RootInToken("instance_url"),
    revoke_url="{origin}/oauth/revoke",
    refusals={"user hasn't approved this consumer": "an admin of the org has not approved the app for the user"},
)
# As Google's service accounts have it: other fields, a key id, the scopes inside.
SERVICE = JwtBearer(
    id="service",
    token_url="{origin}/oauth/token",
    issuer="{client_email}",
    subject="{subject}",
    optional=frozenset({"subject"}),
    key_id="{private_key_id}",
    assertion_lifetime=timedelta(hours=1),
    scopes=frozenset({"mail.send", "calendar"}),
    scopes_in="assertion",
)
BY_SECRET = ClientCredentials(token_url="{origin}/oauth/token", scopes=frozenset({"b", "a"}))
BY_KEY = ClientCredentials(
    id="client_key",
    token_url="{origin}/oauth/token",
    client_auth=Assertion(issuer="{client_id}", subject="{client_id}", audience="{token_url}", algorithm="ES256"),
    params={"client_id": "{client_id}"},
)
BY_CERTIFICATE = replace(
    BY_KEY,
    client_auth=Assertion(
        issuer="{client_id}", subject="{client_id}", audience="{token_url}", algorithm="PS256", certified=True
    ),
)
KEY_PAIR = SignedToken(Assertion(issuer="{username}.{fingerprint}", subject="{username}", single_use=False))


def an_answer(**more: object) -> dict[str, object]:
    return {"access_token": "one", "token_type": "Bearer", "instance_url": ROOT, **more}


@pytest.fixture
def org(memory: MemoryStore, pem: str) -> None:
    memory.keep("jwt", client_id="client", username="bot@acme.example", private_key=pem)


@pytest.fixture
def curve() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certified(pem: str) -> str:
    """Return a certificate of a key."""
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    name = Name([NameAttribute(NameOID.COMMON_NAME, "gatehouse")])
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    made = CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    signed = made.not_valid_before(begins).not_valid_after(begins + timedelta(days=365)).sign(key, SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


def sent(route: respx.Route) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(route.calls.last.request.content.decode()).items()}


@respx.mock
async def test_an_assertion_is_exchanged_for_a_token(
    org: None, tokens: Tokens, memory: MemoryStore, clock: Clock, pem: str
) -> None:
    route = respx.post(URL).respond(json=an_answer(scope="api id"))
    token = await tokens.token_for(TARGET, method=ORG)
    assert (token.header_value(), token.root) == ("Bearer one", ROOT)
    assert token.granted == frozenset({"api", "id"})
    asked = sent(route)
    assert asked.keys() == {"grant_type", "assertion"}
    assert asked["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert "authorization" not in route.calls.last.request.headers
    read = jwt.decode(asked["assertion"], RSAKey.import_key(pem), algorithms=["RS256"])
    now = int(clock.now.timestamp())
    assert read.claims.pop("jti")
    assert read.claims == {
        "iss": "client",
        "sub": "bot@acme.example",
        "aud": "https://git.example",
        "iat": now,
        "exp": now + 180,
    }
    assert memory.writes == []


@respx.mock
async def test_without_an_expiry_the_declared_lifetime_holds(org: None, tokens: Tokens, clock: Clock) -> None:
    route = respx.post(URL).respond(json=an_answer())
    assert (await tokens.token_for(TARGET, method=ORG)).expires_at == clock.now + timedelta(hours=2)
    clock.forward(7200 - 61)
    await tokens.token_for(TARGET, method=ORG)
    assert route.call_count == 1
    clock.forward(2)
    await tokens.token_for(TARGET, method=ORG)
    assert route.call_count == 2


@respx.mock
async def test_the_vendors_own_expiry_wins(org: None, tokens: Tokens, clock: Clock) -> None:
    respx.post(URL).respond(json=an_answer(expires_in=600))
    assert (await tokens.token_for(TARGET, method=ORG)).expires_at == clock.now + timedelta(minutes=10)


@respx.mock
async def test_no_two_assertions_are_the_same(org: None, tokens: Tokens) -> None:
    route = respx.post(URL).respond(json=an_answer())
    await tokens.token_for(TARGET, method=ORG)
    first = sent(route)["assertion"]
    tokens.forget(WHERE)
    await tokens.token_for(TARGET, method=ORG)
    assert sent(route)["assertion"] != first


@respx.mock
async def test_a_rejected_token_is_renewed_by_a_new_assertion_once(org: None, tokens: Tokens) -> None:
    route = respx.post(URL).mock(
        side_effect=[httpx.Response(200, json=an_answer(access_token=name)) for name in ("one", "two", "three")]
    )
    tokens.rejected(WHERE, await tokens.token_for(TARGET, method=ORG))
    renewed = await tokens.token_for(TARGET, method=ORG)
    assert renewed.value == "two"
    tokens.rejected(WHERE, renewed)
    with pytest.raises(ConnectionUnhealthy, match="just given"):
        await tokens.token_for(TARGET, method=ORG)
    assert route.call_count == 2


@respx.mock
async def test_a_refresh_token_that_comes_along_is_not_kept(org: None, tokens: Tokens, memory: MemoryStore) -> None:
    respx.post(URL).respond(json=an_answer(refresh_token="r1"))
    await tokens.token_for(TARGET, method=ORG)
    assert "refresh_token" not in memory.rows[WHERE].fields


@respx.mock
@pytest.mark.parametrize(
    "said, why",
    [
        ({"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}, "not approved the app"),
        ({"error": "invalid_grant", "error_description": "audience is invalid"}, "its audience"),
        ({"error": "invalid_client", "error_description": "s3cret words"}, "client or its key"),
        ({"error": "unauthorized_client"}, "not for these scopes"),
        ({"error": ["odd"]}, "refuses it"),
        ({"error": "something_new", "error_description": 7}, "refuses it"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401])
async def test_a_refused_assertion_is_unhealthy_in_our_words(
    org: None, tokens: Tokens, status: int, said: dict[str, object], why: str
) -> None:
    route = respx.post(URL).respond(status, json=said)
    for _ in range(2):
        with pytest.raises(ConnectionUnhealthy, match=why) as refused:
            await tokens.token_for(TARGET, method=ORG)
        assert "s3cret" not in f"{refused.value} {refused.value.hint}"
    assert route.call_count == 1


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"token_type": "Bearer", "instance_url": ROOT}),
        httpx.Response(200, json=an_answer(access_token="a b")),
        httpx.Response(200, json=an_answer(token_type="mac")),
        httpx.Response(200, html="<html>Login</html>"),
        httpx.Response(200, json=[1]),
        httpx.Response(400, html="<html>"),
        httpx.Response(500, json={"error": "invalid_grant"}),
        httpx.Response(302, headers={"location": "https://evil.example/"}),
        httpx.Response(200, content=b'{"access_token": "' + b"x" * 300_000),
        httpx.Response(400, json={"error": "temporarily_unavailable"}),
        httpx.ReadError("gone"),
        httpx.ConnectError("no"),
    ],
)
async def test_an_answer_that_does_not_serve_can_be_asked_again(org: None, tokens: Tokens, answer: Any) -> None:
    respx.post(URL).mock(side_effect=[answer, httpx.Response(200, json=an_answer())])
    with pytest.raises(UpstreamUnavailable, match="Nothing was changed"):
        await tokens.token_for(TARGET, method=ORG)
    assert (await tokens.token_for(TARGET, method=ORG)).value == "one"


@respx.mock
async def test_silence_and_limits_say_when_to_come_back(org: None, tokens: Tokens) -> None:
    limited = httpx.Response(429, headers={"retry-after": "9"})
    respx.post(URL).mock(side_effect=[httpx.ReadTimeout("slow"), limited])
    with pytest.raises(UpstreamTimeout):
        await tokens.token_for(TARGET, method=ORG)
    with pytest.raises(UpstreamQuota) as refused:
        await tokens.token_for(TARGET, method=ORG)
    assert refused.value.retry_after_ms == 9000


FOREIGN = [
    {"instance_url": "https://evil.example"},
    {"instance_url": "https://acme.my.git.example.evil.example"},
    {"instance_url": "http://acme.my.git.example"},
    {"instance_url": "https://acme.my.git.example:8443"},
    {"instance_url": "https://user@acme.my.git.example"},
    {"instance_url": "https://["},
    {"instance_url": "javascript:alert(1)"},
    {"iss": "https://evil.example"},
    {"iss": 7},
]


@respx.mock
@pytest.mark.parametrize("named", FOREIGN)
async def test_a_token_that_comes_with_a_foreign_host_or_issuer_is_not_used(
    org: None, tokens: Tokens, named: dict[str, object]
) -> None:
    respx.post(URL).respond(json=an_answer(**named))
    with pytest.raises(ConnectionUnhealthy, match=r"does not declare|another issuer") as refused:
        await tokens.token_for(TARGET, method=ORG)
    assert refused.value.hint


@respx.mock
async def test_a_host_that_changes_at_a_renewal_is_looked_at_again(org: None, tokens: Tokens, clock: Clock) -> None:
    route = respx.post(URL).respond(json=an_answer())
    await tokens.token_for(TARGET, method=ORG)
    clock.forward(7200)
    route.respond(json=an_answer(instance_url="https://moved.my.git.example/"))
    assert (await tokens.token_for(TARGET, method=ORG)).root == "https://moved.my.git.example"
    clock.forward(7200)
    route.respond(json=an_answer(instance_url="https://evil.example"))
    with pytest.raises(ConnectionUnhealthy, match=r"'evil\.example'"):
        await tokens.token_for(TARGET, method=ORG)


@respx.mock
async def test_the_issuer_may_be_a_declared_host(org: None, tokens: Tokens) -> None:
    respx.post(URL).respond(json=an_answer(iss="https://git.example"))
    assert (await tokens.token_for(TARGET, method=ORG)).value == "one"


@respx.mock
async def test_another_vendors_names_of_claims_and_fields_are_data(
    tokens: Tokens, memory: MemoryStore, clock: Clock, pem: str
) -> None:
    memory.keep("service", client_email="sa@p.example", subject="ann@x.example", private_key_id="k1", private_key=pem)
    route = respx.post(URL).respond(json=an_answer(expires_in=3599))
    await tokens.token_for(TARGET, method=SERVICE)
    read = jwt.decode(sent(route)["assertion"], RSAKey.import_key(pem))
    assert "scope" not in sent(route)
    assert (read.header["kid"], read.claims["iss"], read.claims["sub"]) == ("k1", "sa@p.example", "ann@x.example")
    assert (read.claims["aud"], read.claims["scope"]) == (URL, "calendar mail.send")


@respx.mock
async def test_a_credential_may_ask_for_less_and_leave_out_what_is_optional(
    tokens: Tokens, memory: MemoryStore, pem: str
) -> None:
    memory.keep("service", client_email="sa@p.example", private_key_id="k1", private_key=pem, scope="calendar")
    route = respx.post(URL).respond(json=an_answer(expires_in=3599))
    await tokens.token_for(TARGET, method=SERVICE)
    claims = jwt.decode(sent(route)["assertion"], RSAKey.import_key(pem)).claims
    assert "sub" not in claims
    assert claims["scope"] == "calendar"


@respx.mock
async def test_what_a_field_holds_is_no_template(tokens: Tokens, memory: MemoryStore, pem: str) -> None:
    memory.keep("jwt", client_id="{username}", username="{origin}", private_key=pem)
    route = respx.post(URL).respond(json=an_answer())
    await tokens.token_for(TARGET, method=ORG)
    claims = jwt.decode(sent(route)["assertion"], RSAKey.import_key(pem)).claims
    assert (claims["iss"], claims["sub"]) == ("{username}", "{origin}")


@respx.mock
@pytest.mark.parametrize("how", ["basic", "post", "json"])
async def test_client_credentials_prove_the_client_as_declared(tokens: Tokens, memory: MemoryStore, how: Any) -> None:
    memory.keep("client", client_id="id", client_secret="hush")
    route = respx.post(URL).respond(json=an_answer(expires_in=3600, scope="a b"))
    token = await tokens.token_for(TARGET, method=replace(BY_SECRET, client_auth=how))
    assert (token.value, token.granted) == ("one", frozenset({"a", "b"}))
    request = route.calls.last.request
    if how == "json":
        assert httpx.Response(200, content=request.content).json() == {
            "grant_type": "client_credentials",
            "scope": "a b",
            "client_id": "id",
            "client_secret": "hush",
        }
        return
    proof = {"client_id": "id", "client_secret": "hush"} if how == "post" else {}
    assert sent(route) == {"grant_type": "client_credentials", "scope": "a b", **proof}
    basic = "Basic " + base64.b64encode(b"id:hush").decode()
    assert request.headers.get("authorization") == (basic if how == "basic" else None)


@respx.mock
async def test_a_client_may_prove_itself_by_its_key(
    tokens: Tokens, memory: MemoryStore, clock: Clock, curve: str
) -> None:
    memory.keep("client_key", client_id="id", private_key=curve)
    route = respx.post(URL).respond(json=an_answer(expires_in=3600))
    await tokens.token_for(TARGET, method=BY_KEY)
    asked = sent(route)
    assert asked["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert (asked["grant_type"], asked["client_id"]) == ("client_credentials", "id")
    read = jwt.decode(asked["client_assertion"], ECKey.import_key(curve), algorithms=["ES256"])
    assert (read.claims["iss"], read.claims["sub"], read.claims["aud"]) == ("id", "id", URL)


@respx.mock
async def test_a_certificate_is_named_by_its_thumbprint(tokens: Tokens, memory: MemoryStore, pem: str) -> None:
    certificate = certified(pem)
    memory.keep("client_key", client_id="id", private_key=pem, certificate=certificate)
    route = respx.post(URL).respond(json=an_answer(expires_in=3600))
    await tokens.token_for(TARGET, method=BY_CERTIFICATE)
    head = jwt.decode(sent(route)["client_assertion"], RSAKey.import_key(pem), algorithms=["PS256"]).header
    der = load_pem_x509_certificate(certificate.encode()).public_bytes(Encoding.DER)
    assert head["x5t#S256"] == base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def test_a_certificate_that_cannot_be_read_is_refused(pem: str) -> None:
    whole = {"client_id": "id", "private_key": pem, "certificate": certified(pem)}
    assert check_fields(BY_CERTIFICATE, whole).fields == whole
    with pytest.raises(InvalidInput) as refused:
        check_fields(BY_CERTIFICATE, whole | {"certificate": pem})
    assert [issue.pointer for issue in refused.value.issues] == ["/certificate"]


@respx.mock
async def test_a_refused_client_is_unhealthy(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("client", client_id="id", client_secret="hush")
    respx.post(URL).respond(401, json={"error": "invalid_client", "error_description": "hush"})
    with pytest.raises(ConnectionUnhealthy, match="client id or secret") as refused:
        await tokens.token_for(TARGET, method=BY_SECRET)
    assert "hush" not in str(refused.value)


async def test_a_key_pairs_token_is_signed_here(tokens: Tokens, memory: MemoryStore, clock: Clock, pem: str) -> None:
    memory.keep("key_pair", username="ACME.BOT", private_key=pem)
    token = await tokens.token_for(TARGET, method=KEY_PAIR)
    key = RSAKey.import_key(pem)
    public = key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = base64.b64encode(hashlib.sha256(public).digest()).decode()
    claims = jwt.decode(token.value, key).claims
    assert (claims["iss"], claims["sub"]) == (f"ACME.BOT.SHA256:{digest}", "ACME.BOT")
    assert token.expires_at == clock.now + timedelta(minutes=3)


@respx.mock
async def test_revoking_ends_the_token_in_use_and_only_that(org: None, tokens: Tokens) -> None:
    revoked = respx.post("https://git.example/oauth/revoke").respond(200)
    assert not await tokens.revoke(TARGET, method=ORG)
    assert revoked.call_count == 0
    respx.post(URL).respond(json=an_answer())
    await tokens.token_for(TARGET, method=ORG)
    assert await tokens.revoke(TARGET, method=ORG)
    assert sent(revoked) == {"token": "one", "token_type_hint": "access_token"}


def test_the_fields_of_a_credential_are_those_that_its_method_names(pem: str, curve: str) -> None:
    org = {"client_id": "c", "username": "bot@acme.example", "private_key": pem}
    assert check_fields(ORG, org).fields == org
    assert check_fields(ORG, org | {"scope": "api"}).fields["scope"] == "api"
    service = {"client_email": "sa@p.example", "private_key_id": "k1", "private_key": pem}
    assert check_fields(SERVICE, service).fields == service
    assert check_fields(SERVICE, service | {"subject": "ann@x.example"}).method == "service"
    assert check_fields(BY_SECRET, {"client_id": "c", "client_secret": "hush"}).method == "client"
    assert check_fields(BY_KEY, {"client_id": "c", "private_key": curve}).method == "client_key"


@pytest.mark.parametrize(
    "method, fields, pointers",
    [
        (ORG, {}, ["/client_id", "/private_key", "/username"]),
        (
            ORG,
            {"client_id": "a b", "username": "a\nb", "private_key": "x"},
            ["/client_id", "/private_key", "/username"],
        ),
        (SERVICE, {"client_id": "c"}, ["/client_email", "/client_id", "/private_key", "/private_key_id"]),
        (BY_SECRET, {"client_id": "c", "scope": "a\nb"}, ["/client_secret", "/scope"]),
        (BY_KEY, {"client_id": "c", "client_secret": "s"}, ["/client_secret", "/private_key"]),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(
    method: AuthMethod, fields: dict[str, Any], pointers: list[str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_fields(method, fields)
    assert sorted(issue.pointer or "" for issue in refused.value.issues) == pointers


def test_a_key_of_another_kind_than_the_algorithm_needs_is_refused(pem: str, curve: str) -> None:
    for method, key, why in [(ORG, curve, "RSA"), (BY_KEY, pem, "P-256")]:
        with pytest.raises(InvalidInput) as refused:
            check_fields(method, {"client_id": "c", "username": "u", "private_key": key})
        assert any(why in issue.message for issue in refused.value.issues)
