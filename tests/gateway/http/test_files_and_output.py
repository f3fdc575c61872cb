"""Files in and out, results too large to send at once, long-polls and cancelling."""

import asyncio
import time
from collections.abc import AsyncIterator
from hashlib import sha256

import orjson
import pytest

from gateway.files import CHUNK, MOST_BYTES
from tests.gateway.caller import Caller, Reply
from tests.gateway.world import World

PNG = {"Content-Type": "image/png"}
ASYNC = {"Prefer": "respond-async"}


async def upload(bot: Caller, content: bytes = b"\x00\x01bytes", kind: str = "image/png") -> Reply:
    return await bot.ask("POST", "/v1/files", raw=content, headers={"Content-Type": kind})


async def test_a_file_comes_back_as_it_went_in(bot: Caller) -> None:
    content = bytes(range(256)) * 4000
    made = await upload(bot, content)
    assert made.status == 201
    assert made.headers["Location"] == f"/v1/files/{made.body['id']}"
    assert made.body["file"] == made.body["id"]
    assert made.body["size"] == len(content)
    assert made.body["sha256"] == sha256(content).hexdigest()
    got = await bot.get(f"/v1/files/{made.body['id']}")
    assert got.raw == content
    assert got.headers["Content-Type"] == "image/png"
    assert got.headers["Content-Length"] == str(len(content))
    assert got.headers["Content-Disposition"] == "attachment"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Gatehouse-Trace"]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1])
async def test_files_of_every_length_survive_their_chunks(bot: Caller, size: int) -> None:
    content = b"x" * size
    made = await upload(bot, content)
    assert (await bot.get(f"/v1/files/{made.body['id']}")).raw == content


async def test_a_streamed_upload_is_never_held_whole(world: World, bot: Caller) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(24):
            yield b"p" * (1024 * 1024)

    headers = {"Authorization": f"Bearer {bot.key}", "Content-Type": "application/octet-stream"}
    async with world.session.post(f"{world.gateway.url}/v1/files", data=parts(), headers=headers) as answer:
        assert answer.status == 201
        made = await answer.json()
    assert made["size"] == 24 * 1024 * 1024
    largest = (await world.rows("SELECT MAX(LENGTH(content)), COUNT(*) FROM file_chunks"))[0]
    assert largest[0] < CHUNK + 100
    assert largest[1] == 24 * 4


