"""What callers may send that nobody should: always a typed refusal, in bounded time, and nothing leaves."""

import asyncio
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import orjson
import pytest
from yarl import URL

from connectors.github import github
from connectors.github.simulator import GitHubSimulator
from tests.gateway.caller import Caller, Reply
from tests.gateway.world import World

NOTE = b'{"box":"red","text":%s}'
DEEP = b"[" * 65 + b"]" * 65


async def post(bot: Caller, raw: bytes, kind: str = "application/json") -> Reply:
    headers = {"Content-Type": kind, "Idempotency-Key": "k1", "Authorization": f"Bearer {bot.key}"}
    url = f"{bot.world.gateway.url}/v1/actions/toy.note.create"
    async with bot.session.post(url, data=BytesIO(raw), headers=headers) as answer:
        content = await answer.read()
        return Reply(answer.status, answer.headers.copy(), content, orjson.loads(content))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"   ",
        b"{",
        b"null",
        b'"text"',
        b"[1]",
        b"7",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{'box':'red'}",
        b'{"box":"red",}',
        b'{"box":"red"} {}',
        b'{"box":"red"}\x00',
        b'{"box":"\x01"}',
        NOTE % b'"\\ud800"',
        NOTE % b'"\\udc00\\ud800"',
        NOTE % b'"\xed\xa0\x80"',
        NOTE % b'"\xc0\xaf"',
        b'{"box":"red","box":"blue"}',
        b'{"box":"red","\\u0062ox":"blue"}',
        b'{"box":"red","owner":{"a":1,"a":2}}',
        b'{"box":"red","owner":{"n":NaN}}',
        b'{"box":"red","owner":{"n":Infinity}}',
        b'{"box":"red","owner":{"n":-Infinity}}',
        b'{"box":"red","owner":{"n":9007199254740992}}',
        b'{"box":"red","owner":{"n":-9007199254740992}}',
        b'{"box":"red","owner":{"n":[1,{"m":123456789012345678901234567890}]}}',
        b'{"box":"red","owner":{"n":1e400}}',
        b'{"box":"red","owner":{"n":' + b"9" * 5000 + b"}}",
        b'{"box":"red","owner":{"n":01}}',
        b'{"box":"red","owner":{"n":+1}}',
        b'{"box":"red","owner":{"a":' + DEEP + b"}}",
        b'{"box":"red","owner":' + b'{"a":' * 64 + b"1" + b"}" * 65,
        b"[" * 1_000_000,
        b'{"box":' * 140_000,
    ],
    ids=lambda raw: repr(raw[:40]),
)
async def test_a_body_that_readers_would_read_differently_is_malformed(world: World, bot: Caller, raw: bytes) -> None:
    started = time.monotonic()
    reply = await post(bot, raw)
    assert (reply.status, reply.code) == (400, "malformed_request"), reply.body
    assert time.monotonic() - started < 3
    assert world.reached() == []
    assert await world.rows("SELECT 1 FROM claims") == []


@pytest.mark.parametrize(
    "raw",
    [
        NOTE % b'"\\ud83d\\ude00"',
        NOTE % '"😀"'.encode(),
        NOTE % b'"a:b\\"c\\\\d"',
        b'{"box":"red","owner":{"n":9007199254740991,"m":-9007199254740991,"f":0.1}}',
        b'{"box":"red","owner":{"a":' + b"[" * 62 + b"]" * 62 + b"}}",
        b'{"box":"red","text":"' + b"[{" * 500 + b'"}',
    ],
    ids=lambda raw: repr(raw[:40]),
)
async def test_a_body_that_is_only_unusual_is_taken(bot: Caller, raw: bytes) -> None:
    reply = await post(bot, raw)
    assert reply.status == 200, reply.body


