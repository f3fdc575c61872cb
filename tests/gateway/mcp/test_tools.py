"""The tools that a client is shown, and what calling them answers."""

import base64
from typing import Any

import orjson
import pytest
from pydantic import RootModel

from connectors.sdk import Effect, Unbound, Upstream
from connectors.sdk.simulator import Answer
from tests.gateway.caller import Caller
from tests.gateway.speaker import MODERN, Speaker
from tests.gateway.toy import Named
from tests.gateway.world import World

ORDER = {"item": "a"}
REVISIONS = (MODERN, "2025-11-25", "2025-06-18", "2025-03-26")


async def speaker_of(caller: Caller, revision: str = MODERN, **capabilities: Any) -> Speaker:
    speaker = Speaker(caller, revision, capabilities)
    if revision != MODERN:
        await speaker.begin()
    return speaker


@pytest.fixture
async def toy(world: World) -> Caller:
    return await world.caller()


async def test_the_gateway_says_what_it_speaks(toy: Caller) -> None:
    reply = await Speaker(toy).ask("server/discover")
    result = reply.body["result"]
    assert result["supportedVersions"] == list(REVISIONS)
    assert result["capabilities"]["tools"] == {"listChanged": True}
    assert (result["cacheScope"], result["resultType"]) == ("private", "complete")
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "gatehouse"


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_direct_tool_is_an_action_with_its_own_schemas_and_hints(world: World, revision: str) -> None:
    agent = await world.caller(scopes=("toy:order:write", "toy:note:read"))
    speaker = await speaker_of(agent, revision)
    tools = await speaker.tools()
    assert [tool["name"] for tool in tools[:-1]] == sorted(tool["name"] for tool in tools[:-1])
    assert tools[-1]["name"] == "get_call"
    by_name = {tool["name"]: tool for tool in tools}
    action = world.registry.action("toy.order.create")
    assert action is not None
    create, get = by_name["toy__order__create"], by_name["toy__note__get"]
    assert create["outputSchema"] == action[1].output_schema
    assert create["title"] == action[1].title
    assert create["annotations"]["readOnlyHint"] is False
    assert set(create["inputSchema"]["properties"]) == {"item", "_gatehouse"}
    assert create["inputSchema"]["required"] == ["item", "_gatehouse"]
    assert create["inputSchema"]["properties"]["_gatehouse"]["required"] == ["idempotency_key"]
    read = world.registry.action("toy.note.get")
    assert read is not None
    assert get["inputSchema"] == read[1].input_schema
    assert get["annotations"]["readOnlyHint"] is True


async def test_a_list_is_private_short_lived_and_the_same_each_time(world: World, toy: Caller) -> None:
    speaker = Speaker(toy, path="/mcp?tools=direct")
    first, again = await speaker.ask("tools/list"), await speaker.ask("tools/list")
    assert first.raw == again.raw
    result = first.body["result"]
    assert (result["cacheScope"], result["ttlMs"], result["resultType"]) == ("private", 60_000, "complete")


async def test_a_list_is_not_kept_longer_than_a_grant_lives(world: World) -> None:
    from datetime import timedelta

    agent = await world.caller(expires_at=world.clock.now() + timedelta(seconds=10))
    speaker = Speaker(agent, path="/mcp?tools=direct")
    assert 0 < (await speaker.ask("tools/list")).body["result"]["ttlMs"] <= 10_000
    world.clock.forward(seconds=11)
    assert await speaker.tools() == []


async def test_a_key_without_grants_gets_an_empty_list(world: World) -> None:
    agent = await world.agent()
    for path in ("/mcp", "/mcp?tools=direct", "/mcp?tools=discover"):
        assert await Speaker(agent, path=path).tools() == []


