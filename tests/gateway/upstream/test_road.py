"""The road out: where a request may go, what comes back, what is sent again."""

import asyncio
import time
from typing import Any

import pytest

from connectors.github.simulator import OAuthApp
from connectors.sdk.simulator import Answer
from tests.gateway.caller import Caller, Reply
from tests.gateway.world import World

READ = {"box": "red", "id": 1}


async def caller_to(world: World, base_url: str) -> Caller:
    agent = await world.agent()
    await world.grant(agent, await world.connection("toy/far", base_url=base_url))
    return agent


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "[::1]",
        "[fd00::1]",
        "[fe80::1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a00:1::]",
        "2130706433.invalid",
    ],
)
async def test_addresses_that_are_not_public_are_refused_at_connect(world: World, host: str) -> None:
    agent = await caller_to(world, f"http://{host}:9")
    started = time.monotonic()
    reply = await agent.run("toy.order.create", {"item": "a"}, key="k1")
    assert (reply.status, reply.code) == (502, "upstream_unavailable")
    assert time.monotonic() - started < 5
    if not host.endswith(".invalid"):
        assert reply.body["retryable"] is False
        assert "not public" in reply.body["hint"]
        assert len(world.valve.sent) == 1
    assert await world.rows("SELECT 1 FROM claims") == [] or reply.body["retryable"] is False


async def test_a_name_that_leads_to_a_private_address_is_refused(world: World) -> None:
    world.settings.opened_networks.clear()
    await world.restart()
    agent = await caller_to(world, f"http://localhost:{world.toy.url.rpartition(':')[2]}")
    reply = await agent.run("toy.note.get", READ)
    assert (reply.code, reply.body["retryable"]) == ("upstream_unavailable", False)
    assert world.reached() == []


async def test_the_credential_goes_to_the_vendor_and_is_not_in_the_record(world: World, bot: Caller) -> None:
    await bot.run("toy.note.get", READ)
    assert world.toy.received[0].headers["authorization"] == "Bearer toy-token-9d81c2"
    assert "toy-token-9d81c2" not in str(await world.events())


@pytest.mark.parametrize("write", [False, True])
async def test_a_redirect_elsewhere_is_not_followed(world: World, bot: Caller, write: bool) -> None:
    world.toy.faults.add({"match": "", "fault": "redirect", "location": f"{world.github.url}/user"})
    action, value, key = ("toy.order.create", {"item": "a"}, "k") if write else ("toy.note.get", READ, None)
    reply = await bot.run(action, value, key=key)
    assert (reply.status, reply.code) == (409, "upstream_conflict")
    assert len(world.reached()) == 1
    assert world.reached("github") == []


async def test_a_download_follows_one_redirect_without_the_credential(world: World, bot: Caller) -> None:
    reply = await bot.run("toy.file.get", {"name": "pic"})
    assert reply.output["media_type"] == "image/png"
    first, second = world.toy.received
    assert "authorization" in first.headers
    assert "authorization" not in second.headers
    file = await bot.get(f"/v1/files/{reply.output['file']}")
    assert file.raw == b"\x89bytes of pic"
    assert file.headers["Content-Type"] == "image/png"
    assert file.headers["Content-Disposition"] == "attachment"
    assert b"signature5f2" not in reply.raw
    assert "signature5f2" not in str(await world.events())


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/x",
        "http://files.toy.example/x",
        "https://files.toy.example.evil.example/x",
        "https://files.toy.example@evil.example/x",
        "ftp://files.toy.example/x",
        "//evil.example/x",
        "file:///etc/passwd",
        "http://[::1/x",
        "",
    ],
)
async def test_a_download_is_followed_to_declared_hosts_only(world: World, bot: Caller, location: str) -> None:
    world.toy.downloads_at = location or " "
    reply = await bot.run("toy.file.get", {"name": "pic"})
    assert (reply.status, reply.code) == (502, "upstream_unavailable"), reply.body
    assert world.reached() == ["GET /files/pic"]
    assert len(world.valve.sent) == 1


