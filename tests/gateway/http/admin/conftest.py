from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.admin.stage import Stage, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = await staged(tmp_path / "home")
    yield made
    await made.stop()
