"""What needs the vendors' official descriptions is skipped loudly where they are not there, and fails in CI."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

SPECS = Path(os.environ.get("GATEHOUSE_VENDOR_SPECS", Path(__file__).resolve().parents[2] / "shared/vendors/specs"))
REQUIRED = os.environ.get("GATEHOUSE_TESTS_REQUIRE_ALL") == "1"


@pytest.fixture(autouse=True, scope="module")
def spared_collector() -> Iterator[None]:
    """Take what a module's tests leave in memory out of the collector's sight, as a gateway does at its start.

    A worker holds hundreds of megabytes of models in the end, and walking them stops a replica for a second.
    """
    yield
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the marked tests without the descriptions; with `GATEHOUSE_TESTS_REQUIRE_ALL=1` they run, and fail."""
    if SPECS.is_dir() or REQUIRED:
        return
    for item in items:
        if item.get_closest_marker("needs_shared") is not None:
            item.add_marker(pytest.mark.skip(reason=f"needs the vendors' official descriptions at {SPECS}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many were skipped, so that nobody takes a green run for a whole one."""
    count = len(terminalreporter.stats.get("skipped", ()))
    if count:
        terminalreporter.write_sep("=", f"{count} tests were SKIPPED: this run proves less than CI's", yellow=True)
