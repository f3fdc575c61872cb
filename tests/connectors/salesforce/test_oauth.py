"""The connector's OAuth, as it is declared: every way in which Salesforce answers, and against the simulator."""

import ipaddress
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import httpx
import jwt
import pytest
import respx
from credentials import Road, authorize, minted, oauth
from credentials.authorize import Asked, Exchanged
from credentials.token import NotProcessed, Target, TokenRefused, Where
from credentials.transport import Unanswered
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.salesforce import salesforce
from connectors.salesforce.simulator import OAuthApp, SalesforceSimulator
from connectors.sdk import ClientCredentials, JwtBearer, OAuthUser

BACK = "https://gate.example/oauth/callback"
CLIENT = {"client_id": "gate", "client_secret": "hush-secret"}
ROAD = Road(opened=(ipaddress.ip_network("127.0.0.1/32"),), plain_http_loopback=True)
SCOPES = frozenset({"api"})
ORIGIN = "https://acme.my.salesforce.com"
TOKEN = f"{ORIGIN}/services/oauth2/token"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
ASKED = Asked(BACK, SCOPES, state="s", verifier="v" * 43)
PAIR = {
    "access_token": "00D5e000001A2bC!AQ.new",
    "refresh_token": "5Aep861.new",
    "signature": "c2ln",
    "scope": "refresh_token openid api",
    "instance_url": ORIGIN,
    "id": "https://login.salesforce.com/id/00D5e000001A2bCEAS/0055e000001A2bCAAS",
    "token_type": "Bearer",
    "issued_at": "1795338000000",
}
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SIGNING = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = SIGNING.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
APP = OAuthApp("gate", "hush-secret", BACK, certificate=PUBLIC.decode(), runs_as="agent@acme.example", rotates=True)


PEM = SIGNING.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
SIGNER = {"client_id": "gate", "username": "agent@acme.example", "private_key": PEM}
ALONE = {name: value for name, value in PAIR.items() if name != "refresh_token"}


def method() -> OAuthUser:
    found = salesforce.auth["oauth"]
    assert isinstance(found, OAuthUser)
    return found


def target(root: str = ORIGIN) -> Target:
    where = Where("acme", "production", "salesforce/main")
    origin = salesforce.web_origin(root)
    return Target(where=where, title="Salesforce", api_root=root, origin=origin, hosts=salesforce.hosts)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def refresh(fields: dict[str, str]) -> Any:
    return await oauth.refresh(Road(), target(), method(), {**CLIENT, **fields}, now=NOW)


async def exchange() -> Exchanged:
    return await authorize.exchange(Road(), target(), method(), CLIENT, "aPrx-code", ASKED, now=NOW)


def test_a_person_is_sent_to_the_orgs_own_domain_with_a_challenge() -> None:
    asked = Asked(BACK, method().oauth_scopes(SCOPES) | method().always_scopes, state="s", verifier="v" * 43)
    url = authorize.authorize_url(target(), method(), "gate", asked)

    query = query_of(url)
    assert url.startswith(f"{ORIGIN}/services/oauth2/authorize?")
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert set(query["scope"].split()) == {"api", "refresh_token", "openid"}


@respx.mock
async def test_a_code_becomes_a_pair_without_an_end_and_the_orgs_address() -> None:
    route = respx.post(TOKEN).respond(json=PAIR)

    got = await exchange()

    sent = parse_qs(route.calls.last.request.content.decode())
    assert sent["grant_type"] == ["authorization_code"]
    assert (sent["client_secret"], sent["code_verifier"]) == (["hush-secret"], ["v" * 43])
    assert got.root == ORIGIN
    assert (got.fields["refresh_token"], got.fields["scope"]) == ("5Aep861.new", "api openid refresh_token")
    # No `expires_in`: the token lasts until Salesforce says 401.
    assert "expires_at" not in got.fields


@respx.mock
async def test_a_refresh_with_rotation_gives_a_new_pair() -> None:
    route = respx.post(TOKEN).respond(json=PAIR)

    got = await refresh({"refresh_token": "5Aep861.old"})

    assert parse_qs(route.calls.last.request.content.decode())["refresh_token"] == ["5Aep861.old"]
    assert (got.access_token, got.refresh_token, got.expires_at) == (PAIR["access_token"], "5Aep861.new", None)
    assert got.granted == {"refresh_token", "openid", "api"}


@respx.mock
async def test_a_refresh_without_rotation_keeps_the_old_refresh_token() -> None:
    respx.post(TOKEN).respond(json={name: value for name, value in PAIR.items() if name != "refresh_token"})

    assert (await refresh({"refresh_token": "5Aep861.old"})).refresh_token is None


