"""The operations page is run word for word, in a clean folder, against servers of the test's own.

Blocks of the kind `sh` are the set-up of a shared installation, in order; those marked `drill` are the disaster drill.
The commands for Vault are those of its own section. `vault` is OpenBao's client here.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.servers import Servers, free_port, listens, postgres, servers
from tests.deploy.tools import ROOT, tool

PAGE = ROOT / "docs" / "operations.md"
BLOCK = re.compile(r"^```sh(?P<drill> drill)?\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
VAULT = re.compile(r"^\*\*Set up\*\*, once.*?\n\n(?P<text>(?:    .*\n)+)", re.MULTILINE)
AFTER_VAULT = "Then come the commands under"
SETTING = re.compile(r"^\| `(GATEHOUSE_\w+)` \|", re.MULTILINE)


def blocks(*, drill: bool) -> list[str]:
    """Return the page's commands, with those of Vault's section where the set-up sends the reader there."""
    page = PAGE.read_text()
    section = VAULT.search(page)
    assert section is not None
    there = re.sub(r"^    ", "", section["text"], flags=re.MULTILINE)
    page = page.replace(AFTER_VAULT, f"```sh\n{there}```\n{AFTER_VAULT}", 1)
    return [found["text"] for found in BLOCK.finditer(page) if bool(found["drill"]) is drill]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what a copy of the repository has, and the commands that the page names."""
    made = tmp_path / "here"
    (made / "bin").mkdir(parents=True)
    for name in ("deploy", "secrets"):
        (made / name).symlink_to(ROOT / name)
    (made / "bin" / "vault").symlink_to(tool("bao"))
    (made / "bin" / "gatehouse").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gateway "$@"\n')
    (made / "bin" / "gatehouse").chmod(0o755)
    for name in ("jq", "curl", "psql", "redis-cli", "openssl"):
        tool(name)
    return made


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Servers]:
    with servers(tmp_path) as made:
        yield made


def run(folder: Path, script: list[str], **given: str) -> list[str]:
    """Run the blocks in one shell, and end what it left running. Returns what each of them said."""
    ports = {"GATEHOUSE_PORT": str(free_port()), "GATEHOUSE_METRICS_PORT": "0"}
    leaving = "trap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT\n"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", leaving + "\necho ---8\\<---\n".join(script)],
        cwd=folder,
        env={
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'secrets'}",
            "NO_COLOR": "1",
            "COLUMNS": "200",
            **ports,
            **given,
        },
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    logs = "\n".join(path.read_text()[-3000:] for path in folder.glob("*.log"))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{logs}"
    return done.stdout.split("---8<---\n")


def test_every_block_is_closed_and_there_are_both_kinds() -> None:
    assert PAGE.read_text().count("```") == 2 * (len(BLOCK.findall(PAGE.read_text())))
    assert len(blocks(drill=False)) >= 8
    assert len(blocks(drill=True)) >= 4


def test_the_set_up_of_a_shared_installation_works_word_for_word(
    folder: Path, started: Servers, tmp_path: Path
) -> None:
    redis, vault = free_port(), free_port()
    started.start("redis", [tool("redis-server"), "--port", str(redis), "--bind", "127.0.0.1", "--save", ""])
    started.start(
        "vault",
        [
            tool("bao"),
            "server",
            "-dev",
            "-dev-root-token-id=root",
            f"-dev-listen-address=127.0.0.1:{vault}",
            "-dev-no-store-token",
        ],
        {"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )
    started.wait("redis", listens(redis))
    started.wait("vault", listens(vault))

    with postgres(tmp_path) as port:
        told = run(
            folder,
            blocks(drill=False),
            POSTGRES=f"127.0.0.1:{port}",
            REDIS=f"127.0.0.1:{redis}",
            VAULT_ADDR=f"http://127.0.0.1:{vault}",
            PGHOST=str(tmp_path / "socket"),
            PGPORT=str(port),
            PGUSER="postgres",
            REDIS_ADMIN=f"redis://127.0.0.1:{redis}",
            VAULT_TOKEN="root",
        )

    ready, last = told[-2], told[-1]
    token = (folder / "keys/operator.token").read_text().strip()
    assert '"status":"ready"' in ready
    assert '"redis":"ok"' in ready
    assert "bank" in last
    assert not any(token in said for said in told)
    assert not (folder / "home/ledger.db").exists()
    assert not (folder / "home/credentials.db").exists()


def test_the_disaster_drill_works_word_for_word(folder: Path) -> None:
    told = run(folder, blocks(drill=True))

    assert "insurer" in told[1]
    assert "as epoch 2" in told[2]
    assert "Writes are held" in told[2]
    ready, _, after = told[3].partition("\n")
    assert "bank" in told[3]
    assert "insurer" not in told[3]
    assert "Writes go again." in after or "Writes go again." in ready
    assert "Intact" in told[3]


def test_the_page_lists_the_settings_that_there_are() -> None:
    from gateway.settings import Settings

    there = {f"GATEHOUSE_{name.upper()}" for name in Settings.model_fields}
    assert set(SETTING.findall(PAGE.read_text())) == there
