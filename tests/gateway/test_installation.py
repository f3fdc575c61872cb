"""How an installation is set up: with a token of its own, with one that is given, and once."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.installation import Home, ledger_of
from gateway.ledger.postgres_wire import connect
from gateway.settings import Settings

TOKEN = "gha_" + "0123456789abcdefghjkmnpqrs" + "_" + "s" * 43


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("DATABASE_URL", "MASTER_KEY"):
        monkeypatch.delenv(f"GATEHOUSE_{name}", raising=False)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def token_file(tmp_path: Path, token: str = TOKEN) -> str:
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    return str(file)


def tokens_in(home: Path) -> list[str]:
    with sqlite3.connect(home / "ledger.db") as rows:
        found = [row[0] for row in rows.execute("SELECT id FROM admin_tokens")]
    rows.close()
    return found


def test_a_given_token_is_the_first_operators_and_is_not_shown(home: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["init", "--token-file", token_file(tmp_path), "--json"])

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["operator_token"] is None
    assert TOKEN not in done.output
    assert tokens_in(home) == ["tok_0123456789abcdefghjkmnpqrs"]


@pytest.mark.parametrize("token", ["", "gha_short_" + "s" * 43, TOKEN[:-1], TOKEN + "!", TOKEN.replace("gha_", "ghk_")])
def test_a_token_that_could_be_guessed_or_not_be_shown_is_refused_before_anything_is_made(
    token: str, home: Path, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, ["init", "--token-file", token_file(tmp_path, token)])

    assert done.exit_code == 1
    assert "gha_<26 of 0-9a-z>" in done.output
    assert not home.exists()


def test_a_second_init_changes_nothing_and_fails_unless_it_was_asked_to_be_content(home: Path, tmp_path: Path) -> None:
    first = CliRunner().invoke(app, ["init", "--json"])
    before = tokens_in(home)

    refused = CliRunner().invoke(app, ["init", "--token-file", token_file(tmp_path)])
    content = CliRunner().invoke(app, ["init", "--token-file", token_file(tmp_path), "--if-needed", "--json"])

    assert first.exit_code == 0
    assert (refused.exit_code, content.exit_code) == (1, 0)
    assert "holds an installation already" in refused.output
    assert json.loads(content.stdout)["operator_token"] is None
    assert tokens_in(home) == before


async def test_the_password_of_postgresql_is_read_from_its_file(tmp_path: Path) -> None:
    shown = asyncio.get_running_loop().create_future()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)  # the start-up message
        writer.write(b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big"))  # AuthenticationCleartextPassword
        kind = await reader.readexactly(1)
        length = int.from_bytes(await reader.readexactly(4), "big") - 4
        shown.set_result((kind, await reader.readexactly(length)))
        writer.close()

    server = await asyncio.start_server(ask, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (tmp_path / "password").write_text("from-the-file\n")
    settings = Settings(
        database_url=f"postgresql://gatehouse@127.0.0.1:{port}/gatehouse?sslmode=disable",
        database_password_file=tmp_path / "password",
    )
    terms = ledger_of(settings, Home(tmp_path / "home"))._terms
    assert terms is not None

    with pytest.raises(asyncpg.PostgresConnectionError):
        await connect(terms, "test")

    assert await shown == (b"p", b"from-the-file\0")
    assert "from-the-file" not in repr(terms)
    server.close()


def test_a_password_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        Settings(database_password_file=tmp_path / "nothing")
