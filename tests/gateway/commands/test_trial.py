"""`gatehouse try` against a running gateway, with what a person would type."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
import typer
from click.testing import Result
from typer.testing import CliRunner

from gateway.commands import register
from gateway.commands.session import plain
from tests.gateway.admin.stage import Stage
from tests.gateway.caller import Caller
from tests.gateway.world import World

Try = Callable[..., Awaitable[Result]]


@pytest.fixture
async def attempt(stage: Stage, tmp_path: Path) -> Try:
    """Run the command with lines that are typed; `terms` are those of the agent's grant."""
    app = typer.Typer()
    register(app)
    keys: dict[str, str] = {}
    # The gateway logs in this process too, and standard output is for what the command answers.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

    async def invoke(*words: str, typed: tuple[str, ...] = (), terms: dict[str, Any] | None = None) -> Result:
        if not keys:
            keys["agent"], keys["key"] = "bot", (await stage.caller(**{"autonomy": "auto", **(terms or {})}))[1]
        known = {
            "GATEHOUSE_HOME": str(tmp_path / "nowhere"),
            "GATEHOUSE_URL": stage.url,
            "GATEHOUSE_KEY": keys["key"],
            "NO_COLOR": "1",
        }
        stdin = "".join(f"{line}\n" for line in typed)
        result = await asyncio.to_thread(CliRunner().invoke, app, ["try", *words], input=stdin, env=known)
        assert keys["key"] not in result.output
        return result

    return invoke


async def test_a_person_chooses_fills_looks_runs_and_sees_what_happened(stage: Stage, attempt: Try) -> None:
    result = await attempt(typed=("ticket", "desk.ticket.create", "it", "Printer", "yes", ""))

    assert result.exit_code == 0, result.output
    assert [ticket["title"] for ticket in stage.desk.tickets] == ["Printer"]
    for part in ("desk.ticket.get", "allow, risk", '"method": "POST"', "succeeded", '"title": "Printer"', "Bye."):
        assert part in result.output
    timeline = ["call_requested", "decision", "upstream_request", "upstream_response", "call_finished"]
    places = [result.output.index(type, result.output.index("succeeded")) for type in timeline]
    assert places == sorted(places)


async def test_a_person_who_does_not_say_yes_sends_nothing(stage: Stage, attempt: Try) -> None:
    result = await attempt("desk.ticket.create", typed=("it", "Printer", ""))

    assert "Nothing was sent." in result.output
    assert stage.desk.tickets == []


async def test_the_end_of_what_is_typed_leaves(stage: Stage, attempt: Try) -> None:
    result = await attempt("desk.ticket.create", typed=("it",))

    assert result.exit_code == 0
    assert "Bye." in result.output
    assert stage.desk.tickets == []


async def test_a_field_that_does_not_fit_is_asked_for_again(stage: Stage, attempt: Try) -> None:
    await stage_ticket(stage, attempt)

    result = await attempt("desk.ticket.get", typed=("it", "first", "1", ""))

    assert "That is not a whole number" in result.output
    assert "succeeded" in result.output


async def test_a_number_that_is_too_large_is_refused_by_the_gateway(attempt: Try) -> None:
    result = await attempt("desk.ticket.get", typed=("it", "9" * 30))

    assert result.exit_code == 0, result.output
    assert "2^53" in result.output


async def test_what_the_gateway_refuses_is_asked_for_again(world: World, bot: Caller) -> None:
    typed = "\n1\nRed\n"
    app = typer.Typer()
    register(app)
    known = {"GATEHOUSE_URL": world.gateway.url, "GATEHOUSE_KEY": bot.key, "NO_COLOR": "1"}

    result = await asyncio.to_thread(CliRunner().invoke, app, ["try", "toy.note.get"], input=typed, env=known)

    assert "/box" in result.output
    assert result.output.count("box (text)") == 2
    assert '"text": "first"' in result.output


