"""A simulated Salesforce for each test, a driver for actions."""

from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import orjson
import pytest
from yarl import URL

from connectors.salesforce import salesforce
from connectors.salesforce.simulator import SalesforceSimulator, cases
from connectors.sdk import Action, StoredFile, Upstream
from connectors.sdk.drive import drive
from connectors.sdk.exchange import Asked, FileContent, LoadFile, Request, Response, SaveFile

MARKER = "0123456789abcdef0123456789abcdef"
SANDBOX = "Bearer salesforce_sandbox"
FILE = "file_00000000000000000000000000"


class Driver:
    """Runs the connector's handlers against a simulator and keeps every exchange, as a gateway would send them."""

    def __init__(self, session: aiohttp.ClientSession, root: str, authorization: str = SANDBOX, user: str = "") -> None:
        self._session = session
        self._root = root
        self._user = user
        self.authorization = authorization
        self.exchanges: list[tuple[Request, Response]] = []
        self.saved: list[SaveFile] = []
        self.uploads: dict[str, FileContent] = {}

    def api(self, marker: str = MARKER, *, back: timedelta | None = timedelta(0)) -> Upstream:
        since = None if back is None else datetime.now(UTC) - back
        return Upstream(salesforce, marker=marker, since=since, account=self._user)

    async def run(self, name: str, given: dict[str, Any], marker: str = MARKER) -> Any:
        action = salesforce.actions[name]
        return await self.do(action.handler(self.api(marker), typed(action, given)))

    async def find(self, name: str, given: dict[str, Any], marker: str = MARKER) -> Any:
        action = salesforce.actions[name]
        strategy: Any = action.idempotency
        return await self.do(strategy.find(self.api(marker), typed(action, given)))

    async def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await drive(coroutine, self._answer)

    @property
    def sent(self) -> list[Request]:
        return [request for request, _ in self.exchanges]

    async def _answer(self, asked: Asked) -> object:
        if isinstance(asked, LoadFile):
            return self.uploads[asked.file]
        if isinstance(asked, SaveFile):
            self.saved.append(asked)
            return StoredFile(file=FILE, media_type=asked.media_type, size=len(asked.content), sha256="0" * 64)
        response = await self._send(asked)
        self.exchanges.append((asked, response))
        return response

    async def _send(self, request: Request) -> Response:
        headers = {**dict(request.headers), "authorization": self.authorization}
        url = URL(self._root + request.target, encoded=True)
        async with self._session.request(
            request.method, url, data=request.body, headers=headers, allow_redirects=False
        ) as answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Response(answer.status, names, await answer.read())


def typed(action: Action, given: dict[str, Any]) -> Any:
    """Read an input as the gateway does: from JSON, strictly."""
    return action.input.model_validate_json(orjson.dumps(given))


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
