"""Two replicas over one PostgreSQL: a code that somebody types is asked for once an interval, whichever is loaded."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.vault_standin import VaultStandIn
from gateway.app import Gateway
from tests.credentials.vault.ground import REAL, Ground
from tests.gateway import postgres
from tests.gateway.consenting import APP, COOKIE, ConsentWorld, seconds_in
from tests.gateway.test_vault import settings
from tests.gateway.world import fresh_home

LOADS = 10


class Pair:
    """A world with a second gateway beside its own, and a browser that is sent now to one, now to the other."""

    def __init__(self, world: ConsentWorld, other: Gateway) -> None:
        self.world = world
        self.roots = (world.gateway.url, other.url)
        self.cookie = ""

    async def link(self) -> str:
        """Make a connection by a code, and return its link's path."""
        client = {"client_id": APP.client_id, "client_secret": APP.client_secret}
        wanted = {"connector": "github", "name": "github/main", "method": "oauth", "flow": "device"}
        status, made = await self.world.ask(
            "POST", "/connections", wanted | {"base_url": self.world.github.url, "credential": client}
        )
        assert status == 201, made
        return "/connect/" + str(made["authorize_url"]).rpartition("/")[2]

    async def begin(self, link: str, at: int) -> None:
        """Press the button at one of the two."""
        async with self.world.session.post(self.roots[at] + link, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            self.cookie = answer.cookies[COOKIE].value

    async def look(self, at: int, path: str = "/oauth/device") -> tuple[int, str]:
        """Load a page at one of the two."""
        headers = {"Cookie": f"{COOKIE}={self.cookie}"}
        async with self.world.session.get(self.roots[at] + path, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text()

    def polls(self) -> int:
        """Return how often the vendor was asked."""
        return sum(one.path == "/login/oauth/access_token" for one in self.world.github.received)


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(postgres, "ON_POSTGRES", True)
    standin = None if REAL else VaultStandIn().start()
    template = await fresh_home(tmp_path / "home")
    assert template is not None
    world = ConsentWorld(tmp_path / "home", **settings(Ground(tmp_path, standin=standin)))
    await world.open()
    async with world.beside() as other:
        yield Pair(world, other)
    await world.close()
    await postgres.drop(template)
    if standin is not None:
        standin.stop()


async def test_loads_at_two_replicas_ask_the_vendor_once_an_interval_and_either_takes_the_tokens(pair: Pair) -> None:
    world = pair.world
    await pair.begin(await pair.link(), at=1)
    device = next(iter(world.github.oauth.devices.waiting.values()))
    for number in range(1, 4):
        world.clock.forward(seconds=6)
        pages = await asyncio.gather(*(pair.look(at) for at in (0, 1) * LOADS))
        assert all("Nobody has typed it yet" in html for _, html in pages)
        assert pair.polls() == number
    assert device.interval == 5  # it never was too fast for the vendor

    async with world.session.post(f"{world.github.url}/login/device", data={"user_code": device.user_code}) as answer:
        assert answer.status == 200
    world.clock.forward(seconds=6)
    pages = await asyncio.gather(*(pair.look(at) for at in (0, 1) * LOADS))
    assert 303 in {status for status, _ in pages}
    assert {status for status, _ in pages} <= {200, 303}
    assert pair.polls() == 4
    for at in (0, 1):
        assert "acme-bot" in (await pair.look(at, "/oauth/confirm"))[1]
    assert sum(token.startswith("ghu_") for token in world.github.access.tokens) == 1


async def test_a_slower_pace_that_one_replica_was_told_is_kept_by_the_other(pair: Pair) -> None:
    world = pair.world
    await pair.begin(await pair.link(), at=0)
    device = next(iter(world.github.oauth.devices.waiting.values()))
    world.clock.forward(seconds=6)
    await pair.look(0)
    device.interval = 20
    world.clock.forward(seconds=6)
    assert 20 < seconds_in((await pair.look(0))[1]) <= 25
    world.clock.forward(seconds=15)
    assert seconds_in((await pair.look(1))[1]) <= 10
    assert pair.polls() == 2
    world.clock.forward(seconds=11)
    await pair.look(1)
    assert (pair.polls(), device.interval) == (3, 25)
    world.clock.forward(seconds=15)
    assert seconds_in((await pair.look(0))[1]) <= 10
    assert pair.polls() == 3
