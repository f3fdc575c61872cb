"""The adapters with the real libraries, against a sandbox. `make clients` runs them, where the libraries are."""

from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec

import pytest

from gatehouse_client import AsyncGatehouse, Gatehouse
from tests.clients.adapters.model import Model
from tests.clients.sandbox import Sandbox, sandbox

collect_ignore_glob = [] if find_spec("langchain_core") else ["test_*.py"]


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox(tmp_path_factory.mktemp("sandbox") / "home") as running:
        yield running


@pytest.fixture
def gh(box: Sandbox) -> Iterator[Gatehouse]:
    with Gatehouse(box.url, box.key) as client:
        yield client


@pytest.fixture
async def agh(box: Sandbox) -> AsyncIterator[AsyncGatehouse]:
    async with AsyncGatehouse(box.url, box.key) as client:
        yield client


@pytest.fixture
def model() -> Iterator[Model]:
    with Model() as running:
        yield running
