"""Writes of the admin API: versions, strict bodies, events, secrets shown once."""

import orjson
import pytest
from sqlalchemy import text

from tests.gateway.admin.stage import E, Stage


async def test_what_is_made_has_a_location_and_a_version(stage: Stage) -> None:
    status, made, answer = await stage.ask("POST", "E/agents", {"name": "bot", "limits": {"requests_per_minute": 5}})
    assert (status, answer.headers["ETag"]) == (201, '"1"')
    assert answer.headers["Location"] == f"{E}/agents/{made['id']}"
    status, again, answer = await stage.ask("GET", answer.headers["Location"])
    assert (status, again, answer.headers["ETag"]) == (200, made, '"1"')


@pytest.mark.parametrize("version", ['"1"', "1", 'W/"1"', "*"])
async def test_a_change_of_the_version_that_was_read_goes_through(stage: Stage, version: str) -> None:
    await stage.ask("POST", "E/agents", {"name": "bot"})
    status, changed, answer = await stage.ask("PATCH", "E/agents/bot", {"description": "x"}, If_Match=version)
    assert (status, changed["version"], answer.headers["ETag"]) == (200, 2, '"2"')


async def test_a_change_of_an_older_version_changes_nothing(stage: Stage) -> None:
    await stage.caller()
    _, grants, _ = await stage.ask("GET", "E/grants")
    grant = grants["items"][0]["id"]
    for path in ("E/agents/bot", f"E/grants/{grant}", "E/connections/desk/main"):
        status, answer, _ = await stage.ask("GET", path)
        body = {"name": "desk/other"} if "connections" in path else {"description": "x"}
        body = {"autonomy": "auto"} if "grants" in path else body
        status, problem, _ = await stage.ask("PATCH", path, body, If_Match='"7"')
        assert (status, problem["code"]) == (412, "precondition_failed")
        assert (await stage.ask("GET", path))[1] == answer
    for path in (f"E/grants/{grant}", "E/connections/desk/main"):
        status, _, _ = await stage.ask("DELETE", path, If_Match='"7"')
        assert status == 412
        assert (await stage.ask("GET", path))[0] == 200


async def test_an_if_match_that_is_no_version_is_refused(stage: Stage) -> None:
    await stage.ask("POST", "E/agents", {"name": "bot"})
    status, problem, _ = await stage.ask("PATCH", "E/agents/bot", {"description": "x"}, If_Match="yesterday")
    assert (status, problem["code"]) == (400, "malformed_request")


async def test_unknown_members_are_refused_with_their_pointer(stage: Stage) -> None:
    status, problem, _ = await stage.ask("POST", "E/agents", {"name": "bot", "nmae": 1, "limits": {"x": 0}})
    assert (status, problem["code"]) == (422, "invalid_input")
    assert {"/nmae", "/limits/x"} <= {fault["pointer"] for fault in problem["errors"]}


async def test_unknown_parameters_are_refused(stage: Stage) -> None:
    for path in ("E/agents?page=2", "E/agents/bot?x=1", "E/calls?status=done", "E/usage?since=today"):
        status, problem, _ = await stage.ask("GET", path)
        assert (status, problem["code"]) == (422, "invalid_input"), path


async def test_a_list_goes_on_by_its_cursor_and_for_its_own_query_only(stage: Stage) -> None:
    for number in range(5):
        await stage.ask("POST", "E/agents", {"name": f"bot-{number}"})
    names: list[str] = []
    path = "E/agents?limit=2"
    while path:
        _, page, _ = await stage.ask("GET", path)
        names += [agent["name"] for agent in page["items"]]
        cursor = page["next_cursor"]
        path = f"E/agents?limit=2&cursor={cursor}" if cursor else ""
    assert names == [f"bot-{number}" for number in (4, 3, 2, 1, 0)]
    _, page, _ = await stage.ask("GET", "E/agents?limit=2")
    for other in (f"E/grants?cursor={page['next_cursor']}", "E/agents?cursor=AAAA"):
        status, problem, _ = await stage.ask("GET", other)
        assert (status, problem["code"]) == (400, "invalid_cursor")
    status, _, _ = await stage.ask("GET", f"E/agents?cursor={page['next_cursor']}", role="auditor")
    assert status == 400


async def test_secrets_are_shown_once_and_stand_in_no_event(stage: Stage) -> None:
    secrets = ["token-of-ann-2"]
    _, key = await stage.caller()
    _, token, _ = await stage.ask(
        "POST", "/v1/admin/tokens", {"name": "x", "role": "auditor", "tenant": "acme"}, role="owner"
    )
    secrets += [key.split("_", 2)[2], key, token["token"]]
    shown = [
        (await stage.ask("GET", path, role="owner"))[1]
        for path in (
            "E/agents/bot/keys",
            "E/connections",
            "E/connections/desk/main",
            "/v1/admin/tokens",
            "E/audit?limit=200",
        )
    ]
    told = orjson.dumps(shown).decode()
    assert "key.create" in told
    assert "token.create" in told
    for secret in secrets:
        assert secret not in told


async def test_every_write_is_an_event_with_who_and_before_and_after(stage: Stage) -> None:
    await stage.ask("POST", "E/agents", {"name": "bot"})
    await stage.ask("PATCH", "E/agents/bot", {"description": "new"})
    changed, made = (await stage.events("agent.update"))[0], (await stage.events("agent.create"))[0]
    assert made["before"] is None
    assert made["after"]["name"] == "bot"
    assert (changed["before"]["description"], changed["after"]["description"]) == ("", "new")
    assert (changed["before"]["version"], changed["after"]["version"]) == (1, 2)
    assert changed["by"]["role"] == "admin"
    assert changed["by"]["token"].startswith("tok_")
    assert changed["by"]["address"] == "127.0.0.1"


async def test_a_refused_write_leaves_no_event(stage: Stage) -> None:
    await stage.ask("POST", "E/agents", {"name": "bot"})
    await stage.token("auditor")
    before = stage.gateway.database.head().seq
    status, _, _ = await stage.ask("POST", "E/agents", {"name": "bot"})
    assert status == 409
    status, _, _ = await stage.ask("PATCH", "E/agents/bot", {"name": "bot", "disabled": True}, role="auditor")
    assert status == 403
    assert stage.gateway.database.head().seq == before


async def test_events_show_what_the_rows_then_say(stage: Stage) -> None:
    await stage.caller()
    for what, path in (
        ("grant.create", "E/grants"),
        ("connection.create", "E/connections"),
        ("key.create", "E/agents/bot/keys"),
    ):
        event = (await stage.events(what))[0]
        _, page, _ = await stage.ask("GET", path)
        item = page["items"][0]
        assert event["subject"] == item["id"]
        for name, value in event["after"].items():
            if name in item and name not in {"health", "account"}:
                assert item[name] == value, (what, name)


async def test_no_secret_is_stored_as_it_was_shown(stage: Stage) -> None:
    _, key = await stage.caller()
    rows = await stage.gateway.database.read(lambda rows: rows.execute(text("SELECT digest FROM agent_keys")).all())
    assert all(key.encode() not in row[0] and key.split("_", 2)[2].encode() not in row[0] for row in rows)
    assert all(len(row[0]) == 32 for row in rows)
