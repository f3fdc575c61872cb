"""A simulated Salesforce for each test, a driver for actions."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from connectors.salesforce import salesforce
from connectors.salesforce.simulator import SalesforceSimulator, cases
from connectors.sdk import Action
from tests.connectors import driver as drivers
from tests.connectors.driver import FILE, MARKER, typed

SANDBOX = "Bearer salesforce_sandbox"
__all__ = ["FILE", "MARKER", "SANDBOX", "Driver", "typed"]


class Driver(drivers.Driver):
    """Runs Salesforce's handlers."""

    def __init__(self, session: aiohttp.ClientSession, root: str, authorization: str = SANDBOX, user: str = "") -> None:
        super().__init__(salesforce, session, root, authorization, user)


@pytest.fixture(scope="session")
def arrange() -> Callable[[SalesforceSimulator], dict[str, dict[str, Any]]]:
    """What fills a simulator and returns one valid input for every action."""
    return cases.arrange


@pytest.fixture
async def simulator() -> AsyncIterator[SalesforceSimulator]:
    made = SalesforceSimulator()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        made._retry_connection = False  # each request reaches the simulator once
        yield made


@pytest.fixture
def driver(simulator: SalesforceSimulator, session: aiohttp.ClientSession) -> Driver:
    """Acts as the user whose token the sandbox has."""
    return Driver(session, simulator.url, user=simulator.world.user)


@pytest.fixture
def driver_for(session: aiohttp.ClientSession) -> Callable[[str, str], Driver]:
    """Make a driver for another root or another credential."""
    return lambda root, authorization: Driver(session, root, authorization)


@pytest.fixture
def actions() -> dict[str, Action]:
    return salesforce.actions
