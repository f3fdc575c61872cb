"""Processes over PostgreSQL, each test with an installation of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.serving.fleet import Fleet


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    made = Fleet(tmp_path)
    await made.open()
    yield made
    await made.close()
