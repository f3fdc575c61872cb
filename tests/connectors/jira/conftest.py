"""A simulated Jira for each test, a driver for actions, and Atlassian's own description of its API."""

import importlib.util
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import orjson
import pytest
from yarl import URL

from connectors.jira import jira
from connectors.jira.simulator import JiraSimulator, cases
from connectors.jira.simulator.seed import AGENT
from connectors.sdk import Action, StoredFile, Upstream
from connectors.sdk.drive import drive
from connectors.sdk.exchange import Asked, FileContent, LoadFile, Request, Response, SaveFile

MARKER = "0123456789abcdef0123456789abcdef"
FILE = "file_00000000000000000000000000"


class Driver:
    """Runs the connector's handlers against a simulator and keeps every exchange, as a gateway would send them."""

    def __init__(self, session: aiohttp.ClientSession, root: str, token: str = "jira_sandbox") -> None:
        self._session = session
        self._root = root
        self.token = token
        self.account = AGENT.account_id
        self.exchanges: list[tuple[Request, Response]] = []
        self.saved: list[SaveFile] = []
        self.uploads: dict[str, FileContent] = {FILE: FileContent(b"line\r\n--one--\r\n", "text/plain")}

    def api(self, marker: str = MARKER, *, back: timedelta | None = timedelta(0)) -> Upstream:
        since = None if back is None else datetime.now(UTC) - back
        return Upstream(jira, marker=marker, since=since, account=self.account)

    async def run(self, name: str, given: dict[str, Any], marker: str = MARKER) -> Any:
        action = jira.actions[name]
        return await self.do(action.handler(self.api(marker), typed(action, given)))

    async def find(self, name: str, given: dict[str, Any], marker: str = MARKER) -> Any:
        action = jira.actions[name]
        strategy: Any = action.idempotency
        return await self.do(strategy.find(self.api(marker), typed(action, given)))

    async def locate(self, name: str, given: dict[str, Any]) -> str:
        action = jira.actions[name]
        resource: Any = action.resource
        found: str = await self.do(resource.read(self.api(), typed(action, given)))
        return found

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
        headers = {**dict(request.headers), "authorization": f"Bearer {self.token}"}
        url = URL(self._root + request.target, encoded=True)
        async with self._session.request(
            request.method, url, data=request.body, headers=headers, allow_redirects=False
        ) as answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Response(answer.status, names, await answer.read())


def typed(action: Action, given: dict[str, Any]) -> Any:
    """Read an input as the gateway does: from JSON, strictly."""
    return action.input.model_validate_json(orjson.dumps(given))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"jira_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
