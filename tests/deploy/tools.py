"""Programs that look at deployments, from packages. Where one is missing its tests are skipped, and fail in CI."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import REQUIRED

ROOT = Path(__file__).resolve().parents[2]


def tool(name: str) -> str:
    """Return the path of a program, from this environment or the machine."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        if REQUIRED:
            pytest.fail(f"{name} is not installed, and GATEHOUSE_TESTS_REQUIRE_ALL=1 asks for all tests")
        pytest.skip(f"needs {name}")
    return found


def run(*command: str, cwd: Path = ROOT, stdin: str | None = None) -> str:
    """Run a program and return what it says; it must succeed."""
    done = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def module(name: str) -> ModuleType:
    """Return a module that checks deployments."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if REQUIRED:
            pytest.fail(f"{name} is not installed, and GATEHOUSE_TESTS_REQUIRE_ALL=1 asks for all tests")
        pytest.skip(f"needs {name}")