@respx.mock
@pytest.mark.parametrize(
    "error",
    [
        {"error": "invalid_grant", "error_description": "expired access/refresh token"},
        {"error": "invalid_client_id", "error_description": "client identifier invalid"},
        {"error": "invalid_client", "error_description": "invalid client credentials"},
        {"error": "inactive_user", "error_description": "user is inactive"},
        {"error": "inactive_org", "error_description": "organization is inactive"},
        {"error": "invalid_grant", "error_description": "ip restricted or invalid login hours"},
    ],
)
async def test_a_refused_refresh_is_over_and_shows_no_secret(error: dict[str, str]) -> None:
    respx.post(TOKEN).respond(400, json=error)

    with pytest.raises(TokenRefused) as caught:
        await refresh({"refresh_token": "5Aep861.old"})

    assert "5Aep" not in str(caught.value)
    assert "hush" not in str(caught.value)


@respx.mock
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(429), NotProcessed),
        (httpx.Response(403, text="<html>Down for maintenance</html>"), NotProcessed),
        (httpx.Response(500, text="<html>"), Unanswered),
        (httpx.Response(503), Unanswered),
        (httpx.Response(302, headers={"location": "https://elsewhere.example/"}), Unanswered),
        (httpx.Response(200, text="<html>Log in</html>"), Unanswered),
        (httpx.Response(200, json={}), Unanswered),
        (httpx.Response(200, json=[PAIR]), Unanswered),
        (httpx.Response(200, json={**PAIR, "access_token": ""}), Unanswered),
        (httpx.Response(200, json={**PAIR, "token_type": "mac"}), Unanswered),
        (httpx.Response(200, text="access_token=x&token_type=Bearer"), Unanswered),
    ],
)
async def test_an_answer_that_is_no_pair_says_whether_the_old_one_still_stands(
    answer: httpx.Response, error: type[Exception]
) -> None:
    respx.post(TOKEN).mock(return_value=answer)

    with pytest.raises(error) as caught:
        await refresh({"refresh_token": "5Aep861.old"})

    assert "5Aep" not in str(caught.value)


@respx.mock
@pytest.mark.parametrize("root", [None, "", 7, ["https://x.my.salesforce.com"], "x" * 501])
async def test_an_address_that_is_none_is_not_taken_for_the_orgs(root: object) -> None:
    respx.post(TOKEN).respond(json={**PAIR, "instance_url": root})

    assert (await exchange()).root is None


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("acme.my.salesforce.com", True),
        ("acme--dev.sandbox.my.salesforce.com", True),
        ("na139.salesforce.com", True),
        ("login.salesforce.com", True),
        ("acme.my.salesforce.mil", True),
        ("salesforce.com", False),
        ("acme.my.salesforce.com.evil.example", False),
        ("evilsalesforce.com", False),
        ("acme.my.salesforce.example", False),
        ("mydomain.salesforce.invalid", False),
    ],
)
def test_only_salesforces_own_hosts_are_an_orgs_address(host: str, known: bool) -> None:
    assert any(pattern.matches(host) for pattern in salesforce.hosts) is known


def test_a_used_refresh_token_has_no_grace() -> None:
    assert method().single_use_refresh
    assert method().refresh_grace is None


@respx.mock
@pytest.mark.parametrize(("status", "ended"), [(200, True), (400, False), (503, False)])
async def test_revoking_ends_the_refresh_token(status: int, ended: bool) -> None:
    route = respx.post(f"{ORIGIN}/services/oauth2/revoke").respond(status)

    fields = {**CLIENT, "access_token": "a", "refresh_token": "5Aep861.old"}
    assert await oauth.revoke(Road(), target(), method(), fields) is ended

    assert parse_qs(route.calls.last.request.content.decode())["token"] == ["5Aep861.old"]


def minting(id: str) -> JwtBearer | ClientCredentials:
    found = salesforce.auth[id]
    assert isinstance(found, JwtBearer | ClientCredentials)
    return found


async def mint(id: str, **fields: str) -> Any:
    return await minted.mint(Road(), target(), minting(id), fields, now=NOW)


@respx.mock
@pytest.mark.parametrize(
    ("id", "audience"), [("jwt", "https://login.salesforce.com"), ("jwt_sandbox", "https://test.salesforce.com")]
)
async def test_an_assertion_names_the_login_host_and_is_sent_to_the_org(id: str, audience: str) -> None:
    route = respx.post(TOKEN).respond(json=ALONE)

    got = await mint(id, **SIGNER)

    sent = parse_qs(route.calls.last.request.content.decode())
    claims = jwt.decode(
        sent["assertion"][0], PUBLIC, algorithms=["RS256"], audience=audience, options={"verify_exp": False}
    )
    assert sent["grant_type"] == [JWT_GRANT]
    assert (claims["iss"], claims["sub"]) == ("gate", "agent@acme.example")
    assert claims["exp"] - int(NOW.timestamp()) <= 180
    assert (got.access_token, got.refresh_token, got.root) == (ALONE["access_token"], None, ORIGIN)


