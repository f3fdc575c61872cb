"""Connections: tested with the credential, bound to an account and an address."""

import asyncio

import pytest
from credentials import Where

from gateway.admin.health import ConnectionHealth
from tests.gateway.admin.desk import Desk
from tests.gateway.admin.stage import Stage

READ = {"queue": "it", "number": 1}


async def stored(stage: Stage, id: str) -> str | None:
    found = await stage.gateway.store.get(Where("acme", "prod", id))
    return found.fields["token"] if found is not None else None


async def test_a_connection_is_tested_as_it_is_made(stage: Stage) -> None:
    made = await stage.connection()
    assert made["account"] == {"id": "1", "label": "Ann"}
    assert made["health"] | {"checked_at": ""} == {
        "status": "healthy",
        "reason": None,
        "granted": ["tickets.read"],
        "needed": [],
        "missing": [],
        "checked_at": "",
    }
    assert stage.desk.seen == [("/me", "token-of-ann")]
    assert await stored(stage, made["id"]) == "token-of-ann"


async def test_health_says_which_vendor_scopes_the_grants_need_and_lack(stage: Stage) -> None:
    await stage.connection()
    await stage.ask("POST", "E/agents", {"name": "bot"})
    await stage.ask("POST", "E/grants", {"agent": "bot", "connection": "desk/main", "scopes": ["desk:ticket:*"]})
    _, shown, _ = await stage.ask("GET", "E/connections/desk/main")
    assert shown["health"]["needed"] == ["tickets.read", "tickets.write"]
    assert shown["health"]["missing"] == ["tickets.write"]


async def test_a_credential_that_the_vendor_refuses_makes_no_connection(stage: Stage) -> None:
    wanted = {"connector": "desk", "name": "desk/main", "method": "token", "credential": {"token": "wrong"}}
    status, problem, _ = await stage.ask("POST", "E/connections", wanted | {"base_url": stage.desk.url})
    assert (status, problem["code"]) == (422, "invalid_input")
    assert problem["errors"][0]["pointer"] == "/credential"
    assert "wrong" not in str(problem["detail"])
    assert (await stage.ask("GET", "E/connections"))[1]["items"] == []


async def test_a_vendor_that_is_down_leaves_the_connection_untested(stage: Stage) -> None:
    stage.desk.mode = "down"
    made = await stage.connection()
    assert made["health"]["status"] == "untested"
    assert made["account"] is None
    stage.desk.mode = "ok"
    status, tested, _ = await stage.ask("POST", "E/connections/desk/main/test", {})
    assert (status, tested["health"]["status"], tested["account"]["id"]) == (200, "healthy", "1")


async def test_an_untested_connection_asks_the_vendor_nothing(stage: Stage) -> None:
    made = await stage.connection(test=False)
    assert made["health"]["status"] == "untested"
    assert stage.desk.seen == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "github/main"}, "/name"),
        ({"connector": "github"}, "/connector"),
        ({"method": "oauth"}, "/method"),
        ({"credential": {}}, "/credential/token"),
        ({"credential": {"token": "x", "user": "y"}}, "/credential/user"),
        ({"credential": {"token": "two words"}}, "/credential/token"),
        ({"base_url": "http://desk.example"}, "/base_url"),
        ({"base_url": "https://user@desk.example"}, "/base_url"),
    ],
)
async def test_a_connection_that_does_not_fit_is_refused_where_it_does_not(
    stage: Stage, change: dict[str, object], pointer: str
) -> None:
    wanted = {"connector": "desk", "name": "desk/main", "method": "token", "credential": {"token": "token-of-ann"}}
    status, problem, _ = await stage.ask("POST", "E/connections", wanted | {"base_url": stage.desk.url} | change)
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)
    assert stage.desk.seen == []


