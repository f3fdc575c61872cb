"""A gateway with two simulated vendors for each test, over a home that was set up once."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from connectors.github.simulator import GitHubSimulator
from tests.gateway import postgres
from tests.gateway.caller import Caller
from tests.gateway.world import World, fresh_home

PATIENCE_SECONDS = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what speaks to SQLite's file when the tests run over PostgreSQL."""
    if postgres.ON_POSTGRES:
        skip = pytest.mark.skip(reason="speaks to SQLite's file")
        for item in items:
            if item.get_closest_marker("embedded"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def pristine_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installation that nobody has used: copied for each test, because to make one takes a second."""
    path = tmp_path_factory.mktemp("pristine") / "home"
    template = asyncio.run(fresh_home(path))
    yield path
    if template is not None:
        asyncio.run(postgres.drop(template))


@pytest.fixture
async def make_world(pristine_home: Path, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Make an opened world with settings of one's own."""
    made: list[World] = []

    async def make(**settings: Any) -> World:
        home = tmp_path / f"home{len(made)}"
        shutil.copytree(pristine_home, home)
        world = World(home, **settings)
        await world.open()
        made.append(world)
        return world

    yield make
    for world in made:
        await world.close()


@pytest.fixture
async def empty_database() -> AsyncIterator[str]:
    """The name of an empty PostgreSQL database."""
    name = await postgres.create_or_skip()
    yield name
    await postgres.drop(name)


@pytest.fixture
async def world(make_world: Callable[..., Awaitable[World]]) -> World:
    return await make_world()


@pytest.fixture
async def bot(world: World) -> Caller:
    """An agent of tenant acme that may do everything at the toy shop and at GitHub."""
    agent = await world.agent("bot")
    for name in ("toy/main", "github/main"):
        await world.grant(agent, await world.connection(name))
    return agent


@pytest.fixture(scope="session")
def arrange() -> Callable[[GitHubSimulator], dict[str, dict[str, Any]]]:
    """The function that fills a simulated GitHub and returns one valid input for every action."""
    from connectors.github.simulator.cases import arrange as found

    return found


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Leave logs configured as they were: a command that is run in this process configures them for itself."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """End a test that waits for what never comes, with a traceback of where it waits."""

    def ring(number: int, frame: object) -> None:
        raise TimeoutError(f"the test takes more than {PATIENCE_SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(PATIENCE_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
