"""One refresh at a time across replicas over one Vault: the marker holds by check-and-set, whatever dies where."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
import respx
from credentials import Credential, Road, Target, Tokens, VaultStore, Where
from credentials.renewal import Renewals

from connectors.sdk import OAuthUser
from connectors.sdk.errors import ConnectionUnhealthy, SecretStoreUnavailable
from tests.credentials.standins import OAUTH, TARGET, TOKEN_URL, Clock
from tests.credentials.vault.ground import Ground


class Killed(BaseException):
    """The process ended here."""


class Vendor:
    """A token endpoint with rotating refresh tokens. A second presentation of one ends everything."""

    def __init__(self) -> None:
        self.current = 1
        self.presented: list[str] = []
        self.before: Callable[[], Awaitable[None]] | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        token = dict(part.split("=") for part in request.content.decode().split("&"))["refresh_token"]
        self.presented.append(token)
        if self.before is not None:
            await self.before()
        if token != f"r{self.current}":
            return httpx.Response(200, json={"error": "bad_refresh_token"})
        self.current += 1
        pair = {"access_token": f"a{self.current}", "refresh_token": f"r{self.current}", "expires_in": 3600}
        return httpx.Response(200, json=pair)


class Dying:
    """A store of a process that ends at its n-th write, before or after it is applied."""

    def __init__(self, store: VaultStore, number: int, *, after: bool) -> None:
        self._store = store
        self._left = number
        self._after = after

    async def get(self, where: Where) -> Credential | None:
        return await self._store.get(where)

    async def put(self, where: Where, credential: Credential, *, expected: int) -> int:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        version = await self._store.put(where, credential, expected=expected)
        if self._left == 0:
            raise Killed
        return version

    async def delete(self, where: Where) -> None:
        await self._store.delete(where)

    async def erase(self, where: Where) -> None:
        await self._store.erase(where)

    async def close(self) -> None:
        await self._store.close()


@pytest.fixture
def vendor(respx_mock: respx.MockRouter) -> Vendor:
    vendor = Vendor()
    respx_mock.post(TOKEN_URL).mock(side_effect=vendor)
    return vendor


@pytest.fixture
async def target(ground: Ground, clock: Clock) -> Target:
    """A connection whose token has expired."""
    where = ground.where()
    fields = {"access_token": "a1", "refresh_token": "r1", "client_id": "id", "expires_at": clock.now.isoformat()}
    await ground.store().put(where, Credential("oauth", fields), expected=0)
    return Target(where=where, title="Git", api_root=TARGET.api_root, origin=TARGET.origin)


def replica(ground: Ground, clock: Clock) -> Tokens:
    """Return the tokens of a replica: a store, a session and a login of its own."""
    return Tokens(ground.store(), road=Road(), clock=clock, sleep=clock.sleep)


async def test_replicas_that_start_at_once_present_the_token_once(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target
) -> None:
    replicas = [replica(ground, clock) for _ in range(2)]
    given = await asyncio.gather(*(one.token_for(target, method=OAUTH) for one in replicas for _ in range(5)))
    assert {token.value for token in given} == {"a2"}
    assert vendor.presented == ["r1"]


async def test_a_loser_waits_and_reads_again(ground: Ground, clock: Clock, vendor: Vendor, target: Target) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        asked.set()
        await go_on.wait()

    vendor.before = slowly
    winner = asyncio.create_task(replica(ground, clock).token_for(target, method=OAUTH))
    await asked.wait()
    clock.when_slept = go_on.set
    loser = await replica(ground, clock).token_for(target, method=OAUTH)
    assert (await winner).value == loser.value == "a2"
    assert vendor.presented == ["r1"]
    assert clock.slept


async def die(ground: Ground, clock: Clock, target: Target, number: int, *, after: bool) -> None:
    store = Dying(ground.store(), number, after=after)
    renewals = Renewals(store, Road(), clock=clock, sleep=clock.sleep, owner="the dead")
    with pytest.raises(Killed):
        await renewals.current(target, OAUTH, None)


@pytest.mark.respx(assert_all_called=False)
async def test_a_death_before_the_marker_changes_nothing(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target
) -> None:
    await die(ground, clock, target, 1, after=False)
    assert vendor.presented == []
    assert (await replica(ground, clock).token_for(target, method=OAUTH)).value == "a2"
    assert vendor.presented == ["r1"]


@pytest.mark.respx(assert_all_called=False)
@pytest.mark.parametrize("number, after", [(1, True), (2, False)])
async def test_a_death_between_marker_and_write_asks_for_a_person_and_presents_nothing_again(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target, number: int, after: bool
) -> None:
    await die(ground, clock, target, number, after=after)
    presented = list(vendor.presented)
    for _ in range(2):
        with pytest.raises(ConnectionUnhealthy, match="never finished"):
            await replica(ground, clock).token_for(target, method=OAUTH)
    assert vendor.presented == presented


async def test_a_death_while_sending_asks_for_a_person(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target
) -> None:
    async def dies() -> None:
        raise Killed

    vendor.before = dies
    renewals = Renewals(ground.store(), Road(), clock=clock, sleep=clock.sleep, owner="the dead")
    with pytest.raises(Killed):
        await renewals.current(target, OAUTH, None)
    vendor.before = None
    with pytest.raises(ConnectionUnhealthy, match="never finished"):
        await replica(ground, clock).token_for(target, method=OAUTH)
    assert vendor.presented == ["r1"]


async def test_a_death_after_the_write_costs_nothing(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target
) -> None:
    await die(ground, clock, target, 2, after=True)
    assert (await replica(ground, clock).token_for(target, method=OAUTH)).value == "a2"
    assert vendor.presented == ["r1"]


async def test_a_new_pair_outlives_an_answer_of_vault_that_was_lost(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target
) -> None:
    if ground.standin is None:
        pytest.skip("breaks the server")
    standin = ground.standin

    async def lose_the_next() -> None:
        standin.drops = ["POST"]

    vendor.before = lose_the_next
    assert (await replica(ground, clock).token_for(target, method=OAUTH)).value == "a2"
    found = await ground.store().get(target.where)
    assert found is not None
    assert found.fields["refresh_token"] == "r2"
    assert vendor.presented == ["r1"]


async def test_a_new_pair_that_a_sealed_vault_could_not_take_is_saved_later(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target
) -> None:
    if ground.standin is None:
        pytest.skip("breaks the server")
    standin = ground.standin
    tokens = replica(ground, clock)

    async def seal() -> None:
        standin.sealed = True

    vendor.before = seal
    with pytest.raises(SecretStoreUnavailable):
        await tokens.token_for(target, method=OAUTH)
    standin.sealed = False
    assert (await tokens.token_for(target, method=OAUTH)).value == "a2"
    assert vendor.presented == ["r1"]


async def test_a_marker_that_was_written_and_whose_answer_was_lost_is_taken_back(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target
) -> None:
    if ground.standin is None:
        pytest.skip("breaks the server")
    store = ground.store()
    tokens = Tokens(store, road=Road(), clock=clock, sleep=clock.sleep)
    standin, put = ground.standin, store.put

    async def unheard(where: Where, credential: Credential, *, expected: int) -> int:
        store.put = put  # type: ignore[method-assign]
        standin.drops = ["POST"]
        return await put(where, credential, expected=expected)

    store.put = unheard  # type: ignore[method-assign]
    with pytest.raises(SecretStoreUnavailable):
        await tokens.token_for(target, method=OAUTH)
    assert vendor.presented == []
    assert (await tokens.token_for(target, method=OAUTH)).value == "a2"
    assert vendor.presented == ["r1"]


@pytest.mark.respx(assert_all_called=False)
async def test_a_marker_that_could_not_be_taken_back_does_not_bring_a_deleted_credential_back(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target
) -> None:
    if ground.standin is None:
        pytest.skip("breaks the server")
    tokens = replica(ground, clock)
    standin, admin = ground.standin, ground.store()
    await admin.get(target.where)
    store = tokens._store
    assert isinstance(store, VaultStore)
    await store.get(target.where)
    write = store._write

    async def sealed(*given: object) -> int:
        standin.sealed = True
        return await write(*given)  # type: ignore[arg-type]

    store._write = sealed  # type: ignore[method-assign]
    with pytest.raises(SecretStoreUnavailable):
        await tokens.token_for(target, method=OAUTH)
    store._write, standin.sealed = write, False  # type: ignore[method-assign]
    await admin.delete(target.where)
    with pytest.raises(ConnectionUnhealthy, match="no credential"):
        await tokens.token_for(target, method=OAUTH)
    assert await admin.get(target.where) is None
    assert vendor.presented == []


async def test_a_connection_that_is_deleted_during_its_refresh_stays_deleted(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target
) -> None:
    admin = ground.store()
    vendor.before = lambda: admin.delete(target.where)
    with pytest.raises(ConnectionUnhealthy, match="no credential"):
        await replica(ground, clock).token_for(target, method=OAUTH)
    assert await admin.get(target.where) is None


async def test_a_connection_that_is_erased_during_its_refresh_stays_erased(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target
) -> None:
    admin = ground.store()
    vendor.before = lambda: admin.erase(target.where)
    with pytest.raises(ConnectionUnhealthy, match="no credential"):
        await replica(ground, clock).token_for(target, method=OAUTH)
    assert await admin.get(target.where) is None


class Lenient(Vendor):
    """A vendor that takes the token before the last one again for a while, and answers with the same pair."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        token = dict(part.split("=") for part in request.content.decode().split("&"))["refresh_token"]
        if token == f"r{self.current - 1}":
            self.presented.append(token)
            pair = {"access_token": f"a{self.current}", "refresh_token": f"r{self.current}", "expires_in": 3600}
            return httpx.Response(200, json=pair)
        return await super().__call__(request)