async def test_a_redirected_download_is_not_redirected_again(world: World, bot: Caller) -> None:
    world.toy.downloads_at = f"{world.toy.url}/files/other"
    world.toy.special["/files/other"] = Answer(302, b"", {"location": f"{world.toy.url}/signed/x"})
    reply = await bot.run("toy.file.get", {"name": "pic"})
    assert reply.code == "upstream_unavailable"
    assert set(world.reached()) == {"GET /files/pic", "GET /files/other"}


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("huge", "upstream_invalid_response", 502),
        ("gzip_bomb", "upstream_invalid_response", 502),
        ("html", "upstream_invalid_response", 502),
        ("half_body", "upstream_unavailable", 502),
        ("reset_before", "upstream_unavailable", 502),
        ("reset_after", "upstream_unavailable", 502),
        ("never", "upstream_timeout", 504),
        ("500", "upstream_unavailable", 502),
    ],
)
async def test_a_read_that_goes_wrong_ends_typed_and_in_bounded_time(
    world: World, bot: Caller, fault: str, code: str, status: int
) -> None:
    world.toy.faults.add({"match": "GET /me", "fault": fault, "times": 99})
    started = time.monotonic()
    reply = await bot.run("toy.odd.wait", {"name": "x"})
    assert time.monotonic() - started < 10
    assert (reply.status, reply.code) == (status, code), reply.body
    assert len(reply.raw) < 4096
    assert (await world.rows("SELECT status FROM calls"))[0][0] == "failed"
    assert (await world.verify()).intact


@pytest.mark.parametrize(
    ("fault", "code", "applied"),
    [
        ("huge", "upstream_invalid_response", 1),
        ("gzip_bomb", "upstream_invalid_response", 1),
        ("html", "upstream_invalid_response", 0),
        ("half_body", "upstream_invalid_response", 1),
        ("reset_before", "outcome_unknown", 0),
        ("reset_after", "outcome_unknown", 1),
        ("never", "outcome_unknown", 0),
        ("500", "outcome_unknown", 0),
    ],
)
async def test_a_write_that_goes_wrong_is_sent_once_and_says_what_is_known(
    world: World, bot: Caller, fault: str, code: str, applied: int
) -> None:
    world.toy.faults.add({"match": "POST /mails", "fault": fault, "times": 99})
    reply = await bot.run("toy.odd.hurry", {"name": "x"}, key="k1")
    assert (reply.status, reply.code, reply.body["retryable"]) == (502, code, False), reply.body
    assert world.reached() == ["POST /mails"]
    assert len(world.applied()) == applied
    if code == "upstream_invalid_response":
        assert reply.body["applied"] in {"yes", "unknown"}
    again = await bot.run("toy.odd.hurry", {"name": "x"}, key="k1")
    assert again.body == reply.body | {"replayed": True}
    assert world.reached() == ["POST /mails"]


@pytest.mark.parametrize(
    ("action", "value", "method"),
    [
        ("toy.note.get", READ, "GET"),
        ("toy.note.update", READ | {"text": "x"}, "PUT"),
        ("toy.note.delete", READ, "DELETE"),
    ],
)
async def test_every_request_at_the_vendor_is_a_recorded_attempt(
    world: World, bot: Caller, action: str, value: dict[str, Any], method: str
) -> None:
    """aiohttp would send idempotent methods again by itself after a disconnect."""
    await bot.run("toy.note.list", {"box": "blue"})  # a connection to be reused
    world.toy.received.clear()
    world.toy.faults.add({"match": f"{method} /boxes", "fault": "reset_after", "times": 2})
    run = await bot.open_run()
    reply = await bot.run(action, value, key="k1", run=run)
    assert reply.status == 200, reply.body
    recorded = [item["data"] for item in await bot.timeline(run) if item["type"] == "upstream_request"]
    assert [item["attempt"] for item in recorded] == [1, 2, 3]
    assert [received.method for received in world.toy.received] == [method] * 3
    assert reply.body["attempts"] == 3


async def test_refused_for_limits_is_safe_to_repeat_and_waits_as_the_vendor_says(world: World, bot: Caller) -> None:
    world.toy.faults.add({"match": "POST /mails", "fault": "429", "times": 2})
    reply = await bot.run("toy.mail.send", {"to": ["a@acme.example"]}, key="k1")
    assert (reply.status, reply.body["attempts"]) == (200, 3)
    assert world.clock.slept == [1.0, 1.0]
    assert world.applied() == ["POST /mails"]


