"""What a request carries with it, in every revision, and what is no request at all."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from tests.gateway.caller import Caller
from tests.gateway.speaker import MODERN, Speaker
from tests.gateway.world import World

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
INFO = "io.modelcontextprotocol/clientInfo"
EARLIER = ("2025-11-25", "2025-06-18", "2025-03-26")
ORDER = {"name": "toy__order__create", "arguments": {"item": "a", "_gatehouse": {"idempotency_key": "k"}}}


@pytest.fixture
async def toy(world: World) -> Caller:
    return await world.caller()


@pytest.mark.parametrize(
    "headers",
    [
        {"MCP-Protocol-Version": None},
        {"MCP-Protocol-Version": "2025-11-25"},
        {"Mcp-Method": None},
        {"Mcp-Method": "tools/list"},
        {"Mcp-Name": None},
        {"Mcp-Name": "toy__note__get"},
        {"Mcp-Name": "=?base64?not base64?="},
        {"Mcp-Name": "=?base64?" + base64.b64encode(b"\xff").decode() + "?="},
    ],
)
async def test_headers_that_say_another_thing_than_the_body_are_refused(
    world: World, toy: Caller, headers: dict[str, str | None]
) -> None:
    reply = await Speaker(toy).ask("tools/call", ORDER, headers=headers)
    assert (reply.status, reply.body["error"]["code"], reply.body["id"]) == (400, -32020, 7)
    assert world.reached() == []


async def test_a_header_given_twice_is_refused(world: World, toy: Caller) -> None:
    speaker = Speaker(toy)
    message = speaker.message("tools/call", ORDER)
    given = [(name, value) for name, value in speaker.headers(message).items() if value]
    given += [("Mcp-Name", ORDER["name"]), ("Authorization", f"Bearer {toy.key}"), ("Content-Type", "application/json")]
    async with toy.session.post(world.gateway.url + "/mcp", data=orjson.dumps(message), headers=given) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, -32020)
    assert world.reached() == []


async def test_an_encoded_name_counts_as_what_it_encodes(world: World, toy: Caller) -> None:
    encoded = "=?base64?" + base64.b64encode(ORDER["name"].encode()).decode() + "?="  # type: ignore[attr-defined]
    reply = await Speaker(toy).ask("tools/call", ORDER, headers={"Mcp-Name": encoded})
    assert reply.body["result"]["isError"] is False
    assert world.applied() == ["POST /orders"]


@pytest.mark.parametrize(
    "meta",
    [
        None,
        [],
        {},
        {VERSION: MODERN},
        {CAPABILITIES: {}},
        {VERSION: MODERN, CAPABILITIES: []},
        {VERSION: MODERN, CAPABILITIES: None},
        {VERSION: MODERN, CAPABILITIES: {}, INFO: "me"},
        {VERSION: MODERN, CAPABILITIES: {}, INFO: {}},
        {VERSION: MODERN, CAPABILITIES: {"elicitation": 5}},
        {VERSION: MODERN, CAPABILITIES: {}, "progressToken": {}},
    ],
)
async def test_a_request_must_say_who_speaks(world: World, toy: Caller, meta: Any) -> None:
    speaker = Speaker(toy)
    message = speaker.message("tools/call", ORDER)
    message["params"]["_meta"] = meta
    reply = await speaker.post(orjson.dumps(message), speaker.headers(message))
    assert (reply.status, reply.body["error"]["code"], reply.body["id"]) == (400, -32602, 7)
    assert world.reached() == []


async def test_a_client_need_not_say_what_it_is_called(toy: Caller) -> None:
    speaker = Speaker(toy)
    message = speaker.message("tools/list")
    del message["params"]["_meta"][INFO]
    assert (await speaker.post(orjson.dumps(message), speaker.headers(message))).status == 200


@pytest.mark.parametrize("version", ["1999-01-01", "2024-11-05", "", "x" * 500])
async def test_a_revision_that_is_not_spoken_is_answered_by_those_that_are(toy: Caller, version: str) -> None:
    speaker = Speaker(toy)
    message = speaker.message("tools/list")
    message["params"]["_meta"][VERSION] = version
    headers = speaker.headers(message) | {"MCP-Protocol-Version": version}
    reply = await speaker.post(orjson.dumps(message), headers)
    assert (reply.status, reply.body["error"]["code"]) == (400, -32022)
    assert reply.body["error"]["data"]["supported"] == [MODERN, *EARLIER]
    assert reply.body["error"]["data"]["requested"] == version[:40]


@pytest.mark.parametrize(
    "method", ["initialize", "ping", "logging/setLevel", "resources/list", "prompts/list", "no/such", "", "\x00"]
)
async def test_a_method_that_there_is_not_is_answered_404(toy: Caller, method: str) -> None:
    headers = {"Mcp-Method": method} if method.isprintable() else {"Mcp-Method": "x"}
    reply = await Speaker(toy).ask(method, headers=headers)
    if method == "\x00":
        assert (reply.status, reply.body["error"]["code"]) == (400, -32020)
    else:
        assert (reply.status, reply.body["error"]["code"], reply.body["id"]) == (404, -32601, 7)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", -32700),
        (b"not json", -32700),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}', -32700),
        (b'{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/list"}', -32700),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"tools/list"}', -32700),
        (b"[" * 100_000, -32700),
        (b'{"a":' * 65 + b"1" + b"}" * 65, -32700),
        (b'"\xff"', -32700),
        (b"null", -32600),
        (b"5", -32600),
        (b"[]", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"tools/list"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"tools/list"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}', -32600),
    ],
)
async def test_what_is_no_message_is_refused(world: World, toy: Caller, raw: bytes, code: int) -> None:
    reply = await Speaker(toy).post(raw, {"MCP-Protocol-Version": MODERN})
    assert (reply.status, reply.body["error"]["code"]) == (400, code)
    assert world.reached() == []


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"name": 5},
        {"name": None},
        {"name": "toy__order__create", "arguments": []},
        {"name": "toy__order__create", "arguments": "x"},
        {"name": "toy__order__create", "arguments": {}, "requestState": 5},
        {"name": "toy__order__create", "arguments": {}, "inputResponses": []},
        {"name": "toy__order__create", "arguments": {}, "inputResponses": {"approval": {"action": "explode"}}},
    ],
)
async def test_parameters_that_do_not_fit_are_refused(world: World, toy: Caller, params: dict[str, Any]) -> None:
    name = params.get("name")
    headers = {"Mcp-Name": name} if isinstance(name, str) else {}
    reply = await Speaker(toy).ask("tools/call", params, headers=headers)
    assert reply.status == 400
    assert reply.body["error"]["code"] in {-32602, -32020}
    assert world.reached() == []


async def test_a_notification_and_an_answer_are_taken_and_not_answered(world: World, toy: Caller) -> None:
    for said in (
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}},
    ):
        for revision in (MODERN, "2025-11-25"):
            reply = await Speaker(toy).post(orjson.dumps(said), {"MCP-Protocol-Version": revision})
            assert (reply.status, reply.raw) == (202, b"")
    assert world.reached() == []


@pytest.mark.parametrize("declared", [True, False])
async def test_a_hundred_megabytes_are_not_read(world: World, toy: Caller, declared: bool) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b" " * 1024 * 1024

    headers = {"Authorization": f"Bearer {toy.key}", "Content-Type": "application/json"}
    if declared:
        headers["Content-Length"] = str(100 * 1024 * 1024)
    try:
        async with toy.session.post(world.gateway.url + "/mcp", data=endless(), headers=headers) as answer:
            assert answer.status == 413
            assert (await answer.json())["error"]["data"]["code"] == "payload_too_large"
    except OSError:
        pass  # it was hung up on while it sent
    assert sent < 50


async def test_a_body_of_another_kind_is_refused(toy: Caller) -> None:
    reply = await Speaker(toy).post(b"{}", {"Content-Type": "text/plain"})
    assert (reply.status, reply.body["error"]["data"]["code"]) == (415, "unsupported_media_type")


async def test_who_shows_no_good_key_is_told_so_before_anything_is_read(world: World, toy: Caller) -> None:
    for bearer in (None, "ghk_" + "0" * 26 + "_" + "x" * 43, toy.key[:-1] + "!"):
        reply = await toy.ask("POST", "/mcp", raw=b"not json", bearer=bearer)
        assert (reply.status, reply.body["error"]["data"]["code"]) == (401, "unauthenticated")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_path_names_the_key_s_own_tenant_and_environment(world: World, toy: Caller) -> None:
    assert (await Speaker(toy, path="/mcp/acme/prod").ask("tools/list")).status == 200
    for path in ("/mcp/acme/dev", "/mcp/rival/prod", "/mcp/acme/prod?tool=direct", "/mcp?tools=all"):
        assert (await Speaker(toy, path=path).ask("tools/list")).status in {404, 422, 400}


async def test_other_http_methods_are_not_spoken(toy: Caller) -> None:
    for method in ("GET", "DELETE", "PUT"):
        reply = await toy.ask(method, "/mcp")
        assert (reply.status, reply.headers["Allow"]) == (405, "OPTIONS, POST")


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({}, True),
        ({"Origin": "http://localhost:6274"}, True),
        ({"Origin": "http://127.0.0.1"}, True),
        ({"Origin": "https://app.example"}, True),
        ({"Origin": "https://gate.example"}, True),
        ({"Origin": "http://app.example"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "https://app.example.evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://[broken"}, False),
        ({"Host": "evil.example"}, False),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, False),
        ({"Host": "evil.example", "Origin": "http://localhost"}, False),
        ({"Host": "gate.example"}, True),
        ({"Host": "localhost:1234"}, True),
    ],
)
async def test_pages_of_foreign_sites_and_foreign_names_are_kept_out(
    make_world: Callable[..., Awaitable[World]], headers: dict[str, str], taken: bool
) -> None:
    world = await make_world(mcp_origins=["https://app.example"], public_url="https://gate.example")
    agent = await world.caller()
    reply = await Speaker(agent).ask("tools/call", ORDER, headers=headers)
    assert reply.status == (200 if taken else 403), reply.body
    assert world.applied() == (["POST /orders"] if taken else [])


async def test_a_page_of_an_allowed_origin_may_ask_and_read(make_world: Callable[..., Awaitable[World]]) -> None:
    world = await make_world(mcp_origins=["https://app.example"])
    agent = await world.caller()
    page = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    asked = await agent.ask("OPTIONS", "/mcp", headers=page, bearer=None)
    assert asked.status == 204
    assert "MCP-Protocol-Version" in asked.headers["Access-Control-Allow-Headers"]
    for reply in (
        asked,
        await Speaker(agent).ask("tools/list", headers=page),
        await agent.ask("POST", "/mcp", raw=b"{}", headers=page, bearer="no key"),
    ):
        assert reply.headers["Access-Control-Allow-Origin"] == "https://app.example"
    foreign = await agent.ask("OPTIONS", "/mcp", headers=page | {"Origin": "https://evil.example"}, bearer=None)
    assert foreign.status == 403
    assert "Access-Control-Allow-Origin" not in foreign.headers
    elsewhere = await agent.ask("GET", "/v1/actions", headers=page)
    assert "Access-Control-Allow-Origin" not in elsewhere.headers
