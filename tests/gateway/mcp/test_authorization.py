"""MCP as an OAuth 2.1 resource: metadata, challenges, audiences, scopes that a client steps up to."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.admin.rows import Place
from tests.gateway.caller import Caller
from tests.gateway.federation.house import House
from tests.gateway.federation.standin import IssuerStandIn
from tests.gateway.mcp.test_streams import listening
from tests.gateway.speaker import MODERN, Speaker
from tests.gateway.world import World

PATH = "/mcp/acme/prod"
WELL_KNOWN = "/.well-known/oauth-protected-resource"
ORDER = {"item": "a"}
KEY = {"idempotency_key": "k"}
RIVAL = Place("rival", "prod")


@pytest.fixture
async def house(world: World) -> AsyncIterator[House]:
    issuer = IssuerStandIn()
    await issuer.start()
    yield House(world, issuer)
    await issuer.stop()


@pytest.fixture
async def toy(world: World) -> Caller:
    return await world.caller()


def speaking(house: House, agent: Caller, path: str = PATH, revision: str = MODERN, **claims: Any) -> Speaker:
    return Speaker(house.showing(agent, **claims), revision, path=path)


@pytest.mark.parametrize("revision", [MODERN, "2025-11-25", "2025-06-18", "2025-03-26"])
async def test_a_client_with_a_token_lists_and_calls(house: House, toy: Caller, revision: str) -> None:
    await house.register()
    speaker = speaking(house, toy, revision=revision)
    if revision != MODERN:
        await speaker.begin()
    names = [tool["name"] for tool in await speaker.tools()]
    assert names == [tool["name"] for tool in await Speaker(toy).tools()]
    result = await speaker.result("toy__order__create", ORDER, meta=KEY)
    assert result["isError"] is False
    assert house.world.applied() == ["POST /orders"]


@pytest.mark.parametrize("path", ["/mcp", PATH])
async def test_who_is_not_known_is_told_where_the_rest_is_written(house: House, toy: Caller, path: str) -> None:
    metadata = f'resource_metadata="{house.world.gateway.url}{WELL_KNOWN}{path}"'
    nobody = await toy.ask("POST", path, {}, bearer=None)
    assert nobody.status == 401
    assert nobody.headers["WWW-Authenticate"] == f'Bearer realm="gatehouse", {metadata}'
    bad = await toy.ask("POST", path, {}, bearer="a.b.c")
    assert bad.status == 401
    assert bad.headers["WWW-Authenticate"] == f'Bearer realm="gatehouse", error="invalid_token", {metadata}'
    assert bad.body["error"]["data"]["code"] == "unauthenticated"


async def test_the_document_of_an_environment_names_its_issuers(house: House, toy: Caller) -> None:
    assert (await toy.ask("GET", WELL_KNOWN + PATH, bearer=None)).status == 404
    id = await house.register(
        agent_claim="azp", scope_claim="scope", scopes_supported=["toy:order:write", "toy:*:read"]
    )
    reply = await toy.ask("GET", WELL_KNOWN + PATH, bearer=None)
    assert reply.body == {
        "resource": house.world.gateway.url + PATH,
        "authorization_servers": [house.issuer.url],
        "scopes_supported": ["toy:*:read", "toy:order:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Gatehouse",
    }
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    for path in (f"{WELL_KNOWN}/mcp/acme/dev", f"{WELL_KNOWN}/mcp/rival/prod"):
        assert (await toy.ask("GET", path, bearer=None)).status == 404
    await house.delete(id)
    assert (await toy.ask("GET", WELL_KNOWN + PATH, bearer=None)).status == 404


async def test_the_shared_addresses_speak_for_nobody_among_several(house: House, toy: Caller) -> None:
    await house.register()
    for path, resource in ((WELL_KNOWN, ""), (f"{WELL_KNOWN}/mcp", "/mcp")):
        reply = await toy.ask("GET", path, bearer=None)
        assert reply.body["resource"] == house.world.gateway.url + resource
        assert "scopes_supported" not in reply.body
    await house.world.place("rival", "prod")
    for path in (WELL_KNOWN, f"{WELL_KNOWN}/mcp"):
        assert (await toy.ask("GET", path, bearer=None)).status == 404


async def test_documents_are_under_the_root_that_people_know(make_world: Any) -> None:
    world = await make_world(public_url="https://gate.example/")
    issuer = IssuerStandIn()
    await issuer.start()
    try:
        agent = await world.caller()
        await House(world, issuer).register()
        reply = await agent.ask("GET", WELL_KNOWN + PATH, bearer=None)
        assert reply.body["resource"] == f"https://gate.example{PATH}"
        nobody = await agent.ask("POST", PATH, {}, bearer=None)
        assert f'resource_metadata="https://gate.example{WELL_KNOWN}{PATH}"' in nobody.headers["WWW-Authenticate"]
    finally:
        await issuer.stop()


async def test_the_path_decides_where_a_token_is_registered_in_two_environments(house: House, toy: Caller) -> None:
    await house.world.agent("bot", tenant="rival")
    await house.register()
    await house.register(RIVAL, agent_claim="azp")
    assert await speaking(house, toy).tools() != []
    assert await speaking(house, toy, "/mcp/rival/prod").tools() == []
    both = await speaking(house, toy, "/mcp").ask("tools/list")
    assert both.status == 401
    assert "/mcp/<tenant>/<environment>" in both.body["error"]["data"]["hint"]


async def test_a_token_opens_no_other_tenant_s_path(house: House, toy: Caller) -> None:
    await house.world.agent("bot", tenant="rival")
    await house.register()
    reply = await speaking(house, toy, "/mcp/rival/prod").ask("tools/list")
    assert reply.status == 401
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]
    assert house.issuer.asked == []
    assert (await speaking(house, toy, aud="other").ask("tools/list")).status == 401


@pytest.mark.parametrize("revision", [MODERN, "2025-11-25"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("tool", ["toy__order__create", "call_action"])
async def test_a_token_with_too_few_scopes_is_told_which_to_ask_for(
    house: House, toy: Caller, revision: str, streamed: bool, tool: str
) -> None:
    await house.register(agent_claim="azp", scope_claim="scope")
    speaker = speaking(house, toy, revision=revision, scope="toy:note:read openid")
    if revision != MODERN:
        await speaker.begin()
    names = {one["name"] for one in await speaker.tools()}
    assert "toy__note__get" in names
    assert "toy__order__create" not in names
    arguments = ORDER if tool != "call_action" else {"action": "toy.order.create", "input": ORDER}
    meta = {"gatehouse/idempotency_key": "k"} | ({"progressToken": "t"} if streamed else {})
    reply = await speaker.ask("tools/call", {"name": tool, "arguments": arguments, "_meta": meta})
    assert reply.status == 403
    problem = reply.body["error"]["data"]
    assert (problem["code"], problem["needed_scopes"]) == ("scope_denied", ["toy:order:write"])
    assert reply.headers["WWW-Authenticate"] == (
        'Bearer realm="gatehouse", error="insufficient_scope", scope="toy:note:read toy:order:write",'
        f' resource_metadata="{house.world.gateway.url}{WELL_KNOWN}{PATH}"'
    )
    assert house.world.reached() == []
    wider = speaking(house, toy, revision=revision, scope="toy:note:read toy:order:write")
    if revision != MODERN:
        await wider.begin()
    assert (await wider.result(tool, arguments, meta=KEY))["isError"] is False


async def test_what_no_grant_gives_is_no_matter_of_scopes(house: House) -> None:
    agent = await house.world.caller("reader", scopes=("toy:note:read",))
    await house.register(agent_claim="azp", scope_claim="scope")
    reply = await speaking(house, agent, scope="toy:*:*").call("toy__order__create", ORDER, meta=KEY)
    assert (reply.status, reply.body["result"]["isError"]) == (200, True)
    assert "WWW-Authenticate" not in reply.headers


async def test_the_actor_of_a_token_opens_a_personal_connection(house: House) -> None:
    agent = await house.world.agent("bot")
    await house.world.grant(agent, await house.world.connection("toy/ann", owner_actor="ann"))
    await house.register(agent_claim="azp", actor_claim="sub")
    made = await speaking(house, agent, sub="ann").result("toy__order__create", ORDER, meta=KEY)
    assert made["isError"] is False
    assert await speaking(house, agent, sub="bob").tools() == []
    told = await speaking(house, agent, sub="bob").result("toy__order__create", ORDER, meta={"idempotency_key": "l"})
    assert told["isError"] is True
    other = await speaking(house, agent, sub="ann").result(
        "toy__order__create", ORDER, meta={"idempotency_key": "m", "actor": "bob"}
    )
    assert '"policy_denied"' in other["content"][0]["text"]
    assert house.world.applied() == ["POST /orders"]


@pytest.mark.parametrize("end", ["deleted", "expired"])
async def test_a_subscription_ends_with_its_issuer_and_with_its_token(house: House, toy: Caller, end: str) -> None:
    id = await house.register()
    speaker = replace(speaking(house, toy))
    async with listening(speaker, toolsListChanged=True) as heard:
        await heard.next()
        if end == "deleted":
            await house.delete(id)
        else:
            house.world.clock.forward(seconds=400)
            await house.world.change(lambda rows: None)
        assert [message.get("id") for message in await heard.rest()][-1] == "s1"


async def test_a_narrow_token_hears_of_its_own_tools_alone(house: House, toy: Caller) -> None:
    link = await house.world.connection("github/bot")
    await house.register(agent_claim="azp", scope_claim="scope")
    narrow = speaking(house, toy, scope="toy:note:read")
    async with listening(narrow, toolsListChanged=True) as heard:
        await heard.next()
        await house.world.grant(toy, link, "github:issue:read")
        more = await house.world.connection("toy/more")
        await house.world.grant(toy, more, "toy:note:read")
        assert (await heard.next())["method"] == "notifications/tools/list_changed"
        await house.world.gateway.stop()
        assert [message.get("id") for message in await heard.rest()] == ["s1"]
    await house.world.start()