async def test_many_actions_are_found_and_called_by_four_tools(world: World, bot: Caller) -> None:
    assert [tool["name"] for tool in await Speaker(bot).tools()] == [
        "call_action",
        "describe_action",
        "get_call",
        "search_actions",
    ]
    assert "toy__order__create" in {tool["name"] for tool in await Speaker(bot, path="/mcp?tools=direct").tools()}


async def test_a_tool_of_an_agent_with_several_connections_asks_which_one_is_meant(world: World, toy: Caller) -> None:
    await world.grant(toy, await world.connection("toy/second"))
    tools = {tool["name"]: tool for tool in await Speaker(toy, path="/mcp?tools=direct").tools()}
    for name in ("toy__note__get", "toy__order__create"):
        options = tools[name]["inputSchema"]["properties"]["_gatehouse"]
        assert options["properties"]["connection"]["enum"] == ["toy/bot", "toy/second"]
        assert "connection" in options["required"]
    speaker = Speaker(toy)
    refused = await speaker.result("toy__order__create", ORDER, meta={"idempotency_key": "k"})
    assert refused["_meta"]["gatehouse/problem"]["code"] == "connection_ambiguous"
    assert world.reached() == []
    said = {"idempotency_key": "k", "connection": "toy/second"}
    result = await speaker.result("toy__order__create", ORDER | {"_gatehouse": said})
    assert result["_meta"]["gatehouse/call"]["connection"] == "toy/second"


async def test_a_grant_that_derives_keys_asks_for_none(world: World) -> None:
    agent = await world.caller(idempotency="derive")
    tools = {tool["name"]: tool for tool in await Speaker(agent, path="/mcp?tools=direct").tools()}
    assert "required" not in tools["toy__order__create"]["inputSchema"]["properties"]["_gatehouse"]
    result = await Speaker(agent).result("toy__order__create", ORDER, meta={"run": await agent.open_run()})
    assert result["isError"] is False


@pytest.mark.parametrize("autonomy", ["approve", "shadow"])
async def test_a_tool_whose_calls_may_not_run_at_once_promises_no_output(world: World, autonomy: str) -> None:
    agent = await world.caller(autonomy=autonomy)
    tools = {tool["name"]: tool for tool in await Speaker(agent, path="/mcp?tools=direct").tools()}
    assert "outputSchema" not in tools["toy__order__create"]
    assert ("outputSchema" in tools["toy__note__get"]) is (autonomy == "approve")
    result = await Speaker(agent, path="/mcp?tools=direct").result(
        "toy__order__create", ORDER, meta={"idempotency_key": "k"}
    )
    assert result["isError"] is False
    assert result["structuredContent"]["status"] == {"approve": "pending_approval", "shadow": "shadowed"}[autonomy]
    assert world.reached() == []


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_direct_tool_answers_the_output_and_what_is_known_of_the_call(world: World, revision: str) -> None:
    agent = await world.caller()
    speaker = await speaker_of(agent, revision)
    speaker.path = "/mcp?tools=direct"
    result = await speaker.result("toy__order__create", ORDER, meta={"idempotency_key": "k"})
    assert result["isError"] is False
    assert result["structuredContent"] == orjson.loads(result["content"][0]["text"])
    assert result["structuredContent"]["item"] == "a"
    known = result["_meta"]["gatehouse/call"]
    assert known["status"] == "succeeded"
    assert (await agent.look(known["id"])).output == result["structuredContent"]
    assert ("resultType" in result) is (revision == MODERN)
    again = await speaker.result("toy__order__create", ORDER, meta={"idempotency_key": "k"})
    assert again["_meta"]["gatehouse/call"]["replayed"] is True
    assert world.applied() == ["POST /orders"]


async def test_a_refused_call_is_a_result_with_the_problem_and_on_record(world: World) -> None:
    agent = await world.caller(scopes=("toy:note:read",))
    result = await Speaker(agent).result("toy__order__create", ORDER, meta={"idempotency_key": "k"})
    assert result["isError"] is True
    assert "structuredContent" not in result
    problem = orjson.loads(result["content"][0]["text"])
    assert problem["code"] == "scope_denied"
    assert result["_meta"]["gatehouse/problem"] == problem
    assert (await agent.look(problem["call"])).body["status"] == "denied"
    assert world.reached() == []