async def test_a_vendor_that_stays_at_its_limit_gives_the_key_back(world: World, bot: Caller) -> None:
    world.toy.faults.add({"match": "POST /mails", "fault": "429", "times": 99})
    reply = await bot.run("toy.mail.send", {"to": ["a@acme.example"]}, key="k1")
    assert (reply.status, reply.code, reply.body["retryable"]) == (503, "upstream_quota", True)
    assert reply.headers["Retry-After"] in {"1", "2"}
    assert await world.rows("SELECT 1 FROM claims") == []
    held = await bot.run("toy.note.get", READ)
    assert held.code == "upstream_quota"
    world.toy.faults.clear()
    world.clock.forward(seconds=2)
    assert (await bot.run("toy.mail.send", {"to": ["a@acme.example"]}, key="k1")).status == 200


async def test_a_long_wait_is_told_to_the_caller_instead_of_waited(world: World, bot: Caller) -> None:
    world.toy.special["/boxes/red/notes/1"] = Answer.of({"message": "later"}, 429, {"retry-after": "600"})
    reply = await bot.run("toy.note.get", READ)
    assert reply.code == "upstream_quota"
    assert reply.headers["Retry-After"] in {"600", "601"}
    assert world.reached() == ["GET /boxes/red/notes/1"]


async def test_the_vendors_quota_keeps_a_reserve_for_writes(world: World, bot: Caller) -> None:
    world.toy.quota = (1000, 51, world.clock.now().timestamp() + 600)
    assert (await bot.run("toy.note.get", READ)).status == 200
    world.toy.quota = (1000, 50, world.clock.now().timestamp() + 600)
    assert (await bot.run("toy.note.get", READ)).status == 200
    held = await bot.run("toy.note.get", READ)
    assert (held.status, held.code) == (503, "upstream_quota")
    assert 590 < int(held.headers["Retry-After"]) <= 601
    assert (await bot.run("toy.order.create", {"item": "a"}, key="k")).status == 200
    world.toy.quota = (1000, 0, world.clock.now().timestamp() + 600)
    assert (await bot.run("toy.order.create", {"item": "b"}, key="k2")).status == 200
    assert (await bot.run("toy.order.create", {"item": "c"}, key="k3")).code == "upstream_quota"
    assert len(world.reached()) == 4
    world.clock.forward(minutes=11)
    assert (await bot.run("toy.note.get", READ)).status == 200


async def test_quota_is_shared_by_all_agents_of_a_connection_and_by_no_others(world: World) -> None:
    link = await world.connection("toy/main")
    one, two = await world.agent("one"), await world.agent("two")
    for agent in (one, two):
        await world.grant(agent, link)
    other = await world.caller("other")
    world.toy.quota = (100, 0, world.clock.now().timestamp() + 60)
    assert (await one.run("toy.note.get", READ)).status == 200
    assert (await two.run("toy.note.get", READ)).code == "upstream_quota"
    assert (await other.run("toy.note.get", READ)).status == 200


async def test_after_many_failures_calls_are_held_back_then_one_goes_to_see(world: World, bot: Caller) -> None:
    world.toy.faults.add({"match": "GET /boxes", "fault": "500", "times": 20})
    while (reply := await bot.run("toy.note.get", READ)).code == "upstream_unavailable":
        pass
    assert (reply.status, reply.code) == (503, "circuit_open")
    assert int(reply.headers["Retry-After"]) <= 6
    reached = len(world.reached())
    assert (await bot.run("toy.order.create", {"item": "a"}, key="k")).code == "circuit_open"
    assert len(world.reached()) == reached
    assert await world.rows("SELECT 1 FROM claims") == []
    world.clock.forward(seconds=6)
    assert (await bot.run("toy.note.get", READ)).status == 200
    assert (await bot.run("toy.order.create", {"item": "a"}, key="k")).status == 200


async def test_a_probe_that_never_leaves_does_not_hold_calls_back_for_ever(world: World) -> None:
    agent = await world.caller(constraints={"max_records_per_hour": 5})
    world.toy.faults.add({"match": "GET /boxes", "fault": "500", "times": 20})
    while (await agent.run("toy.note.get", READ)).code != "circuit_open":
        world.clock.forward(hours=1)
        if len(world.reached()) >= 20:
            break
    world.clock.forward(hours=1)
    over = await agent.run("toy.note.list", {"box": "red", "limit": 50})
    assert over.code == "rate_limited"
    world.clock.forward(seconds=6)
    assert (await agent.run("toy.note.get", READ)).status == 200


