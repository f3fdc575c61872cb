"""A simulated Jira for each test, a driver for actions, and Atlassian's own description of its API."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.jira import jira
from connectors.jira.simulator import JiraSimulator, cases
from connectors.jira.simulator.seed import AGENT
from connectors.sdk import Action
from connectors.sdk.exchange import FileContent
from tests.connectors import driver as drivers
from tests.connectors.driver import FILE, load


class Driver(drivers.Driver):
    """Runs Jira's handlers, with one uploaded file. `token` goes as a bearer's."""

    def __init__(self, session: aiohttp.ClientSession, root: str, token: str = "jira_sandbox") -> None:
        super().__init__(jira, session, root, f"Bearer {token}", AGENT.account_id)
        self.uploads[FILE] = FileContent(b"line\r\n--one--\r\n", "text/plain")


@pytest.fixture(scope="session")
def arrange() -> Callable[[JiraSimulator], dict[str, dict[str, Any]]]:
    """The function that fills a simulator and returns one valid input for every action."""
    return cases.arrange


@pytest.fixture
async def simulator() -> AsyncIterator[JiraSimulator]:
    made = JiraSimulator()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        made._retry_connection = False  # each request reaches the simulator once
        yield made


@pytest.fixture
def driver(simulator: JiraSimulator, session: aiohttp.ClientSession) -> Driver:
    return Driver(session, simulator.url)


@pytest.fixture
def driver_for(session: aiohttp.ClientSession) -> Callable[..., Driver]:
    """Make a driver for another root or another token."""
    return lambda root, token="jira_sandbox": Driver(session, root, token)


@pytest.fixture(scope="session")
def description() -> Any:
    """Atlassian's OpenAPI description, loaded once. What asks for it carries the mark `needs_shared`."""
    return load(Path(__file__).with_name("description.py")).JiraDescription.load()


@pytest.fixture
def actions() -> dict[str, Action]:
    return jira.actions