@respx.mock
async def test_a_client_proves_itself_in_the_form() -> None:
    route = respx.post(TOKEN).respond(json=ALONE)

    got = await mint("client", **CLIENT)

    sent = parse_qs(route.calls.last.request.content.decode())
    assert (sent["grant_type"], sent["client_secret"]) == (["client_credentials"], ["hush-secret"])
    assert got.refresh_token is None


@respx.mock
@pytest.mark.parametrize(
    ("id", "error", "said"),
    [
        ("jwt", ("invalid_grant", "user hasn't approved this consumer"), "has not approved the app"),
        ("jwt", ("invalid_grant", "audience is invalid"), "use the other method"),
        ("jwt", ("invalid_client_id", "client identifier invalid"), "client id"),
        ("jwt", ("invalid_grant", "something of somebody's"), "assertion is not accepted"),
        ("client", ("invalid_grant", "no client credentials user enabled"), "no user to run as"),
        ("client", ("invalid_client", "invalid client credentials"), "client id or secret"),
    ],
)
async def test_a_refused_proof_says_what_to_do_in_our_words(id: str, error: tuple[str, str], said: str) -> None:
    respx.post(TOKEN).respond(400, json={"error": error[0], "error_description": error[1]})

    with pytest.raises(TokenRefused, match=said) as caught:
        await mint(id, **(SIGNER if id == "jwt" else CLIENT))

    assert "somebody" not in str(caught.value)
    assert "hush" not in str(caught.value)


@respx.mock
async def test_a_token_for_another_host_is_not_used() -> None:
    respx.post(TOKEN).respond(json={**ALONE, "instance_url": "https://acme.my.salesforce.com.evil.example"})

    with pytest.raises(TokenRefused):
        await mint("jwt", **SIGNER)


# Against the simulator.


@pytest.fixture
async def vendor() -> AsyncIterator[SalesforceSimulator]:
    made = SalesforceSimulator(apps=[APP])
    await made.start()
    yield made
    await made.stop()


async def consented(vendor: SalesforceSimulator, session: aiohttp.ClientSession) -> Exchanged:
    scopes = method().oauth_scopes(SCOPES) | method().always_scopes
    asked = Asked(BACK, scopes, state="s", verifier=authorize.new_verifier())
    url = authorize.authorize_url(target(vendor.url), method(), "gate", asked)
    async with session.get(url, allow_redirects=False) as answer:
        back = query_of(answer.headers["location"])
    assert back["state"] == "s"
    return await authorize.exchange(ROAD, target(vendor.url), method(), CLIENT, back["code"], asked, now=NOW)


async def status_of(vendor: SalesforceSimulator, session: aiohttp.ClientSession, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    async with session.get(f"{vendor.url}/services/data/v67.0/limits", headers=headers) as answer:
        return answer.status


async def ask(vendor: SalesforceSimulator, session: aiohttp.ClientSession, **fields: str) -> tuple[int, Any]:
    async with session.post(
        f"{vendor.url}/services/oauth2/token",
        data=urlencode(fields),
        headers={"content-type": "application/x-www-form-urlencoded"},
    ) as answer:
        return answer.status, await answer.json()


async def test_a_code_of_the_simulator_becomes_a_pair_that_can_be_used(
    vendor: SalesforceSimulator, session: aiohttp.ClientSession
) -> None:
    got = await consented(vendor, session)

    assert got.root == vendor.url
    assert await status_of(vendor, session, got.fields["access_token"]) == 200


async def test_a_refresh_ends_the_old_refresh_token_at_once(
    vendor: SalesforceSimulator, session: aiohttp.ClientSession
) -> None:
    fields = {**CLIENT, **(await consented(vendor, session)).fields}

    fresh = await oauth.refresh(ROAD, target(vendor.url), method(), fields, now=NOW)

    assert await status_of(vendor, session, fresh.access_token) == 200
    assert fresh.refresh_token not in {None, fields["refresh_token"]}
    with pytest.raises(TokenRefused):
        await oauth.refresh(ROAD, target(vendor.url), method(), fields, now=NOW)


async def test_a_revoked_refresh_token_takes_its_access_token_along(
    vendor: SalesforceSimulator, session: aiohttp.ClientSession
) -> None:
    fields = {**CLIENT, **(await consented(vendor, session)).fields}

    assert await oauth.revoke(ROAD, target(vendor.url), method(), fields)

    assert await status_of(vendor, session, fields["access_token"]) == 401


@pytest.mark.parametrize(
    "change", [{"code_challenge": ""}, {"response_type": "token"}, {"scope": "everything"}, {"client_id": "other"}]
)
async def test_a_request_for_consent_that_is_wrong_gives_no_code(
    change: dict[str, str], vendor: SalesforceSimulator, session: aiohttp.ClientSession
) -> None:
    query = query_of(authorize.authorize_url(target(vendor.url), method(), "gate", ASKED)) | change
    query = {name: value for name, value in query.items() if value}

    async with session.get(f"{vendor.url}/services/oauth2/authorize", params=query, allow_redirects=False) as answer:
        location = answer.headers.get("location", "")

    assert "code=" not in location


@pytest.mark.parametrize("verifier", ["", "w" * 43])
async def test_a_code_without_its_proof_is_worth_nothing(
    verifier: str, vendor: SalesforceSimulator, session: aiohttp.ClientSession
) -> None:
    url = authorize.authorize_url(target(vendor.url), method(), "gate", ASKED)
    async with session.get(url, allow_redirects=False) as answer:
        code = query_of(answer.headers["location"])["code"]
    given = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **CLIENT}

    status, body = await ask(vendor, session, **given, code_verifier=verifier)
    again = await ask(vendor, session, **given, code_verifier=ASKED.verifier)

    assert (status, body["error"]) == (400, "invalid_grant")
    assert again[1]["error"] == "invalid_grant"