async def test_a_write_without_a_key_is_told_how_to_send_one(world: World, toy: Caller) -> None:
    result = await Speaker(toy).result("toy__order__create", ORDER)
    problem = result["_meta"]["gatehouse/problem"]
    assert problem["code"] == "malformed_request"
    assert "_gatehouse.idempotency_key" in problem["hint"]
    assert world.reached() == []


async def test_a_tool_that_there_is_not_is_an_error_of_the_protocol_and_on_record(world: World, toy: Caller) -> None:
    reply = await Speaker(toy).call("toy__order__creat", ORDER)
    assert (reply.status, reply.body["error"]["code"]) == (400, -32602)
    problem = reply.body["error"]["data"]
    assert "toy.order.create" in problem["hint"]
    assert (await toy.look(problem["call"])).body["status"] == "failed"


async def test_a_long_name_is_cut_and_told_apart_by_its_hash(world: World, toy: Caller) -> None:
    from gateway.catalogue import tool_name

    long = "toy.order." + "x" * 70
    assert len(tool_name(long)) == 64
    assert tool_name(long) != tool_name(long + "y")


async def test_an_agent_finds_reads_and_calls_an_action(world: World, bot: Caller) -> None:
    speaker = Speaker(bot)
    found = (await speaker.result("search_actions", {"query": "create an order", "connector": "toy"}))[
        "structuredContent"
    ]
    assert "toy.order.create" in [item["name"] for item in found["items"]]
    described = (await speaker.result("describe_action", {"action": "toy.order.create"}))["structuredContent"]
    action = world.registry.action("toy.order.create")
    assert action is not None
    assert described["input_schema"] == action[1].input_schema
    called = await speaker.result(
        "call_action",
        {"action": "toy.order.create", "input": ORDER, "_gatehouse": {"idempotency_key": "k"}},
    )
    body = called["structuredContent"]
    assert (body["status"], body["output"]["item"]) == ("succeeded", "a")
    looked = (await speaker.result("get_call", {"call": body["id"]}))["structuredContent"]
    assert looked["output"] == body["output"]
    assert world.applied() == ["POST /orders"]


async def test_found_actions_come_in_pages_that_belong_to_the_query_and_the_agent(world: World, bot: Caller) -> None:
    speaker = Speaker(bot)
    names: list[str] = []
    cursor: str | None = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = (await speaker.result("search_actions", {"connector": "github", "limit": 20, **more}))[
            "structuredContent"
        ]
        names += [item["name"] for item in page["items"]]
        first = cursor or page["next_cursor"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == sorted(world.registry.connectors["github"].actions)
    other = await world.caller("other")
    for foreign in (
        await speaker.result("search_actions", {"connector": "toy", "cursor": first}),
        await Speaker(other).result("search_actions", {"connector": "github", "cursor": first}),
    ):
        assert foreign["_meta"]["gatehouse/problem"]["code"] == "invalid_cursor"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_actions", {"query": 1}),
        ("search_actions", {"query": "x" * 201}),
        ("search_actions", {"limit": 0}),
        ("search_actions", {"limit": True}),
        ("search_actions", {"effect": "explode"}),
        ("search_actions", {"nonsense": 1}),
        ("search_actions", {"cursor": "forged"}),
        ("describe_action", {}),
        ("describe_action", {"action": "toy.no.such"}),
        ("describe_action", {"action": "toy.order.create", "kind": "x" * 256}),
        ("get_call", {"call": "call_00000000000000000000000000"}),
        ("get_call", {"call": "x\0", "wait": 61}),
        ("call_action", {"action": "toy.order.create"}),
        ("call_action", {"action": "toy.order.create", "input": "text"}),
        ("call_action", {"action": 5, "input": {}}),
    ],
)
async def test_a_bad_argument_is_a_result_that_says_what_to_change(
    world: World, bot: Caller, tool: str, arguments: dict[str, Any]
) -> None:
    result = await Speaker(bot).result(tool, arguments)
    assert result["isError"] is True
    problem = orjson.loads(result["content"][0]["text"])
    assert problem["code"] in {"invalid_input", "invalid_cursor", "action_not_found", "call_not_found"}
    assert world.reached() == []


