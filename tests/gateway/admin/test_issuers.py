"""Registering issuers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.gateway.admin.stage import Stage
from tests.gateway.federation.standin import IssuerStandIn

URL = "https://login.example/realm"
WANTED = {"issuer": URL, "audience": "https://gate.example/mcp/acme/prod", "agent": "bot"}
READ = {"queue": "it", "number": 1}


@pytest.fixture
async def ready(stage: Stage) -> Stage:
    await stage.ask("POST", "E/agents", {"name": "bot"})
    return stage


@pytest.fixture
async def issuer() -> AsyncIterator[IssuerStandIn]:
    made = IssuerStandIn()
    await made.start()
    yield made
    await made.stop()


async def made(stage: Stage, **more: Any) -> Any:
    status, item, _ = await stage.ask("POST", "E/issuers", WANTED | more)
    assert status == 201, item
    return item


async def test_an_issuer_is_registered_shown_listed_changed_and_deleted(ready: Stage) -> None:
    _, agent, _ = await ready.ask("GET", "E/agents/bot")
    status, item, answer = await ready.ask("POST", "E/issuers", WANTED)
    assert (status, item["agent"], item["version"]) == (201, agent["id"], 1)
    assert item["id"].startswith("iss_")
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"].endswith(f"/issuers/{item['id']}")
    assert (await ready.ask("GET", f"E/issuers/{item['id']}"))[1] == item
    assert (await ready.ask("GET", "E/issuers"))[1] == {"items": [item], "next_cursor": None}
    change = {"agent": None, "agent_claim": "azp", "agents": {"client-7": "bot"}, "actor_claim": "/act/sub"}
    status, changed, _ = await ready.ask("PATCH", f"E/issuers/{item['id']}", change, If_Match="1")
    assert (status, changed["version"]) == (200, 2)
    assert changed == item | change | {"agents": {"client-7": agent["id"]}, "version": 2}
    assert (await ready.ask("PATCH", f"E/issuers/{item['id']}", {"actor_claim": "sub"}, If_Match="1"))[0] == 412
    assert (await ready.ask("DELETE", f"E/issuers/{item['id']}", If_Match="1"))[0] == 412
    status, gone, _ = await ready.ask("DELETE", f"E/issuers/{item['id']}", If_Match="2")
    assert (status, gone["deleted"]) == (200, True)
    for method in ("GET", "PATCH", "DELETE"):
        body = {"actor_claim": "sub"} if method == "PATCH" else None
        assert (await ready.ask(method, f"E/issuers/{item['id']}", body))[0] == 404
    assert (await ready.ask("GET", "E/issuers"))[1]["items"] == []
    assert (await ready.ask("POST", "E/issuers", WANTED))[0] == 201


async def test_each_change_is_an_event_with_before_and_after(ready: Stage) -> None:
    item = await made(ready)
    await ready.ask("PATCH", f"E/issuers/{item['id']}", {"actor_claim": "sub"})
    await ready.ask("DELETE", f"E/issuers/{item['id']}")
    (create,), (change,), (delete,) = [await ready.events(f"issuer.{verb}") for verb in ("create", "update", "delete")]
    assert (create["before"], create["after"]) == (None, item)
    assert (change["before"]["actor_claim"], change["after"]["actor_claim"]) == (None, "sub")
    assert (delete["subject"], delete["before"]["version"], delete["after"]["version"]) == (item["id"], 2, 3)
    assert {event["by"]["role"] for event in (create, change, delete)} == {"admin"}


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"issuer": "http://login.example"}, "/issuer"),
        ({"issuer": "ftp://login.example"}, "/issuer"),
        ({"issuer": "https://"}, "/issuer"),
        ({"issuer": "https://login.example?tenant=1"}, "/issuer"),
        ({"issuer": "https://login.example#x"}, "/issuer"),
        ({"issuer": "https://user:password@login.example"}, "/issuer"),
        ({"issuer": "https://login.example:port"}, "/issuer"),
        ({"issuer": "https://[::1"}, "/issuer"),
        ({"issuer": "https://login.example/\u0000"}, "/issuer"),
        ({"issuer": ""}, "/issuer"),
        ({"audience": ""}, "/audience"),
        ({"audience": "x" * 513}, "/audience"),
        ({"audience": "gät"}, "/audience"),
        ({"agent": None}, "/agent"),
        ({"agent_claim": "azp"}, "/agent"),
        ({"agents": {"x": "bot"}}, "/agents"),
        ({"agent": None, "agent_claim": "azp", "agents": {}}, "/agents"),
        ({"agent": None, "agent_claim": "azp", "agents": {"a/b": "nobody"}}, "/agents/a~1b"),
        ({"agent": None, "agent_claim": ""}, "/agent_claim"),
        ({"actor_claim": "a\nb"}, "/actor_claim"),
        ({"scopes_supported": ["desk:*:read"]}, "/scopes_supported"),
        ({"scope_claim": "scope", "scopes_supported": ["openid"]}, "/scopes_supported/0"),
        ({"more": 1}, "/more"),
    ],
)
async def test_an_issuer_that_makes_no_sense_is_refused(ready: Stage, wanted: dict[str, Any], pointer: str) -> None:
    status, problem, _ = await ready.ask("POST", "E/issuers", WANTED | wanted)
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer), problem
    assert (await ready.ask("GET", "E/issuers"))[1]["items"] == []


async def test_an_agent_that_is_not_here_is_not_found(ready: Stage) -> None:
    assert (await ready.ask("POST", "E/issuers", WANTED | {"agent": "nobody"}))[0] == 404


async def test_a_change_that_would_leave_nobody_or_two_is_refused(ready: Stage) -> None:
    item = await made(ready)
    for change in ({"agent": None}, {"agent_claim": "azp"}, {"issuer": "https://other.example"}, {}):
        assert (await ready.ask("PATCH", f"E/issuers/{item['id']}", change))[0] == 422


async def test_an_issuer_is_registered_once_for_an_audience_and_anew_in_another_environment(ready: Stage) -> None:
    await made(ready)
    status, problem, _ = await ready.ask("POST", "E/issuers", WANTED)
    assert (status, problem["code"]) == (409, "conflict")
    await made(ready, audience="another")
    dev = "/v1/admin/tenants/acme/environments/dev"
    await ready.ask("POST", f"{dev}/agents", {"name": "bot"})
    status, other, _ = await ready.ask("POST", f"{dev}/issuers", WANTED)
    assert status == 201
    assert (await ready.ask("GET", f"E/issuers/{other['id']}"))[0] == 404


async def test_a_test_says_which_keys_were_found_or_why_none(ready: Stage, issuer: IssuerStandIn) -> None:
    item = await made(ready, issuer=issuer.url)
    status, found, _ = await ready.ask("POST", f"E/issuers/{item['id']}/test")
    keys = [{"kid": "k1", "algorithms": ["ES256"]}]
    assert (status, found) == (200, {"id": item["id"], "reached": True, "keys": keys})
    issuer.metadata = {"issuer": "https://other.example"}
    _, found, _ = await ready.ask("POST", f"E/issuers/{item['id']}/test")
    assert found == {"id": item["id"], "reached": False, "reason": "its metadata is that of another issuer"}


async def test_a_token_works_from_registering_to_deleting(ready: Stage, issuer: IssuerStandIn) -> None:
    ready.desk.tickets.append({"number": 1, "title": "Printer"})
    await ready.connection()
    await ready.ask("POST", "E/grants", {"agent": "bot", "connection": "desk/main", "scopes": ["desk:ticket:read"]})
    ready.clock.at = ready.clock.at.fromtimestamp(issuer.claims()["iat"], ready.clock.at.tzinfo)
    token = issuer.token(aud="desk")
    assert (await ready.call(token, "desk.ticket.get", READ))[0] == 401
    item = await made(ready, issuer=issuer.url, audience="desk")
    assert (await ready.call(token, "desk.ticket.get", READ))[0] == 200
    await ready.ask("DELETE", f"E/issuers/{item['id']}")
    seen = len(ready.desk.seen)
    assert (await ready.call(token, "desk.ticket.get", READ))[0] == 401
    assert len(ready.desk.seen) == seen
