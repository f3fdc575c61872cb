"""A simulated Zendesk for each test, a driver for actions, and Zendesk's own description of its API."""

import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.sdk import Action
from connectors.zendesk import zendesk
from connectors.zendesk.simulator import ZendeskSimulator, cases
from tests.connectors import driver as drivers
from tests.connectors.driver import FILE, MARKER, load, typed

SANDBOX = "Basic " + base64.b64encode(b"agent@acme.example/token:zendesk_sandbox").decode()
__all__ = ["FILE", "MARKER", "SANDBOX", "Driver", "load", "typed"]


class Driver(drivers.Driver):
    """Runs Zendesk's handlers."""

    def __init__(self, session: aiohttp.ClientSession, root: str, authorization: str = SANDBOX) -> None:
        super().__init__(zendesk, session, root, authorization, "360008")


@pytest.fixture(scope="session")
def arrange() -> Callable[[ZendeskSimulator], dict[str, dict[str, Any]]]:
    """What fills a simulator and returns one valid input for every action."""
    return cases.arrange


@pytest.fixture
async def simulator() -> AsyncIterator[ZendeskSimulator]:
    made = ZendeskSimulator()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        made._retry_connection = False  # each request reaches the simulator once
        yield made


@pytest.fixture
def driver(simulator: ZendeskSimulator, session: aiohttp.ClientSession) -> Driver:
    return Driver(session, simulator.url)


@pytest.fixture
def driver_for(session: aiohttp.ClientSession) -> Callable[[str, str], Driver]:
    """Make a driver for another root or another credential."""
    return lambda root, authorization: Driver(session, root, authorization)


@pytest.fixture(scope="session")
def description() -> Any:
    """Zendesk's official OpenAPI description, loaded once. What asks for it carries the mark `needs_shared`."""
    return load(Path(__file__).with_name("description.py")).Description.load()


@pytest.fixture
def actions() -> dict[str, Action]:
    return zendesk.actions
