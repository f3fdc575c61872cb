"""The examples as their reader runs them: each as a program, against a sandbox."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.clients.sandbox import ROOT, Sandbox, sandbox

FOLDER = ROOT / "examples" / "support-triage"
DOORS = sorted(path.name for path in FOLDER.glob("by_*.py"))
NEEDS = {"by_langchain.py": "langchain_core"}
INTEROP = ROOT / "build" / "interop"
# The official SDK of MCP lives apart: see requirements/interop.in.
APART = {"by_mcp.py": INTEROP / "bin" / "python"}
EFFECTS = {"zendesk": 1, "jira": 1, "github": 1}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox(tmp_path_factory.mktemp("triage") / ".gatehouse") as running:
        yield running


@pytest.mark.parametrize("door", DOORS)
def test_a_ticket_becomes_a_bug_and_an_issue_and_the_run_is_told(door: str, box: Sandbox) -> None:
    if door in NEEDS and find_spec(NEEDS[door]) is None:
        pytest.skip(f"{door} needs {NEEDS[door]}: `make clients`")
    if door in APART and not APART[door].exists():
        if os.environ.get("GATEHOUSE_TESTS_REQUIRE_ALL") == "1":
            pytest.fail("`make interop` was not run, and GATEHOUSE_TESTS_REQUIRE_ALL=1 asks for all tests")
        pytest.skip(f"{door} needs `make interop`")
    before = {vendor: len(box.applied(vendor)) for vendor in EFFECTS}

    said = ran(door, box.home.parent)

    assert {vendor: len(box.applied(vendor)) - count for vendor, count in before.items()} == EFFECTS
    events = re.findall(r"^ *(\d+) (\w+)", said, re.MULTILINE)
    assert [int(seq) for seq, _ in events] == list(range(1, len(events) + 1))
    types = [type for _, type in events]
    assert types[0] == "user_request"
    assert types[-2:] == ["final_output", "outcome"]
    assert types.count("call_requested") == types.count("call_finished") == 5
    assert types.count("model_output") >= 5
    assert "fault of ours: OPS-" in said


def test_every_door_of_the_page_is_there() -> None:
    page = (FOLDER / "README.md").read_text()

    assert sorted(re.findall(r"^\| `(by_\w+\.py)`", page, re.MULTILINE)) == DOORS


def ran(door: str, folder: Path) -> str:
    """Run an example in the sandbox's folder; it finds the sandbox there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}
    environment["PYTHONPATH"] = str(ROOT / "clients" / "python")
    done = subprocess.run(
        [str(APART.get(door, sys.executable)), str(FOLDER / door)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
