"""Grants and access requests."""

import pytest

from tests.gateway.admin.stage import Stage

READ = {"queue": "it", "number": 1}


@pytest.fixture
async def ready(stage: Stage) -> Stage:
    await stage.connection()
    await stage.ask("POST", "E/agents", {"name": "bot"})
    return stage


async def test_patterns_are_expanded_when_the_grant_is_made(ready: Stage) -> None:
    wanted = {"agent": "bot", "connection": "desk/main", "scopes": ["desk:*:read", "desk:ticket:write"]}
    status, made, _ = await ready.ask("POST", "E/grants", wanted)
    assert status == 201
    assert made["scopes"] == wanted["scopes"]
    assert made["expanded"] == ["desk:ticket:read", "desk:ticket:write"]
    assert made["autonomy"] == "approve"
    _, page, _ = await ready.ask("GET", "E/grants?agent=bot&connection=desk/main")
    assert [grant["id"] for grant in page["items"]] == [made["id"]]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"scopes": ["github:issue:read"]}, "/scopes"),
        ({"scopes": ["desk:ticket"]}, "/scopes"),
        ({"scopes": []}, "/scopes"),
        ({"constraints": {"resources": []}}, "/constraints/resources"),
        ({"constraints": {"resource": ["x"]}}, "/constraints/resource"),
        ({"constraints": {"max_amount": 5}}, "/constraints/max_amount"),
        ({"autonomy": "full"}, "/autonomy"),
        ({"rollout": 101}, "/rollout"),
        ({"idempotency_days": 31}, "/idempotency_days"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
    ],
)
async def test_a_grant_that_makes_no_sense_is_refused(ready: Stage, change: dict[str, object], pointer: str) -> None:
    wanted = {"agent": "bot", "connection": "desk/main", "scopes": ["desk:ticket:read"]}
    status, problem, _ = await ready.ask("POST", "E/grants", wanted | change)
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)


async def test_agents_and_connections_that_are_not_here_are_not_found(ready: Stage) -> None:
    for agent, connection in (("nobody", "desk/main"), ("bot", "desk/other"), ("agt_x", "desk/main")):
        wanted = {"agent": agent, "connection": connection, "scopes": ["desk:ticket:read"]}
        assert (await ready.ask("POST", "E/grants", wanted))[0] == 404


async def test_a_change_holds_at_once_and_counts_the_version_up(ready: Stage) -> None:
    ready.desk.tickets.append({"number": 1, "title": "Printer"})
    _, key, _ = await ready.ask("POST", "E/agents/bot/keys", {})
    wanted = {"agent": "bot", "connection": "desk/main", "scopes": ["desk:ticket:read"]}
    _, made, _ = await ready.ask("POST", "E/grants", wanted)
    assert (await ready.call(key["key"], "desk.ticket.get", READ))[0] == 200
    constraints = {"resources": ["hr"]}
    status, changed, _ = await ready.ask("PATCH", f"E/grants/{made['id']}", {"constraints": constraints}, If_Match="1")
    assert (status, changed["version"], changed["expanded"]) == (200, 2, made["expanded"])
    status, problem = await ready.call(key["key"], "desk.ticket.get", READ)
    assert (status, problem["code"]) == (403, "constraint_denied")


async def test_an_optional_term_can_be_taken_back(ready: Stage) -> None:
    wanted = {"agent": "bot", "connection": "desk/main", "scopes": ["desk:ticket:read"]}
    _, made, _ = await ready.ask("POST", "E/grants", wanted | {"rollout": 20, "expires_at": "2027-01-01T00:00:00Z"})
    _, changed, _ = await ready.ask("PATCH", f"E/grants/{made['id']}", {"rollout": None, "expires_at": None})
    assert (changed["rollout"], changed["expires_at"]) == (None, None)
    status, _, _ = await ready.ask("PATCH", f"E/grants/{made['id']}", {})
    assert status == 422


async def test_a_revoked_grant_ends_at_once_and_stays_so(ready: Stage) -> None:
    _, key, _ = await ready.ask("POST", "E/agents/bot/keys", {})
    _, made, _ = await ready.ask(
        "POST", "E/grants", {"agent": "bot", "connection": "desk/main", "scopes": ["desk:ticket:read"]}
    )
    status, gone, _ = await ready.ask("DELETE", f"E/grants/{made['id']}")
    assert (status, gone["deleted"]) == (200, True)
    seen = len(ready.desk.seen)
    assert (await ready.call(key["key"], "desk.ticket.get", READ))[0] in {403, 409}
    assert len(ready.desk.seen) == seen
    assert (await ready.ask("PATCH", f"E/grants/{made['id']}", {"autonomy": "auto"}))[0] == 409


async def test_a_request_is_granted_with_an_admin_s_terms(ready: Stage) -> None:
    asked = {"agent": "bot", "connection": "desk/main", "scopes": ["desk:ticket:*"], "reason": "to triage"}
    status, request, _ = await ready.ask("POST", "E/access-requests", asked, role="auditor")
    assert (status, request["status"]) == (201, "pending")
    decision = {
        "decision": "grant",
        "scopes": ["desk:ticket:read"],
        "terms": {"constraints": {"resources": ["it"]}, "autonomy": "shadow", "expires_at": "2027-01-01T00:00:00Z"},
    }
    status, decided, _ = await ready.ask("POST", f"E/access-requests/{request['id']}/decide", decision)
    assert (status, decided["status"]) == (200, "granted")
    _, grant, _ = await ready.ask("GET", f"E/grants/{decided['grant']}")
    assert grant["expanded"] == ["desk:ticket:read"]
    assert grant["constraints"]["resources"] == ["it"]
    assert (grant["autonomy"], grant["expires_at"]) == ("shadow", "2027-01-01T00:00:00.000Z")
    status, problem, _ = await ready.ask("POST", f"E/access-requests/{request['id']}/decide", {"decision": "refuse"})
    assert (status, problem["code"]) == (409, "conflict")
    event = (await ready.events("access_request.decide"))[0]
    assert event["after"]["granted"]["id"] == decided["grant"]


async def test_a_refused_request_grants_nothing(ready: Stage) -> None:
    asked = {"agent": "bot", "connection": "desk/main", "scopes": ["desk:ticket:read"], "reason": "because"}
    _, request, _ = await ready.ask("POST", "E/access-requests", asked)
    more = {"decision": "grant", "scopes": ["desk:ticket:delete"]}
    assert (await ready.ask("POST", f"E/access-requests/{request['id']}/decide", more))[0] == 422
    _, decided, _ = await ready.ask(
        "POST", f"E/access-requests/{request['id']}/decide", {"decision": "refuse", "comment": "no"}
    )
    assert (decided["status"], decided["comment"], decided["grant"]) == ("refused", "no", None)
    assert (await ready.ask("GET", "E/grants"))[1]["items"] == []