async def test_a_name_is_given_once_and_again_after_a_deletion(stage: Stage) -> None:
    await stage.connection()
    wanted = {"connector": "desk", "name": "desk/main", "method": "token", "credential": {"token": "token-of-bob"}}
    status, problem, _ = await stage.ask("POST", "E/connections", wanted | {"base_url": stage.desk.url})
    assert (status, problem["code"]) == (409, "conflict")
    await stage.ask("DELETE", "E/connections/desk/main")
    again = await stage.connection(token="token-of-bob")
    assert again["account"]["id"] == "2"


async def test_reconnecting_with_another_account_changes_nothing(stage: Stage) -> None:
    made = await stage.connection()
    status, problem, _ = await stage.ask(
        "POST", "E/connections/desk/main/reconnect", {"credential": {"token": "token-of-bob"}}
    )
    assert (status, problem["code"]) == (409, "conflict")
    assert await stored(stage, made["id"]) == "token-of-ann"
    assert (await stage.ask("GET", "E/connections/desk/main"))[1] == made


async def test_reconnecting_takes_the_new_credential_of_the_same_account(stage: Stage) -> None:
    _, key = await stage.caller(autonomy="auto")
    stage.desk.tickets.append({"number": 1, "title": "Printer"})
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    status, shown, _ = await stage.ask(
        "POST", "E/connections/desk/main/reconnect", {"credential": {"token": "token-of-ann"}}
    )
    assert (status, shown["version"], shown["health"]["granted"]) == (200, 2, ["tickets.read"])
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    assert stage.desk.seen[-1] == ("/tickets/1", "token-of-ann")


async def test_no_call_runs_on_a_credential_that_is_only_being_tried(stage: Stage) -> None:
    """The candidate is another account's: a call in between must go out with the old credential, or not at all."""
    _, key = await stage.caller(autonomy="auto")
    stage.desk.tickets.append({"number": 1, "title": "Printer"})
    reconnect = stage.ask("POST", "E/connections/desk/main/reconnect", {"credential": {"token": "token-of-bob"}})
    calls = [stage.call(key, "desk.ticket.get", READ) for _ in range(10)]
    await asyncio.gather(reconnect, *calls)
    assert {token for path, token in stage.desk.seen if path.startswith("/tickets")} == {"token-of-ann-2"}


async def test_reconnecting_while_the_vendor_is_down_keeps_the_old_credential(stage: Stage) -> None:
    made = await stage.connection()
    stage.desk.mode = "down"
    status, problem, _ = await stage.ask(
        "POST", "E/connections/desk/main/reconnect", {"credential": {"token": "token-of-ann-2"}}
    )
    assert (status, problem["code"]) == (424, "connection_unhealthy")
    assert await stored(stage, made["id"]) == "token-of-ann"


async def test_a_new_address_never_sees_the_old_credential(stage: Stage) -> None:
    _, key = await stage.caller(autonomy="auto")
    other = Desk()
    await other.start()
    try:
        status, shown, _ = await stage.ask("PATCH", "E/connections/desk/main", {"base_url": other.url})
        assert status == 200
        assert shown["health"]["status"] == "unhealthy"
        assert "reconnect" in shown["health"]["reason"]
        assert await stored(stage, shown["id"]) is None
        status, problem = await stage.call(key, "desk.ticket.get", READ)
        assert (status, problem["code"]) == (424, "connection_unhealthy")
        await stage.ask("POST", "E/connections/desk/main/test", {})
        assert other.seen == []
        status, _, _ = await stage.ask(
            "POST", "E/connections/desk/main/reconnect", {"credential": {"token": "token-of-bob"}}
        )
        assert status == 409
        status, shown, _ = await stage.ask(
            "POST", "E/connections/desk/main/reconnect", {"credential": {"token": "token-of-ann"}}
        )
        assert (status, shown["health"]["status"]) == (200, "healthy")
    finally:
        await other.stop()


