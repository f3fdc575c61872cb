"""Runs a connector's handlers against its simulator, one exchange at a time, as a gateway would send them."""

import importlib.util
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import orjson
from yarl import URL

from connectors.sdk import Action, Connector, Native, StoredFile, Upstream
from connectors.sdk.drive import drive
from connectors.sdk.exchange import Asked, FileContent, LoadFile, Request, Response, SaveFile

MARKER = "0123456789abcdef0123456789abcdef"
FILE = "file_00000000000000000000000000"


class Driver:
    """Keeps every exchange. `authorization` is the header's value, `account` the vendor's id of the account."""

    def __init__(
        self, connector: Connector, session: aiohttp.ClientSession, root: str, authorization: str, account: str
    ) -> None:
        self._connector = connector
        self._session = session
        self._root = root
        self.authorization = authorization
        self.account = account
        self.exchanges: list[tuple[Request, Response]] = []
        self.saved: list[SaveFile] = []
        self.uploads: dict[str, FileContent] = {}

    def api(
        self, marker: str = MARKER, *, back: timedelta | None = timedelta(0), key_header: str | None = None
    ) -> Upstream:
        since = None if back is None else datetime.now(UTC) - back
        return Upstream(self._connector, marker=marker, since=since, account=self.account, key_header=key_header)

    async def run(self, name: str, given: dict[str, Any], marker: str = MARKER) -> Any:
        action = self._connector.actions[name]
        strategy = action.idempotency
        header = strategy.header if isinstance(strategy, Native) else None
        return await self.do(action.handler(self.api(marker, key_header=header), typed(action, given)))

    async def find(self, name: str, given: dict[str, Any], marker: str = MARKER) -> Any:
        action = self._connector.actions[name]
        strategy: Any = action.idempotency
        return await self.do(strategy.find(self.api(marker), typed(action, given)))

    async def locate(self, name: str, given: dict[str, Any]) -> str:
        action = self._connector.actions[name]
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
    """Load a module that stands beside the tests, such as the judge by a vendor's own description."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