async def test_a_body_over_a_mebibyte_is_too_large_declared_or_not(world: World, bot: Caller) -> None:
    large = NOTE % (b'"' + b"x" * (1024 * 1024) + b'"')
    reply = await post(bot, large)
    assert (reply.status, reply.code) == (413, "payload_too_large")

    async def parts() -> Any:
        for _ in range(20):
            yield b"x" * 100_000

    headers = {"Authorization": f"Bearer {bot.key}", "Content-Type": "application/json"}
    url = f"{world.gateway.url}/v1/actions/toy.note.create"
    async with world.session.post(url, data=parts(), headers=headers) as answer:
        assert answer.status == 413
    just = NOTE % (b'"' + b"x" * (1024 * 1024 - 100) + b'"')
    assert (await post(bot, just)).status == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data", "application/x-www-form-urlencoded"]
)
async def test_another_media_type_is_refused(bot: Caller, kind: str) -> None:
    reply = await post(bot, b'{"box":"red"}', kind)
    assert (reply.status, reply.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/octet-stream", "APPLICATION/JSON"])
async def test_json_by_another_name_is_read(bot: Caller, kind: str) -> None:
    assert (await post(bot, b'{"box":"red"}', kind)).status == 200


async def raw_exchange(world: World, head: bytes, body: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.gateway.url.rpartition(":")[2]))
    writer.write(head + body)
    try:
        async with asyncio.timeout(5):
            return await reader.read(65536)
    except TimeoutError:
        return b"TIMEOUT"
    finally:
        writer.close()


@pytest.mark.parametrize(
    "line",
    [
        b"Gatehouse-Reason: a\rb",
        b"Gatehouse-Reason: a\nX-Injected: b",
        b"Gatehouse-Reason: a\x00b",
        b"Gatehouse-Actor : ann",
        b" Gatehouse-Actor: ann",
        b"Idempotency-Key: a\r\nIdempotency-Key: b",
        b"Gatehouse-Run: a\r\nGatehouse-Run: b",
        b"Authorization: Bearer x\r\nAuthorization: Bearer y",
        b"Transfer-Encoding: chunked",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Expect: magic",
        b"Gatehouse-Reason: " + b"x" * 20_000,
    ],
    ids=lambda line: repr(line[:36]),
)
async def test_injected_and_doubled_headers_reach_nothing(world: World, bot: Caller, line: bytes) -> None:
    body = b'{"box":"red"}'
    doubled = b"" if b"Authorization" in line else b"Authorization: Bearer " + bot.key.encode() + b"\r\n"
    head = (
        b"POST /v1/actions/toy.note.create HTTP/1.1\r\nHost: x\r\n"
        + doubled
        + b"Content-Type: application/json\r\nContent-Length: 13\r\n"
        + (b"" if b"Idempotency" in line else b"Idempotency-Key: k1\r\n")
        + line
        + b"\r\n\r\n"
    )
    answer = await raw_exchange(world, head, body)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:200]
    assert b"application/problem+json" in answer or line.startswith(b"Expect")  # aiohttp answers 417 before any route
    assert b"Gatehouse-Trace" in answer
    assert b"Injected" not in answer
    assert world.reached() == []
    assert bot.key.encode() not in answer


