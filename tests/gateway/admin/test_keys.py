"""Agents' keys: rotation with an overlap, revocation, addresses."""

import pytest

from tests.gateway.admin.stage import Stage

READ = {"queue": "it", "number": 1}


@pytest.fixture
async def key(stage: Stage) -> str:
    stage.desk.tickets.append({"number": 1, "title": "Printer"})
    return (await stage.caller(autonomy="auto"))[1]


async def only_key(stage: Stage) -> str:
    _, page, _ = await stage.ask("GET", "E/agents/bot/keys")
    return str(page["items"][-1]["id"])


async def test_both_keys_work_during_the_overlap_and_the_old_one_not_after_it(stage: Stage, key: str) -> None:
    old = await only_key(stage)
    status, fresh, answer = await stage.ask("POST", f"E/agents/bot/keys/{old}/rotate", {"overlap_seconds": 60})
    assert (status, fresh["replaces"], fresh["old"]["id"]) == (201, old, old)
    assert answer.headers["Location"].endswith(fresh["id"])
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    assert (await stage.call(fresh["key"], "desk.ticket.get", READ))[0] == 200
    stage.clock.forward(seconds=61)
    status, problem = await stage.call(key, "desk.ticket.get", READ)
    assert (status, problem["code"]) == (401, "key_expired")
    assert (await stage.call(fresh["key"], "desk.ticket.get", READ))[0] == 200


async def test_a_rotation_never_makes_the_old_key_last_longer(stage: Stage, key: str) -> None:
    old = await only_key(stage)
    await stage.ask("PATCH", f"E/agents/bot/keys/{old}", {"expires_at": "2026-01-05T12:00:10Z"})
    _, fresh, _ = await stage.ask("POST", f"E/agents/bot/keys/{old}/rotate", {"overlap_seconds": 3600})
    assert fresh["old"]["expires_at"] == "2026-01-05T12:00:10.000Z"


async def test_a_revoked_key_is_refused_at_once_and_sends_nothing(stage: Stage, key: str) -> None:
    old = await only_key(stage)
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    seen = len(stage.desk.seen)
    status, gone, _ = await stage.ask("DELETE", f"E/agents/bot/keys/{old}")
    assert (status, gone["deleted"]) == (200, True)
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 401
    assert len(stage.desk.seen) == seen
    assert (await stage.ask("POST", f"E/agents/bot/keys/{old}/rotate", {}))[0] == 409
    assert (await stage.ask("PATCH", f"E/agents/bot/keys/{old}", {"cidrs": []}))[0] == 409


async def test_a_key_works_from_its_addresses_only(stage: Stage, key: str) -> None:
    old = await only_key(stage)
    await stage.ask("PATCH", f"E/agents/bot/keys/{old}", {"cidrs": ["10.0.0.0/8"]})
    status, problem = await stage.call(key, "desk.ticket.get", READ)
    assert (status, problem["code"]) == (403, "ip_not_allowed")
    await stage.ask("PATCH", f"E/agents/bot/keys/{old}", {"cidrs": ["127.0.0.0/8"]})
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200


async def test_a_disabled_agent_is_refused_with_all_its_keys(stage: Stage, key: str) -> None:
    status, agent, _ = await stage.ask("PATCH", "E/agents/bot", {"disabled": True})
    assert (status, agent["disabled"]) == (200, True)
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 401
    await stage.ask("PATCH", "E/agents/bot", {"disabled": False})
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200


async def test_a_key_of_another_agent_or_environment_is_not_there(stage: Stage, key: str) -> None:
    old = await only_key(stage)
    await stage.ask("POST", "E/agents", {"name": "other"})
    assert (await stage.ask("GET", f"E/agents/other/keys/{old}"))[0] == 404
    dev = "/v1/admin/tenants/acme/environments/dev"
    assert (await stage.ask("GET", f"{dev}/agents/bot/keys/{old}"))[0] == 404
    assert (await stage.ask("DELETE", f"E/agents/other/keys/{old}"))[0] == 404
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        {"cidrs": ["10.0.0.1/8"]},
        {"cidrs": ["everywhere"]},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2027-01-01T00:00:00"},
        {"expires_at": 1799999999},
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(stage: Stage, key: str, body: dict[str, object]) -> None:
    status, problem, _ = await stage.ask("POST", "E/agents/bot/keys", body)
    assert (status, problem["code"]) == (422, "invalid_input")
