"""A simulated Zendesk for each test, a driver for actions, and Zendesk's own description of its API."""

import base64
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

from connectors.sdk import Action, Native, StoredFile, Upstream
from connectors.sdk.drive import drive
from connectors.sdk.exchange import Asked, FileContent, LoadFile, Request, Response, SaveFile
from connectors.zendesk import zendesk
from connectors.zendesk.simulator import ZendeskSimulator, cases

MARKER = "0123456789abcdef0123456789abcdef"
SANDBOX = "Basic " + base64.b64encode(b"agent@acme.example/token:zendesk_sandbox").decode()
FILE = "file_00000000000000000000000000"


class Driver:
    """Runs the connector's handlers against a simulator and keeps every exchange, as a gateway would send them."""

    def __init__(self, session: aiohttp.ClientSession, root: str, authorization: str = SANDBOX) -> None:
        self._session = session
        self._root = root
        self.authorization = authorization
        self.exchanges: list[tuple[Request, Response]] = []
        self.saved: list[SaveFile] = []
        self.uploads: dict[str, FileContent] = {}

    def api(
        self, marker: str = MARKER, *, back: timedelta | None = timedelta(0), key_header: str | None = None
    ) -> Upstream:
        since = None if back is None else datetime.now(UTC) - back
        return Upstream(zendesk, marker=marker, since=since, account="360008", key_header=key_header)

    async def run(self, name: str, given: dict[str, Any], marker: str = MARKER) -> Any:
        action = zendesk.actions[name]
        strategy = action.idempotency
        header = strategy.header if isinstance(strategy, Native) else None
        return await self.do(action.handler(self.api(marker, key_header=header), typed(action, given)))

    async def find(self, name: str, given: dict[str, Any], marker: str = MARKER) -> Any:
        action = zendesk.actions[name]
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


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"zendesk_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
