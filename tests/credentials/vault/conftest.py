"""Tests against a Vault. `broken` ones do to it what nobody does to a real one, and need the stand-in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.vault_standin import VaultStandIn
from tests.credentials.vault.ground import REAL, Ground


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    """A Vault that is set up: a real one where VAULT_ADDR and VAULT_TOKEN are set."""
    standin = None if REAL else VaultStandIn().start()
    made = Ground(tmp_path, standin=standin)
    yield made
    await made.close()
    if standin is not None:
        standin.stop()


@pytest.fixture
def standin(ground: Ground) -> VaultStandIn:
    """The stand-in, for tests that break it."""
    if ground.standin is None:
        pytest.skip("breaks the server, so it runs against the stand-in only")
    return ground.standin
