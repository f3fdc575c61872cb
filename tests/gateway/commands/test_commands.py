"""The commands against a running gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from gateway.commands import register
from tests.gateway.admin.stage import Stage

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
async def run(stage: Stage, tmp_path: Path) -> Run:
    app = typer.Typer()
    register(app)
    known = {
        "GATEHOUSE_HOME": str(tmp_path / "nowhere"),
        "GATEHOUSE_URL": stage.url,
        "GATEHOUSE_TOKEN": stage.first_token,
        "GATEHOUSE_TENANT": "acme",
        "GATEHOUSE_ENVIRONMENT": "prod",
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }

    async def invoke(*words: str, stdin: str | None = None, env: dict[str, str | None] | None = None) -> Result:
        # The gateway runs in this thread's loop, so the blocking command needs another one.
        return await asyncio.to_thread(CliRunner().invoke, app, list(words), input=stdin, env={**known, **(env or {})})

    return invoke


async def told(run: Run, *words: str, stdin: str | None = None) -> Any:
    result = await run(*words, "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout)


async def test_from_an_empty_tenant_to_an_agent_that_calls(stage: Stage, run: Run) -> None:
    await told(run, "tenants", "create", "fresh", "--title", "Fresh", "--domain", "fresh.example")
    place = ("--tenant", "fresh", "--environment", "live")
    await told(run, "environments", "create", "live", "--tenant", "fresh")
    await told(run, "agents", "create", "bot", "--per-minute", "requests_per_minute=60", *place)
    made = await told(
        run, "connections", "create", "desk/main", "--base-url", stage.desk.url, *place, stdin="token-of-ann-2\n"
    )
    assert made["health"]["status"] == "healthy"
    await told(
        run,
        "grants",
        "create",
        "bot",
        "desk/main",
        "--scope",
        "desk:ticket:*",
        "--constraints",
        '{"resources": ["it"]}',
        "--autonomy",
        "auto",
        *place,
    )
    key = (await told(run, "keys", "create", "bot", *place))["key"]
    status, call = await stage.call(key, "desk.ticket.create", {"queue": "it", "title": "Printer"})
    assert status == 200
    shown = await told(run, "calls", "show", call["id"], *place)
    assert shown["output"]["title"] == "Printer"
    timeline = await told(run, "runs", "timeline", call["run"], *place)
    assert timeline["id"] == call["run"]
    assert len(timeline["items"]) == 5
    assert (await told(run, "usage", *place))["calls"] == []  # `until` is now, and the clock stands still


async def test_tables_are_for_people(stage: Stage, run: Run) -> None:
    await stage.caller()
    result = await run("connections", "list")
    assert result.exit_code == 0
    assert "desk/main" in result.stdout
    assert "healthy" in result.stdout
    result = await run("agents", "show", "bot")
    assert "agt_" in result.stdout


async def test_a_secret_is_printed_whole_even_where_the_terminal_is_narrow(stage: Stage, run: Run) -> None:
    await stage.ask("POST", "E/agents", {"name": "bot"})
    result = await run("keys", "create", "bot", env={"COLUMNS": "20000"})
    line = next(line for line in result.stdout.splitlines() if "ghk_" in line)
    key = line.split()[-1]
    status, _ = await stage.call(key, "desk.ticket.get", {"queue": "it", "number": 1})
    assert status != 401


@pytest.mark.parametrize("word", ["approve", "deny"])
async def test_an_approval_is_decided(stage: Stage, run: Run, word: str) -> None:
    _, key = await stage.caller()
    _, call = await stage.call(key, "desk.ticket.create", {"queue": "it", "title": "Printer"})
    waiting = await told(run, "approvals", "list", "--status", "pending")
    await told(run, "approvals", word, waiting["items"][0]["id"], "--comment", "seen")
    ended = await stage.ended(key, call["id"])
    assert ended["status"] == {"approve": "succeeded", "deny": "denied"}[word]


async def test_a_freeze_and_its_lifting(stage: Stage, run: Run) -> None:
    await stage.caller()
    made = await told(run, "freezes", "create", "agent", "bot", "--reason", "drill")
    assert [item["id"] for item in (await told(run, "freezes", "list"))["items"]] == [made["id"]]
    assert (await told(run, "freezes", "lift", made["id"]))["deleted"] is True


async def test_keys_connections_and_grants_are_taken_back(stage: Stage, run: Run) -> None:
    await stage.caller()
    key = (await told(run, "keys", "list", "bot"))["items"][0]["id"]
    fresh = await told(run, "keys", "rotate", "bot", key, "--overlap-seconds", "0")
    assert (await told(run, "keys", "revoke", "bot", fresh["id"]))["deleted"] is True
    assert (await told(run, "connections", "test", "desk/main"))["health"]["status"] == "healthy"
    grant = (await told(run, "grants", "list", "--agent", "bot"))["items"][0]["id"]
    assert (await told(run, "grants", "update", grant, "--autonomy", "shadow"))["version"] == 2
    assert (await told(run, "connections", "delete", "desk/main"))["revoked_grants"] == [grant]


async def test_an_issuer_is_registered_changed_and_deleted(stage: Stage, run: Run) -> None:
    await stage.ask("POST", "E/agents", {"name": "bot"})
    words = ("https://login.example", "gatehouse", "--agent-claim", "azp", "--map", "client-7=bot")
    made = await told(run, "issuers", "create", *words, "--scope-claim", "scope", "--scope-supported", "desk:*:read")
    assert (list(made["agents"]), made["scopes_supported"]) == (["client-7"], ["desk:*:read"])
    assert (await told(run, "issuers", "update", made["id"], "--actor-claim", "sub"))["actor_claim"] == "sub"
    assert (await told(run, "issuers", "list"))["items"] == [await told(run, "issuers", "show", made["id"])]
    assert (await told(run, "issuers", "delete", made["id"], "--if-version", "2"))["deleted"] is True


async def test_an_access_request_is_granted(stage: Stage, run: Run) -> None:
    await stage.caller()
    asked = await told(
        run, "access-requests", "create", "bot", "desk/main", "--scope", "desk:ticket:read", "--reason", "triage"
    )
    granted = await told(run, "access-requests", "grant", asked["id"], "--autonomy", "auto")
    assert granted["status"] == "granted"


async def test_an_error_says_what_to_do_and_exits_with_one(stage: Stage, run: Run) -> None:
    result = await run("agents", "show", "nobody")
    assert result.exit_code == 1
    assert "There is no agent 'nobody' here." in result.stderr
    assert result.stdout == ""
    result = await run("agents", "show", "nobody", "--json")
    assert orjson.loads(result.stderr)["code"] == "not_found"
    result = await run("agents", "create", "Bad Name")
    assert "/name" in result.stderr
    result = await run("agents", "update", "bot")
    assert "Nothing to change" in result.stderr


async def test_where_no_gateway_is_that_is_said(run: Run) -> None:
    result = await run("agents", "list", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "No gateway answers" in result.stderr


async def test_a_token_never_goes_over_plain_http_to_another_machine(run: Run) -> None:
    result = await run("agents", "list", "--url", "http://gateway.example")
    assert result.exit_code == 1
    assert "not https" in result.stderr


async def test_the_sandbox_file_serves_and_its_token_goes_to_the_sandbox_only(
    stage: Stage, run: Run, tmp_path: Path
) -> None:
    home = tmp_path / "sandboxed"
    home.mkdir()
    known = {"url": stage.url, "admin_token": stage.first_token, "tenant": "acme", "environment": "prod"}
    (home / "sandbox.json").write_bytes(orjson.dumps(known))
    nothing: dict[str, str | None] = dict.fromkeys(
        ("GATEHOUSE_URL", "GATEHOUSE_TOKEN", "GATEHOUSE_TENANT", "GATEHOUSE_ENVIRONMENT")
    )
    env = {**nothing, "GATEHOUSE_HOME": str(home)}
    assert (await run("agents", "list", env=env)).exit_code == 0
    result = await run("agents", "list", "--url", "http://127.0.0.1:9", env=env)
    assert "No admin token" in result.stderr


async def test_a_list_goes_over_pages(stage: Stage, run: Run) -> None:
    for number in range(5):
        await stage.ask("POST", "E/agents", {"name": f"bot-{number}"})
    page = await told(run, "agents", "list", "--limit", "3")
    assert len(page["items"]) == 3
    assert page["next_cursor"]
    assert len((await told(run, "audit", "list", "--limit", "500", "--type", "admin"))["items"]) > 5


async def test_a_remote_audit_is_checked(run: Run) -> None:
    result = await run("audit", "verify", "--remote", "--json")
    assert result.exit_code == 0
    assert orjson.loads(result.stdout)["intact"] is True


async def test_tokens_are_made_and_revoked(run: Run) -> None:
    made = await told(run, "tokens", "create", "reader", "--role", "auditor", "--of-tenant", "acme")
    assert made["token"].startswith("gha_")
    assert (await told(run, "tokens", "revoke", made["id"]))["deleted"] is True
    assert "reader" in (await run("tokens", "list")).stdout


async def test_what_nobody_knows_is_resolved(stage: Stage, run: Run) -> None:
    _, key = await stage.caller(autonomy="auto")
    stage.desk.mode = "silent"
    _, problem = await stage.call(key, "desk.ticket.create", {"queue": "it", "title": "Printer"})
    resolved = await told(run, "calls", "resolve", problem["call"], "applied", "--comment", "ticket 1 is there")
    assert resolved["status"] == "succeeded"
    found = await told(run, "calls", "list", "--status", "succeeded", "--agent", "bot")
    assert [call["id"] for call in found["items"]] == [problem["call"]]
