"""Two replicas over one PostgreSQL and one Vault: a token that can be used once is refreshed once, by one of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench.vault_standin import VaultStandIn
from connectors.github.simulator import GitHubSimulator, OAuthApp
from gateway.app import Gateway
from tests.credentials.vault.ground import REAL, Ground
from tests.gateway import postgres
from tests.gateway.caller import Caller
from tests.gateway.test_vault import settings
from tests.gateway.world import World, fresh_home

CALLS = 1000
APP = OAuthApp("Iv1.refresh", "refresh-secret")
READ = {"owner": "acme", "repo": "web", "number": 1}


class Pair:
    """A world with a second gateway beside its own."""

    def __init__(self, world: World, other: Gateway) -> None:
        self.world = world
        self.other = other

    async def agent(self) -> Caller:
        """Return an agent whose connection has an access token that has expired."""
        credential = await self.world.authorize(APP)
        agent = await self.world.agent()
        await self.world.grant(agent, await self.world.connection("github/main", method="oauth", credential=credential))
        await self.other.data_keys.load()
        await self.other.directory.refresh()
        self.world.clock.forward(hours=9)
        return agent

    async def call(self, agent: Caller, number: int) -> tuple[int, Any]:
        """Call one of the two."""
        url = (self.world.gateway.url, self.other.url)[number % 2] + "/v1/actions/github.issue.get"
        headers = {"Authorization": f"Bearer {agent.key}"}
        async with self.world.session.post(url, json=READ, headers=headers) as answer:
            told = await answer.json()
            return answer.status, told.get("detail")

    def refreshes(self) -> int:
        """Return how often a refresh token was presented."""
        return sum(one.path.startswith("/login/oauth/access_token") for one in self.world.github.received)


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(postgres, "ON_POSTGRES", True)
    standin = None if REAL else VaultStandIn().start()
    home = tmp_path / "home"
    home.parent.mkdir(exist_ok=True)
    template = await fresh_home(home)
    assert template is not None
    more = {"agent_per_minute": 10**6, "connection_per_minute": 10**6, "tenant_per_minute": 10**6, "concurrency": 4096}
    world = World(home, **settings(Ground(tmp_path, standin=standin)), **more)
    world.github = GitHubSimulator(clock=lambda: world.clock.now().timestamp(), oauth_apps=[APP])
    await world.open()
    async with world.beside() as other:
        yield Pair(world, other)
    await world.close()
    await postgres.drop(template)
    if standin is not None:
        standin.stop()


async def test_a_thousand_calls_at_two_replicas_on_an_expired_single_use_token_cause_one_refresh(pair: Pair) -> None:
    agent = await pair.agent()

    answers = await asyncio.gather(*(pair.call(agent, number) for number in range(CALLS)))

    assert Counter(answers) == {(200, None): CALLS}
    assert pair.refreshes() == 1
