"""Redis servers for tests. Where there is no `redis-server` they are skipped, and fail in CI."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REQUIRED
from tests.gateway.state.servers import BINARY, Server, free_ports

MakeServer = Callable[..., Server]


def need_redis() -> None:
    """Skip where there is no server to start; fail where all tests are asked for."""
    if BINARY is None:
        if REQUIRED:
            pytest.fail("redis-server is not installed, and GATEHOUSE_TESTS_REQUIRE_ALL=1 asks for all tests")
        pytest.skip("needs redis-server")


@pytest.fixture(scope="session")
def bank_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for tests that try many things in a row."""
    need_redis()
    server = Server(tmp_path_factory.mktemp("bank"), free_ports(1)[0]).start()
    yield server
    server.stop()


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[MakeServer]:
    """Start servers, plain unless settings say otherwise."""
    need_redis()
    made: list[Server] = []

    def make(port: int | None = None, **given: Any) -> Server:
        server = Server(tmp_path / f"redis{len(made)}", port or free_ports(1)[0], **given)
        made.append(server)
        return server.start()

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """A plain server."""
    return make_server()
