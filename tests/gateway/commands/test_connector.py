"""`gatehouse connector`: what an integration engineer types."""

import asyncio
from pathlib import Path

import orjson
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from connectors.github.simulator import GitHubSimulator
from gateway.commands import register
from gateway.registry import SHIPPED

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the process's logs alone: a command sets them up for a process of its own."""
    monkeypatch.setattr("gateway.serve.configure_logs", lambda level: None)


async def run(*words: str, stdin: str | None = None) -> Result:
    app = typer.Typer()
    register(app)
    environment = {"COLUMNS": "200", "NO_COLOR": "1"}
    return await asyncio.to_thread(CliRunner().invoke, app, ["connector", *words], input=stdin, env=environment)


async def test_the_list_shows_the_tier_of_every_connector_without_running_it() -> None:
    shown = await run("list", "--json")

    assert {item["id"]: item["tier"] for item in orjson.loads(shown.stdout)["items"]} == dict.fromkeys(SHIPPED, "gold")


async def test_the_readme_has_the_table_of_today() -> None:
    assert (await run("table", "--check", str(ROOT / "README.md"))).exit_code == 0


async def test_another_table_is_told_and_written_anew(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text((ROOT / "README.md").read_text().replace("| gold |", "| silver |"))

    told = await run("table", "--check", str(readme))
    await run("table", "--write", str(readme))

    assert (told.exit_code, "--write" in told.stderr) == (1, True)
    assert readme.read_text() == (ROOT / "README.md").read_text()


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    path = tmp_path / "calls.json"
    path.write_bytes(orjson.dumps([{"action": "github.repository.get", "input": {"owner": "acme", "repo": "web"}}]))
    return path


async def test_a_recording_takes_its_credential_from_stdin_and_tells_what_it_replaced(
    calls: Path, tmp_path: Path
) -> None:
    simulator = GitHubSimulator()
    url = await simulator.start()
    into = tmp_path / "recorded"

    told = await run(
        "record",
        "github",
        "--connection",
        url,
        "--calls",
        str(calls),
        "--into",
        str(into),
        stdin=simulator.credential["token"] + "\n",
    )
    await simulator.stop()

    assert told.exit_code == 0, told.output
    assert "Replaced: " in told.stdout
    assert simulator.credential["token"] not in told.output + (into / "repository.get.json").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nothing", "--connection", "https://x.example"), "name one of github"),
        (("github", "--connection", "http://x.example"), "must be https"),
    ],
)
async def test_what_cannot_be_recorded_is_told(words: tuple[str, ...], says: str, calls: Path, tmp_path: Path) -> None:
    told = await run("record", *words, "--calls", str(calls), "--into", str(tmp_path / "recorded"), stdin="token-x1\n")

    assert told.exit_code == 2
    assert says in told.stderr
    assert not (tmp_path / "recorded").exists()


async def test_calls_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    told = await run(
        "record", "github", "--connection", "https://x.example", "--calls", str(tmp_path / "none"), stdin="token-x1\n"
    )

    assert told.exit_code == 2
    assert "is no JSON list" in told.stderr