async def test_a_large_result_is_cut_between_items_and_read_on(world: World, toy: Caller) -> None:
    for n in range(30):
        await toy.run("toy.note.create", {"box": "red", "text": f"{n} " + "x" * 4000}, key=f"n{n}")
    speaker = Speaker(toy, path="/mcp?tools=direct")
    result = await speaker.result("toy__note__list", {"box": "red", "limit": 50})
    shown = result["structuredContent"]["items"]
    cut = result["_meta"]["gatehouse/call"]["truncated"]
    assert 0 < len(shown) == cut["returned"] < cut["total"]
    assert "get_call" in result["content"][1]["text"]
    call = result["_meta"]["gatehouse/call"]["id"]
    items: list[Any] = []
    cursor: str | None = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = (await speaker.result("get_call", {"call": call, "pointer": "/items", **more}))["structuredContent"]
        assert len(orjson.dumps(page)) < 70_000
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert items[: len(shown)] == shown
    assert len(items) == cut["total"]


async def test_the_same_said_twice_is_taken_and_two_things_are_refused(world: World, toy: Caller) -> None:
    speaker = Speaker(toy)
    both = ORDER | {"_gatehouse": {"idempotency_key": "k"}}
    assert (await speaker.result("toy__order__create", both, meta={"idempotency_key": "k"}))["isError"] is False
    refused = await speaker.result("toy__order__create", both, meta={"idempotency_key": "other"})
    assert refused["_meta"]["gatehouse/problem"]["code"] == "malformed_request"
    assert world.applied() == ["POST /orders"]


@pytest.mark.parametrize(
    "said",
    [
        {"idempotency_key": ""},
        {"idempotency_key": "two words"},
        {"idempotency_key": "x" * 256},
        {"idempotency_key": 5},
        {"idempotency_key": None},
        {"idempotency-key": "k"},
        {"idempotency_key": "k", "run": "x" * 65},
        {"idempotency_key": "k", "confidence": 1.5},
        {"idempotency_key": "k", "confidence": True},
        {"idempotency_key": "k", "connection": ["toy/bot"]},
        {"idempotency_key": "k", "actor": "naïve"},
        {"idempotency_key": "k", "wait": 61},
        {"idempotency_key": "k", "respond_async": 1},
        {"idempotency_key": "k", "timeout": 0},
    ],
)
async def test_what_is_said_badly_beside_the_input_is_refused(world: World, toy: Caller, said: dict[str, Any]) -> None:
    speaker = Speaker(toy)
    for result in (
        await speaker.result("toy__order__create", ORDER, meta=said),
        await speaker.result("toy__order__create", ORDER | {"_gatehouse": said}),
    ):
        assert result["_meta"]["gatehouse/problem"]["code"] == "malformed_request"
        assert result["_meta"]["gatehouse/problem"]["errors"]
    assert world.reached() == []


async def test_what_is_said_is_recorded(world: World, toy: Caller) -> None:
    said = {"idempotency_key": "k", "actor": "ann", "confidence": 0.5, "reason": "because"}
    result = await Speaker(toy).result("toy__order__create", ORDER, meta=said)
    call = result["_meta"]["gatehouse/call"]["id"] if "_meta" in result else result["structuredContent"]["id"]
    told = [data for type, data in await world.events(call=call) if type == "call_requested"]
    assert "ann" in str(told) and "because" in str(told)