# Where a process dies: at its first or second write, before or after Vault has applied it, or while the vendor answers.
DEATHS = {
    "before the marker": (1, False),
    "after the marker": (1, True),
    "while sending": (0, False),
    "before the pair is kept": (2, False),
    "after the pair is kept": (2, True),
}
# Ten cases of each make 200 with 20; every run does a few.
ROUNDS = int(os.environ.get("GATEHOUSE_TESTS_DEATHS", "2"))


@pytest.mark.parametrize("kind", [Vendor, Lenient])
@pytest.mark.parametrize("step", DEATHS)
async def test_deaths_at_each_step_lose_no_connection_that_the_vendors_rules_let_survive(
    ground: Ground, clock: Clock, respx_mock: respx.MockRouter, kind: type[Vendor], step: str
) -> None:
    method = replace(OAUTH, refresh_grace=timedelta(minutes=10) if kind is Lenient else None)
    survives = kind is Lenient or step in {"before the marker", "after the pair is kept"}
    number, after = DEATHS[step]
    for round_ in range(ROUNDS):
        vendor = kind()
        respx_mock.post(TOKEN_URL).mock(side_effect=vendor)
        where = ground.where(f"conn_{round_}")
        target = Target(where=where, title="Git", api_root=TARGET.api_root, origin=TARGET.origin)
        fields = {"access_token": "a1", "refresh_token": "r1", "client_id": "id", "expires_at": clock.now.isoformat()}
        await ground.store().put(target.where, Credential("oauth", fields), expected=0)

        await perish(ground, clock, vendor, target, method, number, after=after)

        if survives:
            assert (await replica(ground, clock).token_for(target, method=method)).value == "a2"
        else:
            with pytest.raises(ConnectionUnhealthy, match="never finished"):
                await replica(ground, clock).token_for(target, method=method)
            assert vendor.presented in ([], ["r1"]), "it was not presented again"


async def perish(
    ground: Ground, clock: Clock, vendor: Vendor, target: Target, method: OAuthUser, number: int, *, after: bool
) -> None:
    """Begin a refresh and die in it."""

    async def dies() -> None:
        raise Killed

    if number == 0:
        vendor.before = dies
    renewals = Renewals(
        Dying(ground.store(), number, after=after), Road(), clock=clock, sleep=clock.sleep, owner="dead"
    )
    with pytest.raises(Killed):
        await renewals.current(target, method, None)
    vendor.before = None
