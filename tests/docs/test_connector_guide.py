"""The guide leads from nothing to gold: its files are written and its commands run, in order, in a copy."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "connector-guide.md"
NOT_COPIED = {".venv", ".git", ".gatehouse", "build", "dist"}
BLOCK = re.compile(r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```\n", re.DOTALL)


def blocks() -> Iterator[tuple[str | None, str, str]]:
    for found in BLOCK.finditer(GUIDE.read_text()):
        yield found["file"], found["kind"], found["text"]


def files(root: Path) -> dict[str, bytes]:
    found = [path for path in root.rglob("*") if path.is_file() and not cached(path)]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def cached(path: Path) -> bool:
    return any(part in {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"} for part in path.parts)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    made = tmp_path / "house"
    skipped = shutil.ignore_patterns(*NOT_COPIED, "__pycache__", ".*_cache")
    shutil.copytree(ROOT, made, ignore=skipped)
    return made


def run(house: Path, script: str) -> str:
    paths = os.pathsep.join([str(house), str(house / "secrets")])
    commands = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=house,
        env={**os.environ, "PATH": commands, "PYTHONPATH": paths, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_block_is_a_file_or_a_command() -> None:
    kinds = [(file is not None, kind) for file, kind, _ in blocks()]

    assert len(kinds) > 10
    assert all(kind == "sh" for has_file, kind in kinds if not has_file)
    assert GUIDE.read_text().count("```") == 2 * len(kinds)


def test_the_guide_leads_from_nothing_to_gold_and_touches_one_folder_its_tests_and_one_word(house: Path) -> None:
    before = files(house)
    told: list[str] = []

    for file, _, text in blocks():
        if file is None:
            told.append(run(house, text))
        else:
            (house / file).parent.mkdir(parents=True, exist_ok=True)
            (house / file).write_text(text)

    assert "acme_tasks: gold, 3 actions" in told[0]
    assert "acme_tasks: gold, 3 actions" in told[1]
    assert any("Replaced: " in one and "Ana" not in one for one in told)
    after = files(house)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    own = {name for name in changed if name.startswith(("connectors/acme_tasks/", "tests/connectors/acme_tasks/"))}
    generated = {"docs/connectors/acme_tasks.md", "README.md", "openapi/gateway.json"}
    assert changed - own == {"gateway/registry.py", *generated}
    assert b'"acme_tasks", ' in after["gateway/registry.py"]
    assert before["gateway/registry.py"] == after["gateway/registry.py"].replace(b'"acme_tasks", ', b"")
