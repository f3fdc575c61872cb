"""Connectors that come as packages: loaded only when enabled by name, a broken one reported and skipped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "examples" / "connector-package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the example package is installed, with a broken one beside it."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(PACKAGE)], check=True, timeout=120, capture_output=True)
    broken = target / "broken-1.0.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (broken / "entry_points.txt").write_text("[gatehouse.connectors]\nbroken = no_such_module:connector\n")
    return target


def run(installed: Path, code: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(installed), str(ROOT), str(ROOT / "secrets")])
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )


def test_a_package_is_not_loaded_unless_it_is_named(installed: Path) -> None:
    done = run(installed, "from gateway.registry import load; print(sorted(load().connectors))")

    assert "acme_notes" not in done.stdout, done.stderr


def test_a_named_package_is_loaded_and_called_through_a_whole_gateway(installed: Path) -> None:
    done = run(
        installed,
        "import asyncio\n"
        "from gateway.contract import check\n"
        "from gateway.registry import load\n"
        "from gateway.serve import configure_logs\n"
        "configure_logs('error')\n"
        "report = asyncio.run(check(load(['acme_notes']).connectors['acme_notes']))\n"
        "print(report.tier, report.findings)\n",
    )

    assert done.stdout.strip() == "gold []", done.stderr


def test_a_broken_package_is_reported_and_skipped(installed: Path) -> None:
    done = run(
        installed,
        "from gateway.serve import configure_logs\n"
        "configure_logs('info')\n"
        "from gateway.registry import load\n"
        "print(sorted(load(['broken', 'acme_notes', 'not_installed']).connectors))\n",
    )

    assert "'acme_notes'" in done.stdout, done.stderr
    assert "'broken'" not in done.stdout
    assert done.stderr.count("connector_skipped") == 2
    assert "no_such_module" in done.stderr
