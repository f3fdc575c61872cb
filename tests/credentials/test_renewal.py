"""One presentation of a refresh token, whatever dies, races or loses its store in between."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
import respx
from credentials import Credential, EmbeddedStore, Tokens

from connectors.sdk.errors import ConnectionUnhealthy, SecretStoreUnavailable, UpstreamUnavailable
from tests.credentials.standins import OAUTH, REUSABLE, TARGET, TOKEN_URL, WHERE, Clock, MemoryStore, unavailable

PAIR = {"access_token": "new", "refresh_token": "r2", "expires_in": 28800, "token_type": "bearer"}
OnStore = Callable[..., Tokens]


class Killed(BaseException):
    """The process ended here."""


def kill(number: int) -> Callable[[int], None]:
    def at(put: int) -> None:
        if put == number:
            raise Killed

    return at


def killed(request: httpx.Request) -> httpx.Response:
    raise Killed


def fail(*numbers: int) -> Callable[[int], None]:
    def at(put: int) -> None:
        if put in numbers:
            unavailable(put)

    return at


@pytest.fixture(autouse=True)
def _expired(memory: MemoryStore, clock: Clock) -> None:
    memory.keep("oauth", **fields(clock))


def fields(clock: Clock) -> dict[str, str]:
    return {
        "access_token": "old",
        "refresh_token": "r1",
        "client_id": "id",
        "client_secret": "hush",
        "expires_at": clock.now.isoformat(),
    }


class Vendor:
    """A token endpoint with rotating refresh tokens. A second presentation of one ends everything."""

    def __init__(self) -> None:
        self.current = 1
        self.presented: list[str] = []
        self.reused = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        token = dict(part.split("=") for part in request.content.decode().split("&"))["refresh_token"]
        self.presented.append(token)
        if token != f"r{self.current}" or self.reused:
            self.reused = True
            return httpx.Response(200, json={"error": "bad_refresh_token"})
        self.current += 1
        pair = PAIR | {"access_token": f"a{self.current}", "refresh_token": f"r{self.current}"}
        return httpx.Response(200, json=pair)


@pytest.fixture
def vendor(respx_mock: respx.MockRouter) -> Vendor:
    vendor = Vendor()
    respx_mock.post(TOKEN_URL).mock(side_effect=vendor)
    return vendor


async def ask_and_die(tokens: Tokens) -> None:
    """Ask for a token in a process that ends on the way."""
    with pytest.raises(Killed):
        await tokens._renewals.current(TARGET, OAUTH, None)


@pytest.mark.respx(assert_all_called=False)
async def test_a_death_before_the_marker_changes_nothing(
    memory: MemoryStore, tokens_on: OnStore, vendor: Vendor
) -> None:
    memory.before_put = kill(1)
    await ask_and_die(tokens_on(memory))
    assert vendor.presented == []
    memory.before_put = kill(0)
    assert (await tokens_on(memory).token_for(TARGET, method=OAUTH)).value == "a2"
    assert vendor.presented == ["r1"]


@pytest.mark.respx(assert_all_called=False)
@pytest.mark.parametrize("step", ["after the marker", "while sending", "before the write"])
async def test_a_death_between_marker_and_write_asks_for_a_person_once_the_lease_is_over(
    memory: MemoryStore, tokens_on: OnStore, vendor: Vendor, respx_mock: respx.MockRouter, clock: Clock, step: str
) -> None:
    if step == "after the marker":
        memory.after_put = kill(1)
    elif step == "before the write":
        memory.before_put = kill(2)
    else:
        respx_mock.post(TOKEN_URL).mock(side_effect=killed)
    await ask_and_die(tokens_on(memory))
    memory.before_put = memory.after_put = kill(0)
    respx_mock.post(TOKEN_URL).mock(side_effect=vendor)
    presented, began = list(vendor.presented), clock.now
    with pytest.raises(ConnectionUnhealthy, match=r"refresh number 1 .* never finished") as refused:
        await tokens_on(memory).token_for(TARGET, method=OAUTH)
    assert refused.value.hint
    assert (clock.now - began).total_seconds() > 30
    assert vendor.presented == presented
    assert not vendor.reused


async def test_a_death_after_the_write_costs_nothing(memory: MemoryStore, tokens_on: OnStore, vendor: Vendor) -> None:
    memory.after_put = kill(2)
    await ask_and_die(tokens_on(memory))
    memory.after_put = kill(0)
    assert (await tokens_on(memory).token_for(TARGET, method=OAUTH)).value == "a2"
    assert vendor.presented == ["r1"]


@respx.mock
async def test_a_lapsed_marker_of_a_reusable_token_is_taken_over(
    memory: MemoryStore, tokens_on: OnStore, clock: Clock
) -> None:
    memory.after_put = kill(1)
    with pytest.raises(Killed):
        await tokens_on(memory)._renewals.current(TARGET, REUSABLE, None)
    memory.after_put = kill(0)
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    assert (await tokens_on(memory).token_for(TARGET, method=REUSABLE)).value == "new"
    assert memory.rows[WHERE].fields["generation"] == "2"
    assert route.call_count == 1


async def test_reconnecting_mends_a_lapsed_marker(
    memory: MemoryStore, tokens_on: OnStore, vendor: Vendor, clock: Clock
) -> None:
    memory.after_put = kill(1)
    await ask_and_die(tokens_on(memory))
    memory.after_put = kill(0)
    there = memory.rows[WHERE]
    await memory.put(WHERE, Credential("oauth", fields(clock)), expected=there.version)
    assert (await tokens_on(memory).token_for(TARGET, method=OAUTH)).value == "a2"


async def test_a_replica_waits_for_the_refresh_of_another_and_presents_nothing(
    memory: MemoryStore, tokens_on: OnStore, clock: Clock, respx_mock: respx.MockRouter
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(_: httpx.Request) -> httpx.Response:
        asked.set()
        await answer.wait()
        return httpx.Response(200, json=PAIR)

    route = respx_mock.post(TOKEN_URL).mock(side_effect=slow)
    first = asyncio.create_task(tokens_on(memory).token_for(TARGET, method=OAUTH))
    await asked.wait()
    polled = asyncio.Event()
    clock.when_slept = polled.set
    second = asyncio.create_task(tokens_on(memory).token_for(TARGET, method=OAUTH))
    await polled.wait()
    answer.set()
    assert (await first).value == "new"
    assert memory.rows[WHERE].fields["access_token"] == "new"
    clock.when_slept = lambda: None
    assert (await second).value == "new"
    assert route.call_count == 1


async def test_replicas_that_start_at_once_present_the_token_once(
    embedded: EmbeddedStore, clock: Clock, vendor: Vendor, tokens_on: OnStore
) -> None:
    await embedded.put(WHERE, Credential("oauth", fields(clock)), expected=0)
    replicas = [tokens_on(embedded) for _ in range(4)]
    given = await asyncio.gather(*(tokens.token_for(TARGET, method=OAUTH) for tokens in replicas))
    assert {token.value for token in given} == {"a2"}
    assert vendor.presented == ["r1"]
    await embedded.close()


async def test_a_loser_of_the_marker_reads_again(memory: MemoryStore, tokens_on: OnStore) -> None:
    def overtaken(number: int) -> None:
        memory.before_put = lambda _: None
        memory.keep("oauth", access_token="theirs", refresh_token="r9", client_id="id")

    memory.before_put = overtaken
    assert (await tokens_on(memory).token_for(TARGET, method=OAUTH)).value == "theirs"


async def test_a_credential_that_was_replaced_during_its_refresh_wins(
    memory: MemoryStore, tokens_on: OnStore, respx_mock: respx.MockRouter
) -> None:
    def replaced(_: httpx.Request) -> httpx.Response:
        memory.keep("oauth", access_token="reconnected")
        return httpx.Response(200, json=PAIR)

    respx_mock.post(TOKEN_URL).mock(side_effect=replaced)
    assert (await tokens_on(memory).token_for(TARGET, method=OAUTH)).value == "reconnected"
    assert "new" not in memory.rows[WHERE].fields.values()


async def test_a_refusal_for_a_credential_that_was_replaced_meanwhile_is_no_refusal(
    memory: MemoryStore, tokens_on: OnStore, respx_mock: respx.MockRouter
) -> None:
    def replaced(_: httpx.Request) -> httpx.Response:
        memory.keep("oauth", access_token="reconnected")
        return httpx.Response(200, json={"error": "invalid_grant"})

    respx_mock.post(TOKEN_URL).mock(side_effect=replaced)
    assert (await tokens_on(memory).token_for(TARGET, method=OAUTH)).value == "reconnected"


async def test_a_connection_that_was_deleted_during_its_refresh_gives_no_token(
    memory: MemoryStore, tokens_on: OnStore, respx_mock: respx.MockRouter
) -> None:
    def deleted(_: httpx.Request) -> httpx.Response:
        memory.rows.clear()
        return httpx.Response(200, json=PAIR)

    respx_mock.post(TOKEN_URL).mock(side_effect=deleted)
    with pytest.raises(ConnectionUnhealthy, match="no credential"):
        await tokens_on(memory).token_for(TARGET, method=OAUTH)
    assert memory.rows == {}


@pytest.mark.respx(assert_all_called=False)
@pytest.mark.parametrize("applied", [False, True])
async def test_without_a_marker_nothing_is_presented(
    memory: MemoryStore, tokens_on: OnStore, vendor: Vendor, applied: bool
) -> None:
    tokens = tokens_on(memory)
    if applied:
        memory.after_put = fail(1)
    else:
        memory.before_put = fail(1)
    with pytest.raises(SecretStoreUnavailable):
        await tokens.token_for(TARGET, method=OAUTH)
    assert vendor.presented == []
    memory.before_put = memory.after_put = fail()
    assert (await tokens.token_for(TARGET, method=OAUTH)).value == "a2"
    assert vendor.presented == ["r1"]


@pytest.mark.parametrize("applied", [False, True])
async def test_a_new_pair_outlives_a_store_that_stumbles(
    memory: MemoryStore, tokens_on: OnStore, vendor: Vendor, clock: Clock, applied: bool
) -> None:
    if applied:
        memory.after_put = fail(2)
    else:
        memory.before_put = fail(2)
        clock.when_slept = lambda: setattr(memory, "before_put", fail())
    assert (await tokens_on(memory).token_for(TARGET, method=OAUTH)).value == "a2"
    assert memory.rows[WHERE].fields["refresh_token"] == "r2"
    assert vendor.presented == ["r1"]


async def test_a_new_pair_that_could_not_be_saved_is_not_used_before_it_is(
    memory: MemoryStore, tokens_on: OnStore, vendor: Vendor
) -> None:
    tokens = tokens_on(memory)
    memory.before_put = fail(2)
    for _ in range(2):
        with pytest.raises(SecretStoreUnavailable):
            await tokens.token_for(TARGET, method=OAUTH)
    memory.before_put = fail()
    assert (await tokens.token_for(TARGET, method=OAUTH)).value == "a2"
    assert memory.rows[WHERE].fields["refresh_token"] == "r2"
    assert vendor.presented == ["r1"]


async def test_closing_saves_what_could_not_be_saved(memory: MemoryStore, tokens_on: OnStore, vendor: Vendor) -> None:
    tokens = tokens_on(memory)
    memory.before_put = fail(2)
    with pytest.raises(SecretStoreUnavailable):
        await tokens.token_for(TARGET, method=OAUTH)
    memory.before_put = fail()
    await tokens.close()
    assert memory.rows[WHERE].fields["refresh_token"] == "r2"


async def test_a_marker_that_could_not_be_cleared_is_cleared_by_the_next_call(
    memory: MemoryStore, tokens_on: OnStore, respx_mock: respx.MockRouter
) -> None:
    tokens = tokens_on(memory)
    memory.before_put = fail(2)
    respx_mock.post(TOKEN_URL).mock(side_effect=[httpx.ConnectError("no"), httpx.Response(200, json=PAIR)])
    with pytest.raises(SecretStoreUnavailable):
        await tokens.token_for(TARGET, method=OAUTH)
    memory.before_put = fail()
    assert (await tokens.token_for(TARGET, method=OAUTH)).value == "new"


async def test_a_stored_marker_that_cannot_be_read_is_unhealthy(
    memory: MemoryStore, tokens_on: OnStore, clock: Clock
) -> None:
    memory.keep("oauth", **fields(clock), refreshing_by="x", refreshing_until="soon")
    with pytest.raises(ConnectionUnhealthy, match="cannot be read"):
        await tokens_on(memory).token_for(TARGET, method=OAUTH)


async def test_what_another_replica_gave_up_is_not_tried_here(
    memory: MemoryStore, tokens_on: OnStore, respx_mock: respx.MockRouter
) -> None:
    route = respx_mock.post(TOKEN_URL).respond(json={"error": "invalid_grant"})
    for _ in range(2):
        with pytest.raises(ConnectionUnhealthy, match="revoked"):
            await tokens_on(memory).token_for(TARGET, method=OAUTH)
    assert route.call_count == 1


# Atlassian and others take a spent token again for some minutes, against exactly these losses.
FORGIVING = replace(OAUTH, refresh_grace=timedelta(minutes=10))


async def test_in_its_grace_a_lost_answer_is_asked_for_again(
    tokens: Tokens, memory: MemoryStore, respx_mock: respx.MockRouter
) -> None:
    route = respx_mock.post(TOKEN_URL).mock(side_effect=[httpx.ReadError, httpx.Response(200, json=PAIR)])
    with pytest.raises(UpstreamUnavailable):
        await tokens.token_for(TARGET, method=FORGIVING)
    assert (await tokens.token_for(TARGET, method=FORGIVING)).value == "new"
    assert route.call_count == 2
    assert not {name for name in memory.rows[WHERE].fields if name.startswith("refreshing")}


async def test_after_its_grace_a_doubtful_token_is_not_presented_again(
    tokens: Tokens, clock: Clock, respx_mock: respx.MockRouter
) -> None:
    """The grace counts from the first presentation, also over one that never left."""
    route = respx_mock.post(TOKEN_URL).mock(side_effect=[httpx.ReadError, httpx.ConnectError, httpx.ReadError])
    for seconds in (0, 300, 299):
        clock.forward(seconds)
        with pytest.raises(UpstreamUnavailable):
            await tokens.token_for(TARGET, method=FORGIVING)
    clock.forward(2)
    with pytest.raises(ConnectionUnhealthy, match="never finished"):
        await tokens.token_for(TARGET, method=FORGIVING)
    assert route.call_count == 3


async def test_in_its_grace_a_token_is_presented_again_after_a_crash(
    memory: MemoryStore, clock: Clock, tokens_on: OnStore, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(TOKEN_URL).mock(side_effect=killed)
    with pytest.raises(Killed):
        await tokens_on(memory).token_for(TARGET, method=FORGIVING)
    respx_mock.post(TOKEN_URL).respond(json=PAIR)
    clock.forward(120)
    assert (await tokens_on(memory).token_for(TARGET, method=FORGIVING)).value == "new"