async def test_a_test_that_shows_another_account_is_refused_and_stops_the_connection(stage: Stage) -> None:
    await stage.connection()
    stage.desk.accounts["token-of-ann"] = stage.desk.accounts["token-of-bob"]
    status, problem, _ = await stage.ask("POST", "E/connections/desk/main/test", {})
    assert (status, problem["code"]) == (409, "conflict")
    _, shown, _ = await stage.ask("GET", "E/connections/desk/main")
    assert (shown["health"]["status"], shown["account"]["id"]) == ("unhealthy", "1")


async def test_a_revoked_credential_shows_in_the_health(stage: Stage) -> None:
    await stage.connection()
    del stage.desk.accounts["token-of-ann"]
    status, shown, _ = await stage.ask("POST", "E/connections/desk/main/test", {})
    assert (status, shown["health"]["status"]) == (200, "unhealthy")


async def test_deleting_destroys_the_credential_and_ends_the_grants(stage: Stage) -> None:
    _, key = await stage.caller(autonomy="auto")
    _, shown, _ = await stage.ask("GET", "E/connections/desk/main")
    status, gone, _ = await stage.ask("DELETE", "E/connections/desk/main")
    assert (status, gone["deleted"], gone["revoked_at_vendor"]) == (200, True, False)
    assert len(gone["revoked_grants"]) == 1
    assert await stored(stage, shown["id"]) is None
    assert (await stage.ask("GET", f"E/connections/{shown['id']}"))[0] == 404
    assert (await stage.ask("GET", "E/grants"))[1]["items"] == []
    status, problem = await stage.call(key, "desk.ticket.get", READ)
    assert (status, problem["code"]) == (409, "connection_required")
    assert (await stage.events("connection.delete"))[0]["after"]["revoked_at_vendor"] is False


async def test_what_calls_find_broken_is_known_at_once(stage: Stage) -> None:
    _, key = await stage.caller(autonomy="auto")
    _, shown, _ = await stage.ask("GET", "E/connections/desk/main")
    g = stage.gateway
    health = ConnectionHealth(g.database, g.events, g.generation, stage.clock)
    assert not await health.mark_unhealthy(shown["id"], "what an older version found", version=0)
    assert await health.mark_unhealthy(shown["id"], "its token is no longer accepted", version=1)
    assert not await health.mark_unhealthy(shown["id"], "again")
    status, problem = await stage.call(key, "desk.ticket.get", READ)
    assert (status, problem["code"]) == (424, "connection_unhealthy")
    _, page, _ = await stage.ask("GET", "E/audit?type=connection_health")
    assert page["items"][0]["data"]["reason"] == "its token is no longer accepted"


async def test_a_frozen_connection_is_not_tried(stage: Stage) -> None:
    await stage.connection()
    seen = len(stage.desk.seen)
    await stage.ask("POST", "E/freezes", {"kind": "connection", "id": "desk/main"})
    for path, body in (("test", {}), ("reconnect", {"credential": {"token": "token-of-ann-2"}})):
        status, problem, _ = await stage.ask("POST", f"E/connections/desk/main/{path}", body)
        assert (status, problem["code"]) == (423, "frozen")
    assert len(stage.desk.seen) == seen
    _, shown, _ = await stage.ask("GET", "E/connections/desk/main")
    assert shown["health"]["status"] == "healthy"


async def test_a_connection_of_another_environment_is_not_there(stage: Stage) -> None:
    made = await stage.connection()
    rival = "/v1/admin/tenants/rival/environments/prod/connections"
    for path in (f"{rival}/{made['id']}", f"{rival}/desk/main"):
        for method, body in (("GET", None), ("PATCH", {"name": "desk/x"}), ("DELETE", None)):
            status, _, _ = await stage.ask(method, path, body, role="admin", tenant="rival")
            assert status == 404
    status, _, _ = await stage.ask("POST", f"{rival}/{made['id']}/test", {}, role="admin", tenant="rival")
    assert status == 404
    assert await stored(stage, made["id"]) == "token-of-ann"