async def test_a_file_over_the_bound_is_refused_declared_or_not(world: World, bot: Caller) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(26):
            yield b"p" * (1024 * 1024)

    headers = {"Authorization": f"Bearer {bot.key}"}
    async with world.session.post(f"{world.gateway.url}/v1/files", data=parts(), headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (413, "payload_too_large")
    declared = {**headers, "Content-Length": str(MOST_BYTES + 1), "Expect": "100-continue"}
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.gateway.url.rpartition(":")[2]))
    lines = "".join(f"{name}: {value}\r\n" for name, value in declared.items() if name != "Expect")
    writer.write(f"POST /v1/files HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    assert b"413" in await reader.readline()
    writer.close()
    assert await world.rows("SELECT 1 FROM files WHERE complete=1") == []


async def test_a_file_is_stored_encrypted_and_only_for_its_agent(world: World, bot: Caller) -> None:
    made = await upload(bot, b"known-content-5f2c" * 100)
    chunks = await world.rows("SELECT content FROM file_chunks")
    assert b"known-content" not in chunks[0][0]
    other = await world.caller("other")
    assert (await other.get(f"/v1/files/{made.body['id']}")).code == "not_found"


async def test_a_file_is_kept_for_24_hours_and_then_swept(world: World, bot: Caller) -> None:
    made = await upload(bot)
    world.clock.forward(hours=23, minutes=59)
    assert (await bot.get(f"/v1/files/{made.body['id']}")).status == 200
    world.clock.forward(minutes=2)
    assert (await bot.get(f"/v1/files/{made.body['id']}")).code == "not_found"
    assert (await bot.run("toy.file.put", {"file": {"file": made.body["id"]}}, key="k")).code == "not_found"
    assert await world.gateway.files.sweep() == 1
    assert await world.rows("SELECT 1 FROM file_chunks") == []


async def test_the_expiry_that_is_told_is_the_one_that_is_kept(world: World, bot: Caller) -> None:
    made = await upload(bot)
    assert (await world.rows("SELECT expires_at FROM files"))[0][0] == made.body["expires_at"]


@pytest.mark.parametrize("kind", ["nonsense", "text/html\\x", "a/b, c/d", "x" * 200 + "/y", "/"])
async def test_a_media_type_that_is_none_is_refused(bot: Caller, kind: str) -> None:
    reply = await upload(bot, kind=kind)
    assert (reply.status, reply.code, reply.pointers) == (400, "malformed_request", ["Content-Type"])


async def test_an_input_takes_an_uploaded_file(world: World, bot: Caller) -> None:
    made = await upload(bot, b"x" * 777)
    reply = await bot.run("toy.file.put", {"file": {"file": made.body["id"]}}, key="k1")
    assert reply.status == 200, reply.body
    assert world.toy.mails == [{"n": 777}]
    assert world.toy.received[0].headers["content-type"] == "image/png"


@pytest.mark.parametrize("file", ["file_" + "0" * 26, "file_../../../etc/passwd", "", "x"])
async def test_an_input_that_names_no_file_is_refused(world: World, bot: Caller, file: str) -> None:
    reply = await bot.run("toy.file.put", {"file": {"file": file}}, key="k1")
    assert reply.code in {"not_found", "invalid_input"}
    assert world.reached() == []


async def test_a_binary_result_is_a_file_of_the_agent(world: World, bot: Caller) -> None:
    reply = await bot.run("github.content.download", {"owner": "acme", "repo": "web", "path": "README.md"})
    output = reply.output
    assert output.keys() == {"file", "media_type", "size", "sha256"}
    got = await bot.get(f"/v1/files/{output['file']}")
    assert sha256(got.raw).hexdigest() == output["sha256"]


async def test_signed_links_and_secret_fields_are_masked_before_anything_is_recorded(world: World, bot: Caller) -> None:
    link = await bot.run("toy.file.link", {"name": "pic"})
    assert link.output["url"].endswith("size=1&X-Amz-Signature=[masked]&part=2")
    key = await bot.run("toy.key.create", {"name": "ci"}, key="k1")
    assert key.output["secret"] == "[masked]"
    told = str(await world.events())
    assert "toy-secret-value-5f2" not in told
    assert "signature5f2" not in told
    again = await bot.run("toy.key.create", {"name": "ci"}, key="k1")
    assert again.output["secret"] == "[masked]"


async def test_a_large_list_is_cut_at_its_items_and_readable_to_the_end(bot: Caller) -> None:
    reply = await bot.run("toy.note.count", {"count": 1000, "size": 1000})
    assert reply.status == 200
    assert len(reply.raw) < 300_000
    cut = reply.body["truncated"]
    assert (cut["pointer"], cut["total"]) == ("/items", 1000)
    assert cut["returned"] == len(reply.output["items"]) > 100
    assert all(len(item["text"]) == 1000 for item in reply.output["items"])
    assert cut["href"].startswith(f"/v1/calls/{reply.call}/output")
    seen: list[int] = []
    cursor = ""
    while True:
        page = await bot.get(f"/v1/calls/{reply.call}/output?pointer=/items&limit=200{cursor}")
        assert page.status == 200, page.body
        assert len(page.raw) < 300_000
        seen += [item["id"] for item in page.body["items"]]
        if page.body["next_cursor"] is None:
            break
        cursor = f"&cursor={page.body['next_cursor']}"
    assert seen == list(range(1000))
    assert (await bot.look(reply.call)).body["truncated"] == cut


async def test_a_large_text_is_read_in_pieces(bot: Caller) -> None:
    reply = await bot.run("toy.file.document", {"size": 300_000})
    assert reply.output is None
    assert reply.body["truncated"]["bytes"] > 256 * 1024
    text, cursor = "", ""
    while True:
        page = (await bot.get(f"/v1/calls/{reply.call}/output?pointer=/text&limit=2{cursor}")).body
        text += "".join(page["items"])
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert text == "é" * 300_000


@pytest.mark.parametrize(
    ("pointer", "items"),
    [
        ("/parts/a~1b", [1, 2, 3]),
        ("/parts/a~1b/1", [2]),
        ("/parts", [{"name": "a/b", "value": [1, 2, 3]}]),
        ("/text", ["é"]),
    ],
)
async def test_pointers_lead_anywhere_in_an_output(bot: Caller, pointer: str, items: list[object]) -> None:
    reply = await bot.run("toy.file.document", {"size": 1})
    page = await bot.get(f"/v1/calls/{reply.call}/output?pointer={pointer}")
    assert page.body == {"items": items, "next_cursor": None}


@pytest.mark.parametrize("pointer", ["/nothing", "text", "/parts/a~1b/9", "/parts/a~1b/x", "/parts/a~1b/-1", "/text/0"])
async def test_a_pointer_that_leads_nowhere_is_refused(bot: Caller, pointer: str) -> None:
    reply = await bot.run("toy.file.document", {"size": 1})
    page = await bot.get(f"/v1/calls/{reply.call}/output?pointer={pointer}")
    assert (page.code, page.pointers) == ("invalid_input", ["pointer"])


async def test_an_output_cursor_is_bound_to_its_call_and_pointer(bot: Caller) -> None:
    one = await bot.run("toy.note.count", {"count": 10})
    two = await bot.run("toy.note.count", {"count": 10})
    path = f"/v1/calls/{one.call}/output?pointer=/items&limit=3"
    cursor = (await bot.get(path)).body["next_cursor"]
    for other in (
        f"/v1/calls/{two.call}/output?pointer=/items&limit=3&cursor={cursor}",
        f"/v1/calls/{one.call}/output?pointer=&limit=3&cursor={cursor}",
    ):
        assert (await bot.get(other)).code == "invalid_cursor"


async def test_a_call_without_an_output_says_so(world: World, bot: Caller) -> None:
    failed = await bot.run("toy.odd.fail", {"status": 404})
    assert (await bot.get(f"/v1/calls/{failed.call}/output")).code == "not_found"
    agent = await world.caller("asker", autonomy="approve")
    parked = await agent.run("toy.order.create", {"item": "a"}, key="k")
    assert (await agent.get(f"/v1/calls/{parked.call}/output")).code == "not_found"


async def test_vendor_pages_come_with_sealed_cursors_that_lead_on(world: World, bot: Caller) -> None:
    for n in range(25):
        world.toy.notes[50 + n] = {"id": 50 + n, "box": "red", "text": str(n)}
    seen, value = [], {"box": "red", "limit": 10}
    for _ in range(9):
        page = (await bot.run("toy.note.list", value)).output
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        assert page["next_cursor"] != "10"
        value = value | {"cursor": page["next_cursor"]}
    assert seen == [1, *range(50, 75)]


async def test_a_vendors_cursor_is_bound_to_agent_connection_and_query(world: World, bot: Caller) -> None:
    for n in range(5):
        world.toy.notes[50 + n] = {"id": 50 + n, "box": "red", "text": str(n)}
    cursor = (await bot.run("toy.note.list", {"box": "red", "limit": 2})).output["next_cursor"]
    world.toy.received.clear()
    other = await world.caller("other")
    for reply in (
        await bot.run("toy.note.list", {"box": "blue", "limit": 2, "cursor": cursor}),
        await bot.run("toy.note.list", {"box": "red", "limit": 3, "cursor": cursor}),
        await bot.run("toy.note.list", {"box": "red", "limit": 2, "cursor": cursor[:-2]}),
        await bot.run("toy.note.list", {"box": "red", "limit": 2, "cursor": "2"}),
        await other.run("toy.note.list", {"box": "red", "limit": 2, "cursor": cursor}),
    ):
        assert (reply.status, reply.code) == (400, "invalid_cursor")
    assert world.reached() == []


async def test_a_long_poll_ends_when_the_call_does(world: World, bot: Caller) -> None:
    stop = world.valve.stop("POST", "/orders")
    first = await bot.run("toy.order.create", {"item": "a"}, key="k1", headers=ASYNC)
    assert (first.status, first.body["status"]) == (202, "queued")
    await stop.arrived.wait()
    poll = asyncio.create_task(bot.look(first.call, wait=30))
    await asyncio.sleep(0.05)
    assert not poll.done()
    stop.release()
    started = time.monotonic()
    assert (await poll).body["status"] == "succeeded"
    assert time.monotonic() - started < 5
    assert world.gateway.waiters._waiting == {}


async def test_a_long_poll_that_runs_out_answers_how_the_call_stands(world: World, bot: Caller) -> None:
    agent = await world.caller("asker", autonomy="approve")
    parked = await agent.run("toy.order.create", {"item": "a"}, key="k1")
    found = await agent.look(parked.call, wait=1)
    assert (found.status, found.body["status"]) == (200, "pending_approval")
    for wait in ("61", "-1", "x", "1.5"):
        assert (await bot.get(f"/v1/calls/{parked.call}?wait={wait}")).code in {"invalid_input"}


async def test_prefer_wait_answers_the_result_when_it_comes_in_time(world: World, bot: Caller) -> None:
    reply = await bot.run("toy.order.create", {"item": "a"}, key="k1", headers={"Prefer": "respond-async, wait=10"})
    assert (reply.status, reply.body["status"]) == (200, "succeeded")
    strange = await bot.run("toy.order.create", {"item": "b"}, key="k2", headers={"Prefer": "handling=lenient, wait=x"})
    assert strange.status == 200


async def test_only_what_was_not_sent_can_be_cancelled(world: World, bot: Caller) -> None:
    agent = await world.caller("asker", autonomy="approve")
    parked = await agent.run("toy.order.create", {"item": "a"}, key="k1")
    cancelled = await agent.ask("POST", f"/v1/calls/{parked.call}/cancel")
    assert (cancelled.status, cancelled.body["status"]) == (200, "cancelled")
    assert cancelled.body["error"]["code"] == "cancelled"
    again = await agent.ask("POST", f"/v1/calls/{parked.call}/cancel")
    assert (again.status, again.code) == (409, "not_cancellable")

    stop = world.valve.stop("POST", "/orders")
    running = await bot.run("toy.order.create", {"item": "a"}, key="k2", headers=ASYNC)
    await stop.arrived.wait()
    assert (await bot.ask("POST", f"/v1/calls/{running.call}/cancel")).code == "not_cancellable"
    stop.release()
    assert (await bot.look(running.call, wait=10)).body["status"] == "succeeded"
    done = await bot.ask("POST", f"/v1/calls/{running.call}/cancel")
    assert (done.status, done.code) == (409, "not_cancellable")
    assert world.applied() == ["POST /orders"]


async def test_a_queued_call_can_be_cancelled_before_it_runs(world: World) -> None:
    agent = await world.caller(limits={"writes_per_minute": 1})
    await agent.run("toy.order.create", {"item": "a"}, key="k0")
    world.gateway.queue.submit = lambda call: None  # type: ignore[method-assign]
    world.clock.forward(minutes=1)
    queued = await agent.run("toy.order.create", {"item": "a"}, key="k1", headers=ASYNC)
    cancelled = await agent.ask("POST", f"/v1/calls/{queued.call}/cancel")
    assert cancelled.body["status"] == "cancelled"
    await world.gateway.queue._work(queued.call)
    assert world.applied() == ["POST /orders"]


async def test_a_call_is_seen_with_200_whatever_became_of_it(world: World, bot: Caller) -> None:
    failed = await bot.run("toy.odd.fail", {"status": 404})
    seen = await bot.look(failed.call)
    assert (seen.status, seen.body["status"]) == (200, "failed")
    assert seen.body["error"] == failed.body
    assert seen.body["finished_at"]
    good = await bot.run("toy.note.get", {"box": "red", "id": 1})
    assert (await bot.look(good.call)).body == good.body
    refused = await bot.run("toy.nothing", {})
    assert (await bot.look(refused.call)).body["error"]["code"] == "action_not_found"


async def test_an_empty_and_a_strange_accept_change_nothing(bot: Caller) -> None:
    for accept in ("", "text/html", "application/xml;q=0.9"):
        reply = await bot.get("/v1/actions?limit=1", Accept=accept)
        assert orjson.loads(reply.raw)["items"]