async def oauth_caller(world: World) -> tuple[Caller, dict[str, str]]:
    """Return an agent whose GitHub connection holds a pair of access and refresh token, and the pair."""
    pair = await world.authorize(OAuthApp("Iv1.app", "app-secret", expires_in=28800))
    agent = await world.agent()
    link = await world.connection("github/user", method="oauth", credential=pair)
    await world.grant(agent, link)
    return agent, pair


async def test_a_token_that_is_refused_is_replaced_once(world: World) -> None:
    agent, pair = await oauth_caller(world)
    del world.github.access.tokens[pair["access_token"]]
    where = {"owner": "acme", "repo": "web"}
    reply = await agent.run("github.issue.create", where | {"title": "x"}, key="k1")
    assert (reply.status, reply.body["attempts"]) == (200, 2), reply.body
    issues = [one for one in world.github.received if one.path.endswith("/issues")]
    assert len({one.headers["authorization"] for one in issues}) == 2
    assert world.reached("github").count("POST /login/oauth/access_token") == 1
    assert len(world.applied("github")) == 1
    assert (await agent.run("github.issue.list", where)).status == 200
    assert world.reached("github").count("POST /login/oauth/access_token") == 1


async def test_a_token_is_refreshed_before_it_expires_once_for_all_who_wait(world: World) -> None:
    agent, _ = await oauth_caller(world)
    world.clock.forward(seconds=28800 - 30)
    where = {"owner": "acme", "repo": "web"}
    replies = await asyncio.gather(*(agent.run("github.issue.list", where) for _ in range(10)))
    assert {reply.status for reply in replies} == {200}
    assert world.reached("github").count("POST /login/oauth/access_token") == 1


async def test_a_vendor_that_refuses_every_token_is_asked_twice_and_no_more(world: World) -> None:
    agent, _ = await oauth_caller(world)
    world.github.access.tokens.clear()
    issue = world.github.oauth.issue
    world.github.oauth.issue = lambda *what, **more: (issue(*what, **more), world.github.access.tokens.clear())[0]  # type: ignore[method-assign]
    for _ in range(2):
        reply = await agent.run("github.issue.list", {"owner": "acme", "repo": "web"})
        assert (reply.status, reply.code) == (424, "connection_unhealthy")
    assert len(world.reached("github")) == 2 + 1


async def test_a_dead_static_token_marks_the_connection_and_is_not_presented_again(world: World, bot: Caller) -> None:
    world.toy.dead_tokens.add("toy-token-9d81c2")
    reply = await bot.run("toy.order.create", {"item": "a"}, key="k1")
    assert (reply.status, reply.code) == (424, "connection_unhealthy")
    assert "/reconnect" in reply.body["hint"]
    assert world.reached() == ["POST /orders"]
    again = await bot.run("toy.order.create", {"item": "b"}, key="k2")
    assert again.code == "connection_unhealthy"
    assert world.reached() == ["POST /orders"]


async def test_the_trace_context_goes_along(world: World, bot: Caller) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    reply = await bot.run("toy.note.get", READ, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-00"})
    assert reply.headers["Gatehouse-Trace"] == trace
    assert world.toy.received[0].headers["traceparent"].split("-")[1] == trace


async def test_requests_at_once_share_one_refresh(world: World, bot: Caller) -> None:
    fetched: list[object] = []
    inner = world.gateway.store.get

    async def counted(where: Any) -> Any:
        fetched.append(where)
        await asyncio.sleep(0)
        return await inner(where)

    world.gateway.store.get = counted  # type: ignore[method-assign]
    replies: list[Reply] = await asyncio.gather(*(bot.run("toy.note.get", READ) for _ in range(20)))
    assert {reply.status for reply in replies} == {200}
    assert len(fetched) == 1


async def test_a_deadline_ends_waits_and_attempts(world: World, bot: Caller) -> None:
    world.toy.faults.add({"match": "GET /me", "fault": "500", "times": 99})
    reply = await bot.run("toy.odd.wait", {"name": "x"})
    assert reply.code == "upstream_unavailable"
    assert sum(world.clock.slept) < 2
    assert len(world.reached()) <= 4
