"""`gatehouse migrate`, `backup`, `restore`, `data-keys` and `audit` as an operator types them, over PostgreSQL."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import postgres

pytestmark = pytest.mark.embedded


class Shell:
    """Runs commands in an environment."""

    def __init__(self, home: Path) -> None:
        self.given = {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}
        self.given["GATEHOUSE_HOME"] = str(home)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "gateway", *words]
        return subprocess.run(command, env=self.given, capture_output=True, text=True, timeout=60)

    def told(self, *words: str) -> Any:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def test_an_operator_moves_and_restores_by_commands(empty_database: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path / "home")
    shell.told("init", "--json")
    refused = shell.run("migrate", "--from", "sqlite", "--to", "postgresql")
    assert refused.returncode == 1
    assert "GATEHOUSE_DATABASE_URL" in refused.stderr

    shell.given["GATEHOUSE_DATABASE_URL"] = postgres.url_of(empty_database)
    moved = shell.told("migrate", "--from", "sqlite", "--to", "postgresql", "--json")
    assert moved["rows"]["admin_tokens"] == 1
    assert "credentials" not in moved
    report = shell.told("audit", "verify", "--json")
    assert (report["intact"], report["events"]) == (True, 1)
    (tmp_path / "audit.pem").write_text(shell.run("audit", "keys").stdout)
    offline = shell.told("audit", "verify", "--json", "--keys", str(tmp_path / "audit.pem"))
    assert offline["intact"]

    copied = shell.told("backup", str(tmp_path / "copy"), "--json")
    assert "not in this copy" in copied["database"]
    assert shell.told("restore", "--database-was-restored", "--json") == {"epoch": 2, "unfinished": 0}
    assert shell.told("restore", "--accept", "--json") == {"accepted": True}
    assert shell.told("restore", "--accept", "--json") == {"accepted": False}
    both = shell.run("restore", "--accept", "--database-was-restored")
    assert both.returncode == 1

    rotated = shell.run("data-keys", "rotate")
    assert rotated.returncode == 1
    assert "name no Vault" in rotated.stderr
    assert shell.told("data-keys", "rewrap", "--json") == {"rewrapped": 1, "before": 0, "destroyed": []}

    del shell.given["GATEHOUSE_DATABASE_URL"]
    ended = shell.run("serve")
    assert ended.returncode == 1
    assert f"was moved to 127.0.0.1:5432/{empty_database}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_password_of_the_database_is_in_no_message(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "home")
    shell.told("init", "--json")
    shell.given["GATEHOUSE_DATABASE_URL"] = "postgresql://gatehouse:s3cret-9f@127.0.0.1:9/none"
    for words in (("migrate",), ("backup", str(tmp_path / "copy")), ("restore", "--accept"), ("audit", "verify")):
        ended = shell.run(*words)
        assert ended.returncode == 1, words
        assert "s3cret-9f" not in ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr, ended.stderr
