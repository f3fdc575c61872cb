"""The kit for simulated vendors: its record, its faults, its controls."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import trustme

from connectors.sdk.simulator import Answer, Call, Refusal, Routes, Simulator, trailing_comment


class Notes(Simulator):
    """A vendor with one resource."""

    def seed(self) -> None:
        self.notes: list[str] = ["seeded"]

    def respond(self, call: Call) -> Answer:
        if call.path != "/notes":
            raise Refusal(Answer.of({"message": "Not Found"}, 404))
        if call.method == "POST":
            text = call.json()["text"]
            if text in self.notes:
                return Answer.of({"known": True})
            self.notes.append(text)
            call.applied()
            return Answer.of({"made": text}, 201)
        return Answer.of({"notes": self.notes})


@pytest.fixture
async def vendor() -> AsyncIterator[Notes]:
    made = Notes()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        made._retry_connection = False
        yield made


async def post(http: aiohttp.ClientSession, vendor: Notes, text: str, **options: Any) -> aiohttp.ClientResponse:
    answer = await http.post(f"{vendor.url}/notes", json={"text": text}, **options)
    await answer.read()
    return answer


async def control(http: aiohttp.ClientSession, vendor: Notes, method: str, path: str, body: Any = None) -> Any:
    async with http.request(method, f"{vendor.url}/_sim/{path}", json=body) as answer:
        return await answer.json()


async def fault(http: aiohttp.ClientSession, vendor: Notes, kind: str, **more: Any) -> None:
    await control(http, vendor, "POST", "faults", {"match": "POST /notes", "fault": kind, **more})


async def test_only_what_changed_state_is_an_effect(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await post(http, vendor, "one <!-- trace:1 -->")
    await post(http, vendor, "one <!-- trace:1 -->")
    await http.get(f"{vendor.url}/notes")
    await http.get(f"{vendor.url}/missing")

    items = (await control(http, vendor, "GET", "applied"))["items"]

    assert [(item["seq"], item["method"], item["path"], item["marker"]) for item in items] == [
        (1, "POST", "/notes", "trace:1")
    ]
    assert set(items[0]) == {"seq", "at", "method", "path", "marker", "body_sha256"}
    assert len(items[0]["body_sha256"]) == 64


async def test_every_request_is_listed_without_its_credential(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await post(http, vendor, "one", headers={"authorization": "Bearer secret", "x-kept": "yes"})
    await http.get(f"{vendor.url}/missing?a=1")

    items = (await control(http, vendor, "GET", "requests"))["items"]

    assert [(item["method"], item["path"]) for item in items] == [("POST", "/notes"), ("GET", "/missing?a=1")]
    assert items[0]["headers"]["x-kept"] == "yes"
    assert "secret" not in json.dumps(items)


async def test_a_reset_forgets_everything_and_seeds_again(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await post(http, vendor, "one")
    await fault(http, vendor, "500", times=5)

    await control(http, vendor, "POST", "reset")

    assert vendor.notes == ["seeded"]
    assert (await control(http, vendor, "GET", "applied")) == {"items": []}
    assert (await control(http, vendor, "GET", "requests")) == {"items": []}
    assert (await control(http, vendor, "GET", "faults")) == {"items": []}


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
async def test_a_reset_ends_the_connection_without_an_answer(
    kind: str, http: aiohttp.ClientSession, vendor: Notes
) -> None:
    await fault(http, vendor, kind)

    with pytest.raises(aiohttp.ClientError):
        await post(http, vendor, "one")

    assert len(vendor.applied) == (1 if kind == "reset_after" else 0)
    assert [received.fault for received in vendor.received] == [kind]
    assert (await post(http, vendor, "two")).status == 201


async def test_a_reset_is_a_tcp_reset(vendor: Notes) -> None:
    vendor.faults.add({"match": "/notes", "fault": "reset_before"})
    reader, writer = await asyncio.open_connection("127.0.0.1", int(vendor.url.rsplit(":", 1)[1]))
    writer.write(b"GET /notes HTTP/1.1\r\nhost: x\r\n\r\n")

    with pytest.raises(ConnectionResetError):
        await reader.read()

    writer.close()


async def test_half_a_body_is_applied_and_shorter_than_announced(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await fault(http, vendor, "half_body")

    with pytest.raises(aiohttp.ClientPayloadError):
        await post(http, vendor, "one")

    assert len(vendor.applied) == 1


@pytest.mark.parametrize(("kind", "status"), [("429", 429), ("500", 500), ("html", 200), ("redirect", 302)])
async def test_an_answer_that_is_none_of_the_vendors_work_applies_nothing(
    kind: str, status: int, http: aiohttp.ClientSession, vendor: Notes
) -> None:
    await fault(http, vendor, kind)

    answer = await post(http, vendor, "one", allow_redirects=False)

    assert answer.status == status
    assert vendor.applied == []
    assert kind != "redirect" or "127.0.0.1" not in answer.headers["location"]
    assert kind != "html" or answer.content_type == "text/html"


@pytest.mark.parametrize("kind", ["slow", "late"])
async def test_a_delayed_answer_is_applied(kind: str, http: aiohttp.ClientSession, vendor: Notes) -> None:
    await fault(http, vendor, kind, delay_ms=20)

    assert (await post(http, vendor, "one")).status == 201
    assert len(vendor.applied) == 1


async def test_what_is_slow_is_applied_though_the_client_has_left(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await fault(http, vendor, "slow", delay_ms=60)

    with pytest.raises(TimeoutError):
        await post(http, vendor, "one", timeout=aiohttp.ClientTimeout(total=0.03))
    while not vendor.applied:
        await asyncio.sleep(0)

    assert vendor.notes == ["seeded", "one"]


async def test_what_is_late_was_applied_before_the_client_left(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await fault(http, vendor, "late", delay_ms=60_000)

    with pytest.raises(TimeoutError):
        await post(http, vendor, "one", timeout=aiohttp.ClientTimeout(total=0.2))

    assert len(vendor.applied) == 1


async def test_never_waits_until_the_client_leaves(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await fault(http, vendor, "never")

    with pytest.raises(TimeoutError):
        await post(http, vendor, "one", timeout=aiohttp.ClientTimeout(total=0.1))

    assert vendor.applied == []


async def test_a_huge_answer_goes_on_until_the_client_has_enough(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await fault(http, vendor, "huge")
    read = 0

    async with http.post(f"{vendor.url}/notes", json={"text": "one"}) as answer:
        async for chunk in answer.content.iter_any():
            read += len(chunk)
            if read > 1_000_000:
                break

    assert len(vendor.applied) == 1


async def test_a_gzip_bomb_is_small_on_the_wire_and_large_inside(vendor: Notes) -> None:
    vendor.faults.add({"match": "/notes", "fault": "gzip_bomb"})

    async with (
        aiohttp.ClientSession(auto_decompress=False) as plain,
        plain.get(f"{vendor.url}/notes") as answer,
    ):
        body = await answer.read()

    assert answer.headers["content-encoding"] == "gzip"
    assert len(body) < 1_000_000
    assert int.from_bytes(body[-4:], "little") == 256 * 1024 * 1024


async def test_a_fault_hits_as_often_as_it_says(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await fault(http, vendor, "500", times=2)

    assert [(await post(http, vendor, str(number))).status for number in range(3)] == [500, 500, 201]
    assert (await control(http, vendor, "GET", "faults"))["items"][0]["hit"] == 2


async def test_a_seeded_coin_falls_the_same_way_every_time(http: aiohttp.ClientSession, vendor: Notes) -> None:
    async def round_of_ten() -> list[int]:
        await control(http, vendor, "POST", "reset")
        await fault(http, vendor, "500", times=100, seed=7)
        return [(await post(http, vendor, str(number))).status for number in range(10)]

    first, second = await round_of_ten(), await round_of_ten()

    assert first == second
    assert set(first) == {201, 500}


@pytest.mark.parametrize(
    ("match", "method", "path", "hit"),
    [
        ("POST /repos/*/*/issues", "POST", "/repos/acme/web/issues", True),
        ("POST /repos/*/*/issues", "GET", "/repos/acme/web/issues", False),
        ("POST /repos/*/*/issues", "POST", "/repos/acme/web/issues/1/comments", False),
        ("/issues", "PATCH", "/repos/acme/web/issues/1", True),
        ("*/comments", "POST", "/repos/acme/web/issues/1/comments", True),
        ({"method": "post", "path": "/issues"}, "POST", "/repos/acme/web/issues", True),
        ({"path": "/pulls"}, "POST", "/repos/acme/web/issues", False),
        ({"method": "DELETE"}, "DELETE", "/anything", True),
        ("", "GET", "/anything", True),
    ],
)
def test_a_match_is_a_method_and_a_part_or_a_glob_of_the_path(match: Any, method: str, path: str, hit: bool) -> None:
    vendor = Notes()
    vendor.faults.add({"match": match, "fault": "500"})

    assert (vendor.faults.take(method, path) is not None) == hit


@pytest.mark.parametrize(
    "wanted",
    [
        {"match": "/notes", "fault": "explode"},
        {"match": "/notes"},
        {"match": "/notes", "fault": "500", "count": 2},
        {"match": ["/notes"], "fault": "500"},
        {"match": "/notes", "fault": "500", "times": "many"},
        [],
    ],
)
async def test_a_fault_that_is_not_known_is_refused(wanted: Any, http: aiohttp.ClientSession, vendor: Notes) -> None:
    async with http.post(f"{vendor.url}/_sim/faults", json=wanted) as answer:
        assert answer.status == 400

    assert vendor.faults.shown() == []


async def test_faults_can_be_cleared(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await fault(http, vendor, "500")

    await control(http, vendor, "DELETE", "faults")

    assert (await post(http, vendor, "one")).status == 201


async def test_controls_that_do_not_exist_are_not_the_vendors(http: aiohttp.ClientSession, vendor: Notes) -> None:
    async with http.get(f"{vendor.url}/_sim/state") as answer:
        assert answer.status == 404

    assert len(vendor.received) == 0


async def test_it_listens_on_loopback_only(vendor: Notes) -> None:
    assert vendor.url.startswith("http://127.0.0.1:")


async def test_it_speaks_tls_with_a_context_that_is_given() -> None:
    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    vendor = Notes(ssl_context=served)
    await vendor.start()

    async with aiohttp.ClientSession() as http, http.get(f"{vendor.url}/notes", ssl=trusting) as answer:
        assert await answer.json() == {"notes": ["seeded"]}

    await vendor.stop()
    assert vendor.url.startswith("https://127.0.0.1:")


@pytest.mark.parametrize(
    ("body", "marker"),
    [
        (b'{"text": "Hello\\n\\n<!-- a:1 -->"}', "a:1"),
        (b'{"text": "<!-- a:1 --> and more"}', None),
        (b'{"text": "<!-- mine --> then\\n<!-- a:1 -->\\n"}', "a:1"),
        (b'{"deep": [{"text": "x <!-- a:2 -->"}], "n": 1}', "a:2"),
        (b'{"text": "\\u003c!-- a:3 --\\u003e"}', "a:3"),
        (b"plain <!-- a:4 -->", "a:4"),
        (b'{"text": "none"}', None),
        (b"", None),
    ],
)
def test_a_marker_is_what_a_comment_at_the_end_of_a_text_holds(body: bytes, marker: str | None) -> None:
    assert trailing_comment(body) == marker


@pytest.mark.parametrize(
    ("path", "target", "values"),
    [
        ("/a/b", "literal", {}),
        ("/a/c", "value", {"x": "c"}),
        ("/a/c%2Fd", "value", {"x": "c/d"}),
        ("/files/a/b%20c", "rest", {"path": "a/b c"}),
        ("/commits/a/b/checks", "tail", {"ref": "a/b"}),
        ("/commits/a/b", "commit", {"ref": "a/b"}),
    ],
)
def test_routes_prefer_what_is_literal(path: str, target: str, values: dict[str, str]) -> None:
    routes = Routes[str](
        [
            ("GET", "/a/b", "literal"),
            ("GET", "/a/{x}", "value"),
            ("GET", "/files/{path+}", "rest"),
            ("GET", "/commits/{ref+}", "commit"),
            ("GET", "/commits/{ref+}/checks", "tail"),
        ]
    )

    assert routes.find("GET", path) == (target, values)
    assert routes.find("POST", path) is None


def test_one_route_has_one_target() -> None:
    routes = Routes[str]([("GET", "/a/{x}", "one")])

    with pytest.raises(ValueError, match="twice"):
        routes.add("GET", "/a/{y}", "two")


async def test_any_status_is_answered_in_the_vendors_words_and_not_applied(
    http: aiohttp.ClientSession, vendor: Notes
) -> None:
    await control(http, vendor, "POST", "faults", {"match": "POST", "fault": "status", "status": 409})

    answer = await post(http, vendor, "one")

    assert (answer.status, await answer.json()) == (409, {"message": "Conflict"})
    assert vendor.applied == []


async def test_a_throttle_asks_for_the_wait_that_the_simulator_names(
    http: aiohttp.ClientSession, vendor: Notes
) -> None:
    await control(http, vendor, "POST", "faults", {"match": "POST", "fault": "throttle", "shape": 0})

    answer = await post(http, vendor, "one")

    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert vendor.throttles()[0].seconds == 7
    assert vendor.applied == []


async def test_a_misfit_is_applied_and_answered_in_another_shape(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await control(http, vendor, "POST", "faults", {"match": "POST", "fault": "misfit"})

    answer = await post(http, vendor, "one")

    assert (answer.status, await answer.json()) == (201, {"unfitting": [True]})
    assert len(vendor.applied) == 1


async def test_a_loop_answers_as_the_first_time(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await control(http, vendor, "POST", "faults", {"match": "GET", "fault": "loop", "times": 9})
    async with http.get(f"{vendor.url}/notes") as answer:
        first = await answer.json()
    vendor.notes.append("more")

    async with http.get(f"{vendor.url}/notes") as answer:
        assert await answer.json() == first


async def test_a_fault_lets_so_many_requests_through_as_it_skips(http: aiohttp.ClientSession, vendor: Notes) -> None:
    await control(http, vendor, "POST", "faults", {"match": "POST", "fault": "500", "skip": 1})

    statuses = [(await post(http, vendor, text)).status for text in ("one", "two", "three")]

    assert statuses == [201, 500, 201]