def assertion(key: Any = SIGNING, **change: Any) -> str:
    claims = {
        "iss": "gate",
        "sub": "agent@acme.example",
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 180,
        **change,
    }
    return jwt.encode(claims, key, algorithm="RS256")


@pytest.mark.parametrize("id", ["jwt", "jwt_sandbox", "client"])
async def test_a_proof_that_the_connector_declares_becomes_a_token_that_can_be_used_and_revoked(
    id: str, vendor: SalesforceSimulator, session: aiohttp.ClientSession
) -> None:
    fields = CLIENT if id == "client" else SIGNER

    got = await minted.mint(ROAD, target(vendor.url), minting(id), fields, now=datetime.now(UTC))
    used = await status_of(vendor, session, got.access_token)
    ended = await minted.revoke(ROAD, target(vendor.url), minting(id), fields, got.access_token)

    assert (used, ended) == (200, True)
    assert await status_of(vendor, session, got.access_token) == 401


async def test_a_signed_assertion_becomes_an_access_token_alone(
    vendor: SalesforceSimulator, session: aiohttp.ClientSession
) -> None:
    for audience in ("https://login.salesforce.com", "https://test.salesforce.com", vendor.url):
        status, body = await ask(vendor, session, grant_type=JWT_GRANT, assertion=assertion(aud=audience))

        assert status == 200
        assert {"access_token", "instance_url", "id", "signature", "issued_at", "token_type", "scope"} == set(body)
        assert await status_of(vendor, session, body["access_token"]) == 200


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)}, "invalid assertion"),
        ({"exp": int(time.time()) - 1}, "expired assertion"),
        ({"exp": int(time.time()) + 3600}, "too late"),
        ({"aud": "https://elsewhere.example"}, "audience is invalid"),
        ({"iss": "other"}, "client identifier invalid"),
        ({"sub": "berta@acme.example"}, "user hasn't approved this consumer"),
    ],
)
async def test_an_assertion_that_is_wrong_gives_no_token(
    change: dict[str, Any], said: str, vendor: SalesforceSimulator, session: aiohttp.ClientSession
) -> None:
    before = set(vendor.access.tokens)

    status, body = await ask(vendor, session, grant_type=JWT_GRANT, assertion=assertion(**change))

    assert status == 400
    assert said in body["error_description"]
    assert set(vendor.access.tokens) == before


async def test_a_client_on_its_own_behalf_runs_as_the_apps_user(
    vendor: SalesforceSimulator, session: aiohttp.ClientSession
) -> None:
    status, body = await ask(vendor, session, grant_type="client_credentials", **CLIENT)
    headers = {"authorization": f"Bearer {body['access_token']}"}
    async with session.get(body["id"], headers=headers) as answer:
        who = await answer.json()

    assert status == 200
    assert "refresh_token" not in body
    assert who["username"] == "agent@acme.example"


async def test_who_somebody_is_is_told_to_no_ended_token(
    vendor: SalesforceSimulator, session: aiohttp.ClientSession
) -> None:
    async with session.get(f"{vendor.url}/services/oauth2/userinfo") as answer:
        assert (answer.status, await answer.text()) == (403, "Bad_OAuth_Token")


async def test_a_token_without_the_scope_reads_nothing(
    vendor: SalesforceSimulator, session: aiohttp.ClientSession
) -> None:
    from connectors.salesforce.simulator import Token

    vendor.access.tokens["narrow"] = Token("narrow", scopes=frozenset({"openid", "chatter_api"}))

    assert await status_of(vendor, session, "narrow") == 403
