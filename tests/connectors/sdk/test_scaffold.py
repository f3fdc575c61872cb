"""A new connector works as it is written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.sdk.scaffold import NameTaken, scaffold

ROOT = Path(__file__).resolve().parents[3]


def test_a_generated_connector_is_gold_as_it_is_written(tmp_path: Path) -> None:
    written = scaffold("acme_notes", tmp_path, "Acme Notes")

    assert tmp_path / "connectors" / "acme_notes" / "note.py" in written
    assert not any("{{" in path.read_text() for path in written)
    # The new folder joins the package `connectors` of this checkout, as it would in one.
    code = (
        "import asyncio, connectors; connectors.__path__.append(r'%s')\n"
        "from connectors.acme_notes import acme_notes\n"
        "from gateway.contract import check\n"
        "from gateway.serve import configure_logs\n"
        "configure_logs('error')\n"
        "report = asyncio.run(check(acme_notes))\n"
        "assert report.findings == [], report.findings\n"
        "print(report.tier)\n"
    ) % (tmp_path / "connectors")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "secrets")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "gold"


def test_the_generated_files_pass_the_linter(tmp_path: Path) -> None:
    scaffold("acme_notes", tmp_path, "Acme Notes")

    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["Acme", "a", "1st", "with-dash", "../up", ""])
def test_a_name_that_is_none_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(NameTaken):
        scaffold(name, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    scaffold("acme_notes", tmp_path)

    with pytest.raises(NameTaken, match="there already"):
        scaffold("acme_notes", tmp_path)