async def test_an_action_that_no_grant_gives_is_said_and_the_session_goes_on(stage: Stage, attempt: Try) -> None:
    terms = {"scopes": ["desk:ticket:read"]}
    result = await attempt(typed=("desk.ticket.create", "nonsense zebra", ""), terms=terms)

    assert result.exit_code == 0
    assert "No action that this key may call is about that." in result.output
    assert "desk.ticket.create" not in result.output.partition("Action (")[0]
    assert stage.desk.tickets == []


async def test_a_call_that_waits_says_where_a_person_decides(stage: Stage, attempt: Try) -> None:
    session = asyncio.create_task(
        attempt("desk.ticket.create", typed=("it", "Printer", "yes"), terms={"autonomy": "approve"})
    )
    while not (waiting := (await stage.ask("GET", "E/approvals?status=pending"))[1]["items"]):
        await asyncio.sleep(0)
    await stage.ask("POST", f"E/approvals/{waiting[0]['id']}/decide", {"decision": "approve"})

    result = await session
    assert f"A person decides at {stage.url}/approvals/{waiting[0]['id']}" in result.output
    assert "succeeded" in result.output


async def test_scripts_get_the_actions_as_json(attempt: Try) -> None:
    result = await attempt("--json")

    assert {one["name"] for one in orjson.loads(result.stdout)["actions"]} >= {"desk.ticket.create", "desk.ticket.get"}


async def test_scripts_preview_what_has_an_effect_and_run_it_with_yes(stage: Stage, attempt: Try) -> None:
    words = ("desk.ticket.create", "--json", "--input", '{"queue": "it"}', "--field", "title=Printer")

    shown = orjson.loads((await attempt(*words)).stdout)
    assert (shown["call"], len(shown["preview"]["requests"])) == (None, 1)
    assert stage.desk.tickets == []
    first, again = [
        orjson.loads((await attempt(*words, "--yes", "--idempotency-key", "try-1")).stdout) for _ in range(2)
    ]

    assert first["call"]["status"] == "succeeded"
    assert again["call"]["replayed"] is True
    assert len(stage.desk.tickets) == 1
    assert first["timeline"][-1]["type"] == "call_finished"


async def test_scripts_read_without_yes(stage: Stage, attempt: Try) -> None:
    await stage_ticket(stage, attempt)

    told = orjson.loads(
        (await attempt("desk.ticket.get", "--json", "--field", "queue=it", "--field", "number=1")).stdout
    )

    assert told["call"]["output"]["title"] == "Printer"


async def test_a_script_that_is_refused_exits_with_one_and_the_problem(stage: Stage, attempt: Try) -> None:
    result = await attempt("desk.ticket.create", "--json", "--yes", "--input", '{"queue": "it", "colour": "red"}')

    assert result.exit_code == 1
    assert result.stdout == ""
    assert orjson.loads(result.stderr)["code"] == "invalid_input"
    assert stage.desk.tickets == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("desk.ticket.get", "--json", "--field", "number=one"), "--field number needs a whole number"),
        (("desk.ticket.get", "--json", "--field", "size=1"), "has no field 'size'"),
        (("desk.ticket.get", "--json", "--input", "{"), "--input is not JSON"),
        (("desk.ticket.get", "--field", "number=1"), "Add --json."),
    ],
)
async def test_options_that_mean_nothing_are_said(attempt: Try, words: tuple[str, ...], why: str) -> None:
    result = await attempt(*words)

    assert result.exit_code == 1
    assert why in result.stderr


def test_a_vendors_text_does_nothing_to_a_terminal() -> None:
    assert plain("a\x1b[31mred\x07\u202e\nb") == "a\ufffd[31mred\ufffd\ufffd\nb"


async def stage_ticket(stage: Stage, attempt: Try) -> None:
    """Make a first ticket."""
    result = await attempt("desk.ticket.create", "--json", "--yes", "--input", '{"queue": "it", "title": "Printer"}')
    assert result.exit_code == 0, result.output
