"""What every method has in common: memory, one fetch for all, rejection, forgetting. And static tokens."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
import respx
from credentials import AccessToken, Credential, EmbeddedStore, Tokens
from credentials.renewal import stored
from credentials.token import Obtained

from connectors.sdk.errors import ConnectionUnhealthy, SecretStoreUnavailable, UpstreamUnavailable
from tests.credentials.standins import OAUTH, REUSABLE, STATIC, TARGET, TOKEN_URL, WHERE, Clock, MemoryStore

PAIR = {"access_token": "new", "refresh_token": "r2", "expires_in": 28800, "token_type": "bearer", "scope": ""}


def expired(memory: MemoryStore, clock: Clock) -> None:
    memory.keep(
        "oauth",
        access_token="old",
        refresh_token="r1",
        client_id="id",
        client_secret="hush",
        expires_at=clock.now.isoformat(),
    )


class Gate:
    """A token endpoint that answers when it is opened."""

    def __init__(self, answer: httpx.Response) -> None:
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.answer = answer

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.set()
        await self.open.wait()
        return self.answer


async def test_a_pasted_token_is_given_as_the_connector_writes_it(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("token", token="pasted")
    token = await tokens.token_for(TARGET, method=STATIC)
    assert (token.header, token.header_value(), token.version) == ("authorization", "Bearer pasted", 1)


async def test_a_token_is_read_from_the_store_once(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("token", token="pasted")
    first = await tokens.token_for(TARGET, method=STATIC)
    memory.rows.clear()
    assert await tokens.token_for(TARGET, method=STATIC) is first


async def test_what_was_forgotten_is_read_again(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("token", token="one")
    await tokens.token_for(TARGET, method=STATIC)
    memory.rows.clear()
    tokens.forget(WHERE)
    with pytest.raises(ConnectionUnhealthy, match="has no credential"):
        await tokens.token_for(TARGET, method=STATIC)


async def test_a_rejected_pasted_token_is_not_given_again_until_it_is_replaced(
    tokens: Tokens, memory: MemoryStore
) -> None:
    memory.keep("token", token="one")
    tokens.rejected(WHERE, await tokens.token_for(TARGET, method=STATIC))
    for _ in range(2):
        with pytest.raises(ConnectionUnhealthy, match="no longer accepted") as refused:
            await tokens.token_for(TARGET, method=STATIC)
        assert refused.value.hint == "Ask an admin to reconnect it."
    memory.keep("token", token="two")
    assert (await tokens.token_for(TARGET, method=STATIC)).value == "two"


async def test_a_late_rejection_of_an_earlier_token_changes_nothing(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("token", token="one")
    first = await tokens.token_for(TARGET, method=STATIC)
    memory.keep("token", token="two")
    tokens.rejected(WHERE, first)
    second = await tokens.token_for(TARGET, method=STATIC)
    tokens.rejected(WHERE, first)
    assert await tokens.token_for(TARGET, method=STATIC) is second


async def test_a_credential_of_another_method_or_with_fields_missing_is_unhealthy(
    tokens: Tokens, memory: MemoryStore
) -> None:
    memory.keep("oauth", access_token="x")
    with pytest.raises(ConnectionUnhealthy, match="another method"):
        await tokens.token_for(TARGET, method=STATIC)
    memory.keep("token")
    with pytest.raises(ConnectionUnhealthy, match="lacks token"):
        await tokens.token_for(TARGET, method=STATIC)


async def test_a_credential_that_does_not_open_is_unhealthy_and_a_store_that_is_gone_is_not(
    tokens: Tokens, memory: MemoryStore, embedded: EmbeddedStore, tokens_on: Callable[..., Tokens]
) -> None:
    await embedded.put(WHERE, Credential("token", {"token": "x"}), expected=0)
    connection = await embedded._run(embedded._opened)
    await embedded._run(lambda: connection.execute("UPDATE credentials SET sealed = x'00'"))
    with pytest.raises(ConnectionUnhealthy, match="cannot be opened"):
        await tokens_on(embedded).token_for(TARGET, method=STATIC)
    await embedded.close()
    with pytest.raises(SecretStoreUnavailable):
        await tokens_on(embedded).token_for(TARGET, method=STATIC)


@respx.mock
async def test_callers_at_once_cause_one_refresh(tokens: Tokens, memory: MemoryStore, clock: Clock) -> None:
    expired(memory, clock)
    gate = Gate(httpx.Response(200, json=PAIR))
    route = respx.post(TOKEN_URL).mock(side_effect=gate)
    waiting = [asyncio.create_task(tokens.token_for(TARGET, method=OAUTH)) for _ in range(20)]
    await gate.asked.wait()
    gate.open.set()
    given = await asyncio.gather(*waiting)
    assert {token.value for token in given} == {"new"}
    assert route.call_count == 1


@respx.mock
async def test_a_caller_that_leaves_does_not_end_the_refresh_for_others(
    tokens: Tokens, memory: MemoryStore, clock: Clock
) -> None:
    expired(memory, clock)
    gate = Gate(httpx.Response(200, json=PAIR))
    route = respx.post(TOKEN_URL).mock(side_effect=gate)
    leaver, stayer = (asyncio.create_task(tokens.token_for(TARGET, method=OAUTH)) for _ in range(2))
    await gate.asked.wait()
    leaver.cancel()
    gate.open.set()
    assert (await stayer).value == "new"
    assert leaver.cancelled() or ((await asyncio.wait([leaver])) and leaver.cancelled())
    assert route.call_count == 1


@respx.mock
async def test_a_refresh_that_everyone_left_is_still_saved(tokens: Tokens, memory: MemoryStore, clock: Clock) -> None:
    expired(memory, clock)
    gate = Gate(httpx.Response(200, json=PAIR))
    respx.post(TOKEN_URL).mock(side_effect=gate)
    leaver = asyncio.create_task(tokens.token_for(TARGET, method=OAUTH))
    await gate.asked.wait()
    leaver.cancel()
    gate.open.set()
    await tokens.close()
    assert memory.rows[WHERE].fields["refresh_token"] == "r2"


@respx.mock
async def test_all_who_wait_get_the_same_error(tokens: Tokens, memory: MemoryStore, clock: Clock) -> None:
    expired(memory, clock)
    route = respx.post(TOKEN_URL).mock(side_effect=httpx.ConnectError("refused"))
    results = await asyncio.gather(*(tokens.token_for(TARGET, method=OAUTH) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [UpstreamUnavailable] * 5
    assert route.call_count == 1


@respx.mock
async def test_what_is_forgotten_while_it_is_fetched_is_not_kept(
    tokens: Tokens, memory: MemoryStore, clock: Clock
) -> None:
    expired(memory, clock)
    gate = Gate(httpx.Response(200, json=PAIR))
    respx.post(TOKEN_URL).mock(side_effect=gate)
    early = asyncio.create_task(tokens.token_for(TARGET, method=OAUTH))
    await gate.asked.wait()
    tokens.forget(WHERE)
    memory.keep("oauth", access_token="reconnected")
    gate.open.set()
    assert (await early).value == "reconnected"
    assert (await tokens.token_for(TARGET, method=OAUTH)).value == "reconnected"


@respx.mock
async def test_a_rejected_token_is_refreshed_though_it_has_not_expired(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("oauth", access_token="old", refresh_token="r1", client_id="id")
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    first = await tokens.token_for(TARGET, method=OAUTH)
    assert (first.value, route.call_count) == ("old", 0)
    tokens.rejected(WHERE, first)
    assert (await tokens.token_for(TARGET, method=OAUTH)).value == "new"
    tokens.rejected(WHERE, first)
    assert (await tokens.token_for(TARGET, method=OAUTH)).value == "new"
    assert route.call_count == 1


@respx.mock
async def test_a_vendor_that_rejects_its_newest_token_too_is_not_asked_over_and_over(
    tokens: Tokens, memory: MemoryStore, clock: Clock
) -> None:
    memory.keep("oauth", access_token="old", refresh_token="r1", client_id="id")
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    tokens.rejected(WHERE, await tokens.token_for(TARGET, method=OAUTH))
    tokens.rejected(WHERE, await tokens.token_for(TARGET, method=OAUTH))
    with pytest.raises(ConnectionUnhealthy, match="just given"):
        await tokens.token_for(TARGET, method=OAUTH)
    assert route.call_count == 1
    clock.forward(301)
    await tokens.token_for(TARGET, method=OAUTH)
    assert route.call_count == 2


@respx.mock
async def test_a_rejection_whose_remedy_another_replica_stored_asks_nobody(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("oauth", access_token="old", refresh_token="r1", client_id="id")
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    first = await tokens.token_for(TARGET, method=OAUTH)
    memory.keep("oauth", access_token="theirs", refresh_token="r9", client_id="id")
    tokens.rejected(WHERE, first)
    assert (await tokens.token_for(TARGET, method=OAUTH)).value == "theirs"
    assert not route.called


@respx.mock
async def test_a_token_is_refreshed_a_minute_before_it_ends(tokens: Tokens, memory: MemoryStore, clock: Clock) -> None:
    expired(memory, clock)
    route = respx.post(TOKEN_URL).respond(json=PAIR | {"expires_in": 600})
    await tokens.token_for(TARGET, method=OAUTH)
    clock.forward(540)
    await tokens.token_for(TARGET, method=OAUTH)
    assert route.call_count == 1
    clock.forward(1)
    await tokens.token_for(TARGET, method=OAUTH)
    assert route.call_count == 2


@respx.mock
async def test_a_vendor_with_very_short_tokens_is_asked_once_a_call(
    tokens: Tokens, memory: MemoryStore, clock: Clock
) -> None:
    expired(memory, clock)
    route = respx.post(TOKEN_URL).respond(json=PAIR | {"expires_in": 5})
    assert (await tokens.token_for(TARGET, method=OAUTH)).value == "new"
    assert route.call_count == 1


@respx.mock
async def test_revoking_tells_the_vendor_and_forgets(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("oauth", access_token="a", refresh_token="r1", client_id="id", client_secret="hush")
    route = respx.post("https://git.example/login/oauth/revoke").respond(200)
    await tokens.token_for(TARGET, method=OAUTH)
    assert await tokens.revoke(TARGET, method=OAUTH)
    assert b"token=r1" in route.calls.last.request.content
    assert b"token_type_hint=refresh_token" in route.calls.last.request.content
    memory.rows.clear()
    with pytest.raises(ConnectionUnhealthy):
        await tokens.token_for(TARGET, method=OAUTH)


@respx.mock
async def test_revoking_says_when_the_vendor_did_not_confirm(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("oauth", access_token="a")
    assert not await tokens.revoke(TARGET, method=REUSABLE)
    respx.post("https://git.example/login/oauth/revoke").mock(side_effect=httpx.ReadTimeout("slow"))
    with pytest.raises(Exception, match="did not answer in time"):
        await tokens.revoke(TARGET, method=OAUTH)
    respx.post("https://git.example/login/oauth/revoke").respond(503)
    assert not await tokens.revoke(TARGET, method=OAUTH)


async def test_after_closing_nothing_is_fetched(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("token", token="x")
    await tokens.close()
    with pytest.raises(SecretStoreUnavailable):
        await tokens.token_for(TARGET, method=STATIC)


async def test_nothing_that_holds_a_token_shows_it(memory: MemoryStore) -> None:
    memory.keep("token", token="pasted-secret")
    token = AccessToken(value="pasted-secret", header="h", form="{token}", expires_at=None, version=1)
    credential = await stored(memory, TARGET, STATIC, Clock().now)
    for thing in (token, credential, Obtained("pasted-secret", "pasted-secret"), TARGET):
        assert "pasted-secret" not in f"{thing!r} {thing}"
