"""The authorization code grant: where a person is sent, and every way a token endpoint can answer a code."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest
import respx
from credentials import Road, authorize
from credentials.authorize import Asked
from credentials.token import NotProcessed, TokenRefused
from credentials.transport import NotSent, Unanswered

from connectors.sdk.auth import OAuthUser, RootInList, RootInToken
from tests.credentials.standins import OAUTH, TARGET, TOKEN_URL, Clock

# The example of RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
ASKED = Asked(
    "https://gate.example/oauth/callback", frozenset({"repo", "read:org"}), state="state-secret", verifier=VERIFIER
)
CLIENT = {"client_id": "id", "client_secret": "hush-secret"}
PAIR = {"access_token": "new", "refresh_token": "r1", "expires_in": 3600, "token_type": "bearer", "scope": "repo"}
LISTED = replace(OAUTH, discover=RootInList("{api}/sites", root="{api}/ex/{id}", title="name"))
API = "https://api.git.example"


def query_of(method: OAuthUser, asked: Asked = ASKED) -> dict[str, list[str]]:
    return parse_qs(urlsplit(authorize.authorize_url(TARGET, method, "id", asked)).query, keep_blank_values=True)


async def exchange(clock: Clock, method: OAuthUser = OAUTH, **client: str) -> authorize.Exchanged:
    fields = client or CLIENT
    return await authorize.exchange(Road(), TARGET, method, fields, "code-secret", ASKED, now=clock.now)


def test_a_person_is_sent_with_state_scopes_and_a_challenge() -> None:
    url = authorize.authorize_url(TARGET, OAUTH, "id", ASKED)
    assert url.startswith("https://git.example/login/oauth/authorize?")
    assert query_of(OAUTH) == {
        "response_type": ["code"],
        "client_id": ["id"],
        "redirect_uri": ["https://gate.example/oauth/callback"],
        "scope": ["read:org repo"],
        "state": ["state-secret"],
        "code_challenge": [CHALLENGE],
        "code_challenge_method": ["S256"],
    }
    assert VERIFIER not in url


def test_constants_of_the_vendor_go_along_once() -> None:
    method = replace(
        OAUTH,
        authorize_url="{origin}/authorize?audience=api&prompt=consent",
        authorize_params={"prompt": "login consent", "access_type": "offline"},
    )
    query = query_of(method)
    assert (query["audience"], query["prompt"], query["access_type"]) == (["api"], ["login consent"], ["offline"])


def test_scopes_are_parted_as_the_vendor_wants_and_left_out_where_there_are_none() -> None:
    assert query_of(replace(OAUTH, scope_separator=","))["scope"] == ["read:org,repo"]
    assert "scope" not in query_of(OAUTH, replace(ASKED, scopes=frozenset()))


def test_a_vendor_without_proof_keys_gets_none() -> None:
    assert "code_challenge" not in query_of(replace(OAUTH, pkce=False))


def test_verifiers_are_long_and_never_the_same() -> None:
    made = {authorize.new_verifier() for _ in range(50)}
    assert len(made) == 50
    assert all(43 <= len(verifier) <= 128 for verifier in made)


def test_secrets_do_not_show_themselves() -> None:
    assert "secret" not in repr(ASKED)
    assert VERIFIER not in repr(ASKED)
    assert "new" not in repr(authorize.Exchanged({"access_token": "new"}))


@respx.mock
async def test_a_code_is_presented_with_its_proof_and_becomes_a_credential(clock: Clock) -> None:
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    got = await exchange(clock)
    assert got == authorize.Exchanged(
        {
            **CLIENT,
            "access_token": "new",
            "refresh_token": "r1",
            "expires_at": (clock.now + timedelta(hours=1)).isoformat(),
            "scope": "repo",
        }
    )
    request = route.calls.last.request
    assert parse_qs(request.content.decode()) == {
        "grant_type": ["authorization_code"],
        "code": ["code-secret"],
        "redirect_uri": ["https://gate.example/oauth/callback"],
        "code_verifier": [VERIFIER],
        "client_id": ["id"],
        "client_secret": ["hush-secret"],
    }
    assert request.headers["accept"] == "application/json"
    assert "authorization" not in request.headers
    assert "secret" not in str(request.url)


@respx.mock
async def test_a_client_without_a_secret_is_public(clock: Clock) -> None:
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    await exchange(clock, client_id="id")
    sent = parse_qs(route.calls.last.request.content.decode())
    assert sent["client_id"] == ["id"]
    assert "client_secret" not in sent


@respx.mock
async def test_a_client_can_prove_itself_in_json(clock: Clock) -> None:
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    await exchange(clock, replace(OAUTH, client_auth="json"))
    request = route.calls.last.request
    assert request.headers["content-type"] == "application/json"
    assert orjson.loads(request.content) == {
        "grant_type": "authorization_code",
        "code": "code-secret",
        "redirect_uri": "https://gate.example/oauth/callback",
        "code_verifier": VERIFIER,
        **CLIENT,
    }


@respx.mock
async def test_a_client_can_prove_itself_by_basic(clock: Clock) -> None:
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    await exchange(clock, replace(OAUTH, client_auth="basic"))
    request = route.calls.last.request
    assert request.headers["authorization"] == "Basic aWQ6aHVzaC1zZWNyZXQ="
    assert b"hush-secret" not in request.content


@respx.mock
@pytest.mark.parametrize(
    ("told", "kept"), [({}, "read:org repo"), ({"scope": ""}, None), ({"scope": "repo,read:org"}, "read:org repo")]
)
async def test_an_answer_without_scopes_granted_what_was_asked_for(
    clock: Clock, told: dict[str, str], kept: str | None
) -> None:
    respx.post(TOKEN_URL).respond(json={"access_token": "new", "token_type": "bearer", **told})
    got = await exchange(clock)
    assert got.fields.get("scope") == kept
    assert "refresh_token" not in got.fields
    assert "expires_at" not in got.fields


async def refused(clock: Clock, kind: type[Exception], method: OAuthUser = OAUTH) -> str:
    with pytest.raises(kind) as error:
        await exchange(clock, method)
    assert type(error.value) is kind
    said = str(error.value)
    for secret in ("hush-secret", "code-secret", VERIFIER, "vendor's own words"):
        assert secret not in said
    return said


@respx.mock
@pytest.mark.parametrize("status", [200, 400, 401, 403])
@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("invalid_grant", "code has expired"),
        ("bad_verification_code", "code has expired"),
        ("redirect_uri_mismatch", "callback address"),
        ("incorrect_client_credentials", "client id or secret"),
        ("invalid_client", "client id or secret"),
        ("something_new", "refuses it"),
    ],
)
async def test_a_refusal_is_said_in_our_words(clock: Clock, status: int, code: str, why: str) -> None:
    respx.post(TOKEN_URL).respond(status, json={"error": code, "error_description": "vendor's own words code-secret"})
    assert why in await refused(clock, TokenRefused)


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 200, "html": "<html>vendor's own words</html>"},
        {"status_code": 200, "json": ["vendor's own words"]},
        {"status_code": 200, "json": {"token_type": "bearer"}},
        {"status_code": 200, "json": {"access_token": 7}},
        {"status_code": 200, "json": {"access_token": "two words"}},
        {"status_code": 200, "json": {"access_token": "x", "token_type": "mac"}},
        {"status_code": 200, "json": {"error": "server_error"}},
        {"status_code": 302, "headers": {"location": "https://evil.example"}},
        {"status_code": 500, "html": "oops"},
        {"status_code": 503, "json": {"error": "server_error"}},
    ],
)
async def test_an_answer_that_cannot_be_read_is_one_that_never_came(clock: Clock, answer: dict[str, Any]) -> None:
    route = respx.post(TOKEN_URL).respond(**answer)
    await refused(clock, Unanswered)
    assert route.call_count == 1


@respx.mock
async def test_a_limit_is_told_from_a_refusal(clock: Clock) -> None:
    respx.post(TOKEN_URL).respond(429, headers={"retry-after": "7"})
    assert "limit" in await refused(clock, NotProcessed)


@respx.mock
async def test_a_lost_answer_and_one_that_never_left_are_told_apart(clock: Clock) -> None:
    respx.post(TOKEN_URL).mock(side_effect=httpx.ReadError)
    await refused(clock, Unanswered)
    respx.post(TOKEN_URL).mock(side_effect=httpx.ConnectError)
    await refused(clock, NotSent)


async def test_a_token_endpoint_at_a_private_address_is_not_asked(clock: Clock) -> None:
    private = replace(OAUTH, token_url="https://127.0.0.1:1/token")
    assert "private" in await refused(clock, NotSent, private)


@respx.mock
async def test_the_root_of_the_api_is_read_from_the_token_answer(clock: Clock) -> None:
    respx.post(TOKEN_URL).respond(json=PAIR | {"instance_url": "https://acme.my.example/"})
    method = replace(OAUTH, discover=RootInToken("instance_url"))
    assert (await exchange(clock, method)).root == "https://acme.my.example"


@respx.mock
@pytest.mark.parametrize("root", [None, "", 7, "x" * 501])
async def test_a_token_answer_without_the_root_names_none(clock: Clock, root: object) -> None:
    respx.post(TOKEN_URL).respond(json=PAIR | {"instance_url": root})
    assert (await exchange(clock, replace(OAUTH, discover=RootInToken("instance_url")))).root is None


@respx.mock
async def test_the_roots_are_listed_with_the_token_each_once() -> None:
    sites = [
        {"id": "a1", "name": "Acme", "url": "https://acme.example/", "scopes": ["jira"]},
        {"id": "a1", "name": "Acme", "url": "https://acme.example", "scopes": ["wiki"]},
        {"id": "b2"},
        {"name": "no id"},
        {"id": "../c3"},
        {"id": ".."},
        "text",
    ]
    route = respx.get(f"{API}/sites").respond(json=sites)
    found = await authorize.roots(Road(), LISTED, "token", API)
    assert [(root.url, root.site, root.title) for root in found] == [
        (f"{API}/ex/a1", "https://acme.example", "Acme"),
        (f"{API}/ex/b2", "", ""),
    ]
    assert route.calls.last.request.headers["authorization"] == "Bearer token"


@respx.mock
async def test_objects_of_another_product_are_left_out() -> None:
    respx.get(f"{API}/sites").respond(json=[{"id": "a1", "of": "wiki"}, {"id": "b2", "of": "jira"}])
    listed = RootInList("{api}/sites", root="{api}/{id}", suits=lambda item: item.get("of") == "jira")
    found = await authorize.roots(Road(), replace(OAUTH, discover=listed), "token", API)
    assert [root.url for root in found] == [f"{API}/b2"]


@respx.mock
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"status_code": 401}, TokenRefused),
        ({"status_code": 403}, TokenRefused),
        ({"status_code": 500}, Unanswered),
        ({"status_code": 200, "html": "<html>"}, Unanswered),
        ({"status_code": 200, "json": {"id": "a1"}}, Unanswered),
        ({"status_code": 200, "json": [{"id": "a"}] * 201}, Unanswered),
    ],
)
async def test_a_list_that_cannot_be_read_names_no_root(answer: dict[str, Any], kind: type[Exception]) -> None:
    respx.get(f"{API}/sites").respond(**answer)
    with pytest.raises(kind) as error:
        await authorize.roots(Road(), LISTED, "token-secret", API)
    assert "token-secret" not in str(error.value)
