"""A simulated GitHub for each test, a driver for actions, and GitHub's own description of its API."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.github import github
from connectors.github.simulator import GitHubSimulator, cases
from connectors.sdk import Action
from tests.connectors import driver as drivers
from tests.connectors.driver import load


class Driver(drivers.Driver):
    """Runs GitHub's handlers. `token` goes as a bearer's."""

    def __init__(self, session: aiohttp.ClientSession, root: str, token: str = "ghp_sandbox") -> None:
        super().__init__(github, session, root, f"Bearer {token}", "1003")


@pytest.fixture(scope="session")
def arrange() -> Callable[[GitHubSimulator], dict[str, dict[str, Any]]]:
    """What fills a simulator and returns one valid input for every action."""
    return cases.arrange


@pytest.fixture
async def simulator() -> AsyncIterator[GitHubSimulator]:
    made = GitHubSimulator()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        made._retry_connection = False  # each request reaches the simulator once
        yield made


@pytest.fixture
def driver(simulator: GitHubSimulator, session: aiohttp.ClientSession) -> Driver:
    return Driver(session, simulator.url)


@pytest.fixture
def driver_for(session: aiohttp.ClientSession) -> Callable[[str, str], Driver]:
    """Make a driver for another root or another token."""
    return lambda root, token: Driver(session, root, token)


@pytest.fixture(scope="session")
def description() -> Any:
    """GitHub's official OpenAPI description, loaded once. What asks for it carries the mark `needs_shared`."""
    return load(Path(__file__).with_name("description.py")).Description.load()


@pytest.fixture
def actions() -> dict[str, Action]:
    return github.actions