async def test_a_freeze_refuses_lists_and_calls(world: World, toy: Caller) -> None:
    await world.freeze("agent", toy.id)
    speaker = Speaker(toy)
    listed = await speaker.ask("tools/list")
    assert (listed.status, listed.body["error"]["data"]["code"]) == (423, "frozen")
    for result in (
        await speaker.result("toy__order__create", ORDER, meta={"idempotency_key": "k"}),
        await speaker.result("search_actions"),
    ):
        assert result["_meta"]["gatehouse/problem"]["code"] == "frozen"
    assert world.reached() == []


@pytest.mark.parametrize(
    ("media_type", "content", "kind"),
    [("image/png", b"\x89PNG", "image"), ("audio/wav", b"RIFF", "audio"), ("text/plain", b"words", "resource")],
)
async def test_a_file_that_a_model_can_look_at_comes_as_content(
    world: World, toy: Caller, media_type: str, content: bytes, kind: str
) -> None:
    world.toy.special["/signed/x"] = Answer(200, content, {"content-type": media_type})
    speaker = Speaker(toy, path="/mcp?tools=direct")
    result = await speaker.result("toy__file__get", {"name": "x"})
    shown = result["content"][1]
    assert shown["type"] == kind
    held = shown["resource"]["text"].encode() if kind == "resource" else base64.b64decode(shown["data"])
    assert held == content
    again = await speaker.result("get_call", {"call": result["_meta"]["gatehouse/call"]["id"]})
    assert again["content"][1] == shown


@pytest.mark.parametrize(
    ("media_type", "content"),
    [("application/zip", b"PK"), ("image/svg+xml", b"<svg/>"), ("image/png", b"x" * (1024 * 1024 + 1))],
)
async def test_other_files_are_only_named(world: World, toy: Caller, media_type: str, content: bytes) -> None:
    world.toy.special["/signed/x"] = Answer(200, content, {"content-type": media_type})
    result = await Speaker(toy, path="/mcp?tools=direct").result("toy__file__get", {"name": "x"})
    assert len(result["content"]) == 1
    assert result["structuredContent"]["media_type"] == media_type


async def test_a_trace_that_the_client_names_goes_on_at_the_vendor(world: World, toy: Caller) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    params = {"name": "toy__note__get", "arguments": {"box": "red", "id": 1}}
    meta = {"_meta": {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}}
    await Speaker(toy).ask("tools/call", params | meta)
    assert world.toy.received[0].headers["traceparent"].split("-")[1] == trace


async def test_lists_are_kept_within_their_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.mcp.tools._KEPT_BYTES", 1)
    first, second = await world.caller("one"), await world.caller("two", scopes=("toy:note:read",))
    for _ in range(2):
        assert len(await Speaker(first, path="/mcp?tools=direct").tools()) > 10
        assert "toy__order__create" not in str(await Speaker(second, path="/mcp?tools=direct").tools())


class Numbers(RootModel[list[int]]):
    pass


async def test_an_output_that_is_no_object_comes_within_the_call(world: World) -> None:
    shop = world.registry.connectors["toy"]

    @shop.action(
        "odd.numbers", scopes={"toy:odd:read"}, effect=Effect.READ, resource=Unbound("odd"), vendor_scopes={"odd"}
    )
    async def numbers(api: Upstream, what: Named) -> Numbers:
        """Read numbers."""
        await api.get("/me")
        return Numbers([1, 2])

    agent = await world.caller(scopes=("toy:odd:read",))
    for revision in (MODERN, "2025-06-18"):
        speaker = await speaker_of(agent, revision)
        tools = {tool["name"]: tool for tool in await speaker.tools()}
        assert "outputSchema" not in tools["toy__odd__numbers"]
        result = await speaker.result("toy__odd__numbers", {"name": "x"})
        assert result["structuredContent"]["output"] == [1, 2]