async def test_what_is_no_http_is_neither_quoted_nor_logged(
    world: World, bot: Caller, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (b"\n", b"\x00", b"\r"):
        head = b"GET /v1/actions HTTP/1.1\r\nAuthorization: Bearer " + bot.key.encode() + wrong + b"x\r\n\r\n"
        answer = await raw_exchange(world, head)
        assert b"malformed_request" in answer
        assert bot.key.encode() not in answer
    assert b"malformed_request" in await raw_exchange(world, b"hello " + bot.key.encode() + b"\r\n\r\n")
    logged = caplog.text + "".join(capsys.readouterr())
    assert bot.key not in logged


@pytest.mark.parametrize(
    "path",
    [
        "/v1/actions/%ED%A0%80",
        "/v1/actions/%ff",
        "/v1/actions/%00",
        "/v1/actions/..%2f..%2fadmin",
        "/v1/actions/a%2Fb",
        "/v1/actions/" + "x" * 4000,
        "/v1/calls/%ED%A0%80",
        "/v1/calls/%00",
        "/v1/runs/%ED%A0%80",
        "/v1/runs/" + "9" * 3000,
        "/v1/files/%ff%00",
        "/v1/calls/call_x/output?pointer=%ED%A0%80",
        "/v1/actions?q=%ED%A0%80",
        "/v1/actions?connection=%ff",
        "/v1/actions?cursor=%ED%A0%80",
        "/v1/actions?%ED%A0%80=1",
        "/v1/actions?limit=%D9%A3",
    ],
)
async def test_strange_paths_and_parameters_are_typed_refusals(bot: Caller, path: str) -> None:
    for method in ("GET", "POST"):
        headers = {"Authorization": f"Bearer {bot.key}", "Content-Type": "application/json"}
        url = URL(bot.world.gateway.url + path, encoded=True)
        data = b"{}" if method == "POST" else None
        async with bot.session.request(method, url, headers=headers, data=data) as answer:
            body = await answer.json(content_type=None)
            assert answer.status in {200, 400, 404, 405, 422}, (answer.status, body)
            if answer.status >= 400:
                assert answer.content_type == "application/problem+json"
                assert body["code"] != "internal"


BAD_SEGMENTS = (
    "",
    ".",
    "..",
    "../x",
    "a/../b",
    "%2e%2e",
    "%252e%252e",
    "..%2f",
    "a%2fb",
    "a%2Fb",
    "a%252fb",
    "a\nb",
    "a\x00b",
    "a%00b",
    "a%0d%0ab",
    "\u2028",
    "a/./b",
    "a//b",
)


def path_fields() -> list[tuple[str, str]]:
    """Return every text field of a GitHub action that is sent in a path."""
    given = []
    for name, action in sorted(github.actions.items()):
        for field, info in action.input.model_fields.items():
            if field in _IN_PATHS and "str" in str(info.annotation):
                given.append((name, field))
    return given


_IN_PATHS = ("owner", "repo", "org", "branch", "ref", "path", "label", "name", "workflow", "thread", "sha")


@pytest.fixture
async def github_bot(world: World) -> Caller:
    agent = await world.agent()
    await world.grant(agent, await world.connection("github/main"))
    return agent


@pytest.mark.parametrize(("action", "field"), path_fields(), ids=lambda part: str(part))
async def test_no_path_value_of_any_github_action_leaves_its_place(
    world: World,
    github_bot: Caller,
    arrange: Callable[[GitHubSimulator], dict[str, dict[str, Any]]],
    action: str,
    field: str,
) -> None:
    good = arrange(world.github)[action]
    for number, value in enumerate(BAD_SEGMENTS):
        world.github.received.clear()
        reply = await github_bot.run(action, good | {field: value}, key=f"k{number}")
        sent = [received.path for received in world.github.received]
        for path in sent:
            plain = path.partition("?")[0]
            assert ".." not in plain.lower().replace("%2e", "."), (value, path)
            assert "%25" not in plain or "%" in value, (value, path)
            assert "//" not in plain, (value, path)
            assert not any(bad in plain.lower() for bad in ("%0a", "%0d", "%00", "%2f%2e")), (value, path)
        if value in {"", ".", "..", "%2e%2e", "%252e%252e"} and field in {"owner", "repo", "org"}:
            assert reply.code == "invalid_input"
            assert sent == []
        assert reply.code != "internal"


async def test_a_value_stays_in_its_segment(world: World, github_bot: Caller) -> None:
    where = {"owner": "acme", "repo": "web"}
    for value in ("a b", "a?b=c", "a#b", "a%b", "a&b", "a;b", "ä", "a+b", "a:b@c"):
        world.github.received.clear()
        wanted = where | {"number": 1, "label": value}
        reply = await github_bot.run("github.issue.remove_label", wanted, key=str(ord(value[1:2] or value)))
        assert reply.status in {200, 404, 422}
        for received in world.github.received:
            assert received.path.startswith("/repos/acme/web/issues/1")
            assert "?" not in received.path.replace("?per_page", "")
            assert "#" not in received.path


@pytest.mark.parametrize("value", ["..", ".", "%2e%2e", "a\x00", "%2fetc"])
async def test_a_bad_path_value_is_named_by_its_pointer(world: World, github_bot: Caller, value: str) -> None:
    given = {"owner": "acme", "repo": "web", "path": value}
    reply = await github_bot.run("github.content.get", given)
    assert (reply.status, reply.code, reply.pointers) == (422, "invalid_input", ["/path"])
    assert world.reached("github") == []


async def test_what_is_refused_is_not_echoed_at_length(bot: Caller) -> None:
    for reply in (
        await bot.run("x" * 5000, {}),
        await bot.run("toy.note.create", {"box": "red", "y" * 5000: 1}, key="k"),
        await bot.get("/v1/calls/" + "z" * 5000),
        await bot.run("toy.note.get", {"box": "red", "id": 1}, headers={"Gatehouse-Connection": "c" * 128}),
    ):
        assert len(reply.raw) < 2000, reply.body
