from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.admin.counting import Counting
from tests.gateway.admin.stage import Stage, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage on which every write of the control plane is watched: none may forget the generation."""
    made = await staged(tmp_path / "home")
    watched = Counting(made.gateway.database)
    await watched.begin()
    yield made
    await made.stop()
    assert watched.forgotten == []
