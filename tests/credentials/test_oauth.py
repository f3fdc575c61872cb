"""Every way a token endpoint can answer a refresh."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs

import httpx
import orjson
import pytest
import respx
from credentials import Road, Tokens

from connectors.sdk.errors import (
    ActionError,
    ConnectionUnhealthy,
    UpstreamQuota,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.credentials.loopback import LOOPBACK, says, server
from tests.credentials.standins import OAUTH, REUSABLE, TARGET, TOKEN_URL, WHERE, Clock, MemoryStore

PAIR = {"access_token": "new", "refresh_token": "r2", "expires_in": 28800, "token_type": "bearer", "scope": ""}
MARKS = {"refreshing_by", "refreshing_until"}


@pytest.fixture(autouse=True)
def _expired(memory: MemoryStore, clock: Clock) -> None:
    memory.keep(
        "oauth",
        access_token="old-secret",
        refresh_token="r1-secret",
        client_id="id",
        client_secret="hush-secret",
        expires_at=clock.now.isoformat(),
        scope="repo",
    )


@respx.mock
async def test_a_refresh_presents_the_token_once_and_stores_what_it_got(
    tokens: Tokens, memory: MemoryStore, clock: Clock
) -> None:
    route = respx.post(TOKEN_URL).respond(json=PAIR | {"scope": "repo,read:user"})
    token = await tokens.token_for(TARGET, method=OAUTH)
    assert token.value == "new"
    assert token.expires_at == clock.now + timedelta(hours=8)
    assert token.granted == frozenset({"repo", "read:user"})
    sent = parse_qs(route.calls.last.request.content.decode())
    assert sent == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["r1-secret"],
        "client_id": ["id"],
        "client_secret": ["hush-secret"],
    }
    assert route.calls.last.request.headers["accept"] == "application/json"
    assert "authorization" not in route.calls.last.request.headers
    kept = memory.rows[WHERE]
    assert kept.version == token.version == 3
    assert dict(kept.fields) == {
        "access_token": "new",
        "refresh_token": "r2",
        "client_id": "id",
        "client_secret": "hush-secret",
        "expires_at": token.expires_at.isoformat(),
        "scope": "read:user repo",
        "generation": "1",
    }


@respx.mock
async def test_the_marker_stands_before_the_token_is_presented(
    tokens: Tokens, memory: MemoryStore, clock: Clock
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        fields = memory.rows[WHERE].fields
        assert fields.keys() >= MARKS
        assert fields["generation"] == "1"
        return httpx.Response(200, json=PAIR)

    respx.post(TOKEN_URL).mock(side_effect=answer)
    await tokens.token_for(TARGET, method=OAUTH)
    assert not memory.rows[WHERE].fields.keys() & MARKS


@respx.mock
async def test_what_the_vendor_does_not_say_again_stays(tokens: Tokens, memory: MemoryStore) -> None:
    respx.post(TOKEN_URL).respond(json={"access_token": "new", "token_type": "bearer"})
    token = await tokens.token_for(TARGET, method=OAUTH)
    assert (token.expires_at, token.granted) == (None, frozenset({"repo"}))
    assert memory.rows[WHERE].fields["refresh_token"] == "r1-secret"


@respx.mock
async def test_an_expiry_written_as_text_is_read(tokens: Tokens, clock: Clock) -> None:
    respx.post(TOKEN_URL).respond(json=PAIR | {"expires_in": "3600"})
    assert (await tokens.token_for(TARGET, method=OAUTH)).expires_at == clock.now + timedelta(hours=1)


async def refused(tokens: Tokens, kind: type[ActionError], method: object = OAUTH) -> ActionError:
    with pytest.raises(kind) as error:
        await tokens.token_for(TARGET, method=method)  # type: ignore[arg-type]
    assert type(error.value) is kind
    for shown in (str(error.value), repr(error.value), str(error.value.hint)):
        assert "secret" not in shown.replace("id or secret", "")
        assert "vendor's own words" not in shown
    return error.value


@respx.mock
@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(
    "code, why",
    [
        ("invalid_grant", "expired, was used or was revoked"),
        ("bad_refresh_token", "expired, was used or was revoked"),
        ("incorrect_client_credentials", "client id or secret"),
        ("something_new", "refuses it"),
    ],
)
async def test_a_refusal_is_final_and_the_vendor_is_not_asked_again(
    tokens: Tokens, memory: MemoryStore, status: int, code: str, why: str
) -> None:
    said = {"error": code, "error_description": "the vendor's own words, r1-secret", "error_uri": "https://x.example"}
    route = respx.post(TOKEN_URL).respond(status, json=said)
    for _ in range(2):
        assert why in (await refused(tokens, ConnectionUnhealthy)).detail
    assert route.call_count == 1
    assert not memory.rows[WHERE].fields.keys() & MARKS


BAD_ANSWERS = {
    "html": httpx.Response(200, html="<html>the vendor's own words</html>"),
    "list": httpx.Response(200, json=[1]),
    "empty": httpx.Response(200),
    "no token": httpx.Response(200, json={"token_type": "bearer"}),
    "token that no header can carry": httpx.Response(200, json={"access_token": "a\r\nb", "token_type": "bearer"}),
    "token that is a number": httpx.Response(200, json={"access_token": 1, "token_type": "bearer"}),
    "token of another kind": httpx.Response(200, json={"access_token": "a", "token_type": "mac"}),
    "broken expiry": httpx.Response(200, json={"access_token": "", "expires_in": "soon", "token_type": "bearer"}),
    "500": httpx.Response(500, json=PAIR),
    "502 html": httpx.Response(502, html="<html>the vendor's own words</html>"),
    "redirect": httpx.Response(307, headers={"location": "https://evil.example/"}),
    "huge": httpx.Response(200, content=b"x" * 300_000),
    "server_error": httpx.Response(400, json={"error": "server_error"}),
}
LOST: dict[str, Exception] = {
    "read timeout": httpx.ReadTimeout("slow"),
    "write error": httpx.WriteError("gone"),
    "hang up": httpx.RemoteProtocolError("Server disconnected without sending a response."),
}


@respx.mock
@pytest.mark.parametrize("name", [*BAD_ANSWERS, *LOST])
async def test_without_a_readable_answer_a_single_use_token_is_never_presented_again(
    tokens: Tokens, memory: MemoryStore, name: str
) -> None:
    elsewhere = respx.route(host="evil.example")
    outcome = BAD_ANSWERS.get(name) or LOST[name]
    route = respx.post(TOKEN_URL).mock(side_effect=[outcome, httpx.Response(200, json=PAIR)])
    for _ in range(2):
        assert "only once" in (await refused(tokens, ConnectionUnhealthy)).detail
    assert route.call_count == 1
    assert not elsewhere.called
    assert memory.rows[WHERE].fields["refresh_token"] == "r1-secret"


@respx.mock
@pytest.mark.parametrize("name", [*BAD_ANSWERS, *LOST])
async def test_without_a_readable_answer_a_reusable_token_is_presented_again(
    tokens: Tokens, memory: MemoryStore, name: str
) -> None:
    outcome = BAD_ANSWERS.get(name) or LOST[name]
    route = respx.post(TOKEN_URL).mock(side_effect=[outcome, httpx.Response(200, json=PAIR)])
    error = await refused(tokens, UpstreamTimeout if name == "read timeout" else UpstreamUnavailable, REUSABLE)
    assert error.retryable
    assert not memory.rows[WHERE].fields.keys() & MARKS
    assert (await tokens.token_for(TARGET, method=REUSABLE)).value == "new"
    assert route.call_count == 2


@respx.mock
@pytest.mark.parametrize("fault", [httpx.ConnectError("no"), httpx.ConnectTimeout("no"), httpx.PoolTimeout("no")])
async def test_what_was_never_sent_clears_the_marker(tokens: Tokens, memory: MemoryStore, fault: Exception) -> None:
    respx.post(TOKEN_URL).mock(side_effect=[fault, httpx.Response(200, json=PAIR)])
    assert "Nothing was changed" in (await refused(tokens, UpstreamUnavailable)).detail
    assert not memory.rows[WHERE].fields.keys() & MARKS
    assert (await tokens.token_for(TARGET, method=OAUTH)).value == "new"


@respx.mock
async def test_a_limit_of_the_vendor_says_when_to_come_back_and_clears_the_marker(
    tokens: Tokens, memory: MemoryStore
) -> None:
    respx.post(TOKEN_URL).mock(
        side_effect=[httpx.Response(429, headers={"retry-after": "7"}), httpx.Response(200, json=PAIR)]
    )
    assert (await refused(tokens, UpstreamQuota)).retry_after_ms == 7000
    assert not memory.rows[WHERE].fields.keys() & MARKS
    assert (await tokens.token_for(TARGET, method=OAUTH)).value == "new"


@respx.mock
@pytest.mark.parametrize(
    "turned_away",
    [httpx.Response(403, html="<html>a wall</html>"), httpx.Response(400, json={"error": "temporarily_unavailable"})],
)
async def test_a_vendor_that_turned_the_request_away_can_be_asked_again(
    tokens: Tokens, turned_away: httpx.Response
) -> None:
    respx.post(TOKEN_URL).mock(side_effect=[turned_away, httpx.Response(200, json=PAIR)])
    await refused(tokens, UpstreamUnavailable)
    assert (await tokens.token_for(TARGET, method=OAUTH)).value == "new"


async def test_a_token_endpoint_at_a_private_address_is_never_reached(tokens: Tokens, memory: MemoryStore) -> None:
    inside = replace(TARGET, origin="https://169.254.169.254")
    with pytest.raises(UpstreamUnavailable, match="private or reserved"):
        await tokens.token_for(inside, method=OAUTH)
    plain = replace(TARGET, origin="http://git.example")
    with pytest.raises(UpstreamUnavailable, match="not https"):
        await tokens.token_for(plain, method=OAUTH)
    assert not memory.rows[WHERE].fields.keys() & MARKS


async def test_an_expired_token_without_a_refresh_token_asks_for_a_person(
    tokens: Tokens, memory: MemoryStore, clock: Clock
) -> None:
    memory.keep("oauth", access_token="old", expires_at=clock.now.isoformat())
    assert "no refresh token" in (await refused(tokens, ConnectionUnhealthy)).detail


@respx.mock
async def test_a_public_client_sends_its_id_and_no_secret(tokens: Tokens, memory: MemoryStore, clock: Clock) -> None:
    memory.keep("oauth", access_token="o", refresh_token="r1", client_id="id", expires_at=clock.now.isoformat())
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    await tokens.token_for(TARGET, method=OAUTH)
    sent = parse_qs(route.calls.last.request.content.decode())
    assert sent == {"grant_type": ["refresh_token"], "refresh_token": ["r1"], "client_id": ["id"]}


async def test_a_refresh_works_over_a_real_socket(tokens_on: Callable[..., Tokens], memory: MemoryStore) -> None:
    body = orjson.dumps(PAIR)
    async with server(says("200 OK\r\ncontent-type: application/json", body)) as (port, seen):
        target = replace(TARGET, origin=f"http://127.0.0.1:{port}")
        tokens = tokens_on(memory, Road(opened=LOOPBACK, plain_http_loopback=True))
        assert (await tokens.token_for(target, method=OAUTH)).value == "new"
        await tokens.close()
    assert len(seen) == 1


async def test_a_hang_up_over_a_real_socket_spends_the_token(
    tokens_on: Callable[..., Tokens], memory: MemoryStore
) -> None:
    async with server(says("200 OK\r\ncontent-length: 500", b"{")) as (port, seen):
        target = replace(TARGET, origin=f"http://127.0.0.1:{port}")
        tokens = tokens_on(memory, Road(opened=LOOPBACK, plain_http_loopback=True))
        for _ in range(2):
            with pytest.raises(ConnectionUnhealthy, match="only once"):
                await tokens.token_for(target, method=OAUTH)
    assert len(seen) == 1


@respx.mock
async def test_a_refresh_is_written_as_json_where_the_vendor_wants_it(tokens: Tokens) -> None:
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    await tokens.token_for(TARGET, method=replace(OAUTH, client_auth="json"))
    assert orjson.loads(route.calls.last.request.content) == {
        "grant_type": "refresh_token",
        "refresh_token": "r1-secret",
        "client_id": "id",
        "client_secret": "hush-secret",
    }


@respx.mock
async def test_a_vendor_without_the_standard_ends_tokens_by_a_delete_of_the_client(tokens: Tokens) -> None:
    route = respx.delete("https://api.git.example/v3/applications/id/token").respond(204)
    method = replace(OAUTH, revoke_url="{api_root}/applications/{client_id}/token", revoke_form="by_client")
    assert await tokens.revoke(TARGET, method=method)
    request = route.calls.last.request
    assert request.headers["authorization"] == "Basic aWQ6aHVzaC1zZWNyZXQ="
    assert orjson.loads(request.content) == {"access_token": "old-secret"}


@respx.mock
@pytest.mark.parametrize(("status", "confirmed"), [(204, True), (401, False), (422, False)])
async def test_a_vendor_without_the_standard_ends_tokens_by_a_delete_with_the_token(
    tokens: Tokens, status: int, confirmed: bool
) -> None:
    route = respx.delete("https://api.git.example/v3/tokens/current").respond(status)
    method = replace(OAUTH, revoke_url="{api_root}/tokens/current", revoke_form="by_token")
    assert await tokens.revoke(TARGET, method=method) is confirmed
    assert route.calls.last.request.headers["authorization"] == "Bearer old-secret"
    assert b"hush-secret" not in route.calls.last.request.content
