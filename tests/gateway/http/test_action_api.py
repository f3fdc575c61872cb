"""The routes of `/v1/actions`: what an agent may call, and what every answer looks like."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.sdk.errors import ActionError, SecretStoreUnavailable, concrete
from gateway.policy.decision import Allow, Decision, Deny
from tests.gateway.caller import Caller, Reply
from tests.gateway.world import World

NOTE = {"box": "red", "text": "hi"}
ISSUE = {"owner": "acme", "repo": "web", "title": "It is broken"}
MEMBERS = {"type", "title", "status", "detail", "code", "retryable"}
OPTIONAL = {"call", "retry_after_ms", "errors", "upstream", "hint", "applied"}


def check_problem(reply: Reply, code: str, status: int) -> None:
    assert reply.headers["Content-Type"] == "application/problem+json", reply.raw
    assert (reply.code, reply.status) == (code, status), reply.body
    assert reply.body.keys() >= MEMBERS
    assert reply.body.keys() <= MEMBERS | OPTIONAL
    assert reply.body["status"] == status
    assert reply.body["type"] == f"urn:gatehouse:problem:{code}"
    assert reply.headers["Gatehouse-Trace"]
    assert concrete(ActionError)[code].status == status


async def test_a_finished_call_answers_with_all_members_of_the_contract(bot: Caller) -> None:
    reply = await bot.run("github.issue.create", ISSUE, key="k1")
    assert reply.status == 200
    body = reply.body
    assert body.keys() == {
        *("id", "action", "status", "run", "connection", "output", "decision", "attempts", "replayed"),
        *("created_at", "duration_ms"),
    }
    assert body["action"] == "github.issue.create"
    assert body["status"] == "succeeded"
    assert body["connection"] == "github/main"
    assert body["output"]["title"] == "It is broken"
    assert body["decision"]["effect"] == "allow"
    assert isinstance(body["decision"]["risk"]["score"], int)
    assert [grant[:4] for grant in body["decision"]["grants"]] == ["grt_"]
    assert (body["attempts"], body["replayed"]) == (1, False)
    assert datetime.fromisoformat(body["created_at"]).tzinfo is not None
    assert body["created_at"].endswith("Z")
    assert len(body["id"]) == len("call_") + 26
    assert len(body["run"]) == len("run_") + 26
    assert reply.headers["Gatehouse-Call"] == body["id"]
    assert len(reply.headers["Gatehouse-Trace"]) == 32


async def test_a_list_has_items_and_a_cursor_that_leads_through_all_pages(bot: Caller) -> None:
    seen: list[str] = []
    path = "/v1/actions?connector=toy&limit=7"
    cursor: str | None = ""
    while cursor is not None:
        reply = await bot.get(path + (f"&cursor={cursor}" if cursor else ""))
        assert reply.status == 200, reply.body
        assert reply.body.keys() == {"items", "next_cursor"}
        assert len(reply.body["items"]) <= 7
        seen += [item["name"] for item in reply.body["items"]]
        cursor = reply.body["next_cursor"]
    assert seen == sorted(seen)
    assert "toy.note.create" in seen
    assert len(seen) == len(set(seen)) > 25


async def test_a_cursor_of_another_query_or_agent_is_refused(world: World, bot: Caller) -> None:
    cursor = (await bot.get("/v1/actions?limit=3")).body["next_cursor"]
    check_problem(await bot.get(f"/v1/actions?limit=4&cursor={cursor}"), "invalid_cursor", 400)
    check_problem(await bot.get(f"/v1/actions?limit=3&connector=toy&cursor={cursor}"), "invalid_cursor", 400)
    check_problem(await bot.get("/v1/actions?limit=3&cursor=abc"), "invalid_cursor", 400)
    other = await world.caller("other")
    check_problem(await other.get(f"/v1/actions?limit=3&cursor={cursor}"), "invalid_cursor", 400)


async def test_a_cursor_is_good_for_a_day(world: World, bot: Caller) -> None:
    cursor = (await bot.get("/v1/actions?limit=3")).body["next_cursor"]
    world.clock.forward(hours=23)
    assert (await bot.get(f"/v1/actions?limit=3&cursor={cursor}")).status == 200
    world.clock.forward(hours=2)
    check_problem(await bot.get(f"/v1/actions?limit=3&cursor={cursor}"), "invalid_cursor", 400)


async def test_the_list_shows_only_what_live_grants_give(world: World) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main")
    await world.grant(agent, link, "toy:note:read", expires_at=world.clock.now() + timedelta(hours=1))
    names = [item["name"] for item in (await agent.get("/v1/actions")).body["items"]]
    reads = ["count", "find", "get", "list", "search", "walk"]
    assert names == [f"toy.note.{verb}" for verb in reads]
    assert (await agent.get("/v1/actions/toy.note.get")).status == 200
    check_problem(await agent.get("/v1/actions/toy.note.create"), "action_not_found", 404)
    world.clock.forward(hours=1)
    assert (await agent.get("/v1/actions")).body["items"] == []


async def test_the_list_is_filtered_by_connector_effect_connection_and_words(bot: Caller) -> None:
    async def names(query: str) -> list[str]:
        return [item["name"] for item in (await bot.get(f"/v1/actions?limit=200&{query}")).body["items"]]

    assert all(name.startswith("github.") for name in await names("connector=github"))
    assert await names("effect=pay") == ["toy.payment.create", "toy.payment.refund"]
    assert await names("connection=toy/main") == await names("connector=toy")
    assert await names("connection=toy/none") == []
    assert (await names("q=open+an+issue"))[0] == "github.issue.create"
    assert await names("q=zzzz") == []


async def test_the_list_speaks_the_formats_of_tool_apis(bot: Caller) -> None:
    query = "/v1/actions?connector=toy&effect=pay&format="
    openai = (await bot.get(query + "openai")).body["items"][0]
    assert openai["type"] == "function"
    assert openai["function"]["name"] == "toy__payment__create"
    assert openai["function"]["parameters"]["additionalProperties"] is False
    anthropic = (await bot.get(query + "anthropic")).body["items"][0]
    assert anthropic.keys() == {"name", "description", "input_schema"}
    mcp = (await bot.get(query + "mcp")).body["items"][0]
    assert mcp["annotations"]["readOnlyHint"] is False
    assert mcp["annotations"]["destructiveHint"] is True
    assert mcp["outputSchema"]["properties"].keys() == {"id", "amount"}


async def test_full_and_single_descriptions_hold_schemas_and_facts(bot: Caller) -> None:
    one = (await bot.get("/v1/actions/toy.note.create?connection=toy/main")).body
    listed = (await bot.get("/v1/actions?connector=toy&fields=full&limit=200")).body["items"]
    assert one in listed
    assert one["scopes"] == ["toy:note:write"]
    assert one["effect"] == "create"
    assert one["idempotency"] == "Unknowable"
    assert one["undo"] == "toy.note.delete"
    assert one["input_schema"]["properties"].keys() == {"box", "text", "owner"}
    assert one["examples"] == [{"box": "red", "text": "Hello"}]
    assert one["custom_fields"] == {}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/actions?limit=0",
        "/v1/actions?limit=201",
        "/v1/actions?limit=x",
        "/v1/actions?fields=some",
        "/v1/actions?format=soap",
        "/v1/actions?effect=none",
        "/v1/actions?nonsense=1",
        "/v1/actions?limit=1&limit=2",
        "/v1/actions/toy.note.get?what=1",
    ],
)
async def test_a_bad_query_parameter_is_named(bot: Caller, path: str) -> None:
    reply = await bot.get(path)
    check_problem(reply, "invalid_input", 422)
    assert reply.body["errors"][0]["parameter"] in path


async def test_unknown_input_fields_are_refused_with_their_pointers(world: World, bot: Caller) -> None:
    reply = await bot.run("github.issue.create", ISSUE | {"titel": "x", "a/b~c": 1}, key="k1")
    check_problem(reply, "invalid_input", 422)
    assert sorted(map(str, reply.pointers)) == ["/a~1b~0c", "/titel"]
    nested = await bot.run("toy.file.put", {"file": {"file": "file_" + "0" * 26, "x": 1}}, key="k2")
    check_problem(nested, "invalid_input", 422)
    assert nested.pointers == ["/file/x"]
    assert world.reached("github") == []


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"owner": "acme", "repo": "web"}, "/title"),
        (ISSUE | {"title": 7}, "/title"),
        (ISSUE | {"labels": ["a", 3]}, "/labels/1"),
        (ISSUE | {"milestone": "3"}, "/milestone"),
        (ISSUE | {"repo": "we b"}, "/repo"),
    ],
)
async def test_what_does_not_fit_the_schema_is_refused_with_a_pointer(
    bot: Caller, value: dict[str, Any], pointer: str
) -> None:
    reply = await bot.run("github.issue.create", value, key="k1")
    check_problem(reply, "invalid_input", 422)
    assert reply.pointers == [pointer]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/actions"),
        ("GET", "/v1/actions/toy.note.get"),
        ("POST", "/v1/actions/toy.note.get"),
        ("POST", "/v1/actions/toy.note.get/preview"),
        ("GET", "/v1/calls/call_0"),
        ("POST", "/v1/calls/call_0/cancel"),
        ("GET", "/v1/calls/call_0/output"),
        ("POST", "/v1/files"),
        ("GET", "/v1/files/file_0"),
        ("POST", "/v1/runs"),
        ("GET", "/v1/runs/run_0"),
        ("POST", "/v1/runs/run_0/events"),
        ("POST", "/v1/runs/run_0/outcome"),
    ],
)
async def test_every_agent_route_refuses_who_shows_no_good_key(
    world: World, bot: Caller, method: str, path: str
) -> None:
    id, secret = bot.key.removeprefix("ghk_").split("_", 1)
    for bearer in (None, "x", bot.key[:-1] + "!", f"gha_{id}_{secret}", f"ghk_{'0' * 26}_{secret}"):
        reply = await bot.ask(method, path, {}, bearer=bearer)
        check_problem(reply, "unauthenticated", 401)
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        assert "RateLimit" not in reply.headers
    assert await world.rows("SELECT 1 FROM calls") == []
    assert world.reached() == []


async def test_other_schemes_and_two_credentials_are_no_credential(bot: Caller) -> None:
    check_problem(await bot.get("/v1/actions", Authorization=f"Basic {bot.key}"), "unauthenticated", 401)
    check_problem(await bot.get("/v1/actions", Authorization="Bearer"), "unauthenticated", 401)
    assert (await bot.get("/v1/actions", Authorization=f"bearer {bot.key}")).status == 200


async def test_a_key_ends_at_its_expiry_and_when_it_is_revoked(world: World) -> None:
    agent = await world.agent("late", expires_at=world.clock.now() + timedelta(minutes=5))
    assert (await agent.get("/v1/actions")).status == 200
    world.clock.forward(minutes=5)
    check_problem(await agent.get("/v1/actions"), "key_expired", 401)
    other = await world.agent("other")
    await world.update("agent_keys", other.key_id, revoked_at="2026-01-01T00:00:00.000Z")
    check_problem(await other.get("/v1/actions"), "unauthenticated", 401)
    gone = await world.agent("gone")
    await world.update("agents", gone.id, disabled_at="2026-01-01T00:00:00.000Z")
    check_problem(await gone.get("/v1/actions"), "unauthenticated", 401)


async def test_a_key_works_only_from_its_networks(world: World) -> None:
    near = await world.agent("near", cidrs=["127.0.0.0/8"])
    far = await world.agent("far", cidrs=["192.0.2.0/24"])
    assert (await near.get("/v1/actions")).status == 200
    check_problem(await far.get("/v1/actions"), "ip_not_allowed", 403)
    check_problem(await far.get("/v1/actions", **{"X-Forwarded-For": "192.0.2.1"}), "ip_not_allowed", 403)


async def test_behind_trusted_proxies_the_rightmost_untrusted_address_counts(
    make_world: Callable[..., Awaitable[World]],
) -> None:
    world = await make_world(trusted_proxies=["127.0.0.0/8", "198.51.100.0/24"])
    agent = await world.agent("far", cidrs=["192.0.2.0/24"])
    for chain, status in (
        ("192.0.2.1", 200),
        ("203.0.113.9, 192.0.2.1, 198.51.100.7", 200),
        ("192.0.2.1, 203.0.113.9", 403),
        ("192.0.2.1, nonsense", 403),
    ):
        assert (await agent.get("/v1/actions", **{"X-Forwarded-For": chain})).status == status, chain


async def test_ids_of_other_agents_tenants_and_environments_are_not_found(world: World, bot: Caller) -> None:
    made = await bot.run("toy.note.create", NOTE, key="k1")
    file = (await bot.ask("POST", "/v1/files", raw=b"x", headers={"Content-Type": "text/plain"})).body["id"]
    run = await bot.open_run()
    others = [
        await world.caller("neighbour"),
        await world.caller("cousin", environment="dev"),
        await world.caller("stranger", tenant="rival"),
    ]
    for other in others:
        check_problem(await other.look(made.call), "call_not_found", 404)
        check_problem(await other.get(f"/v1/calls/{made.call}/output"), "call_not_found", 404)
        check_problem(await other.ask("POST", f"/v1/calls/{made.call}/cancel"), "call_not_found", 404)
        check_problem(await other.get(f"/v1/files/{file}"), "not_found", 404)
        check_problem(await other.get(f"/v1/runs/{run}"), "run_not_found", 404)
        check_problem(await other.get(f"/v1/runs/{made.body['run']}"), "run_not_found", 404)
        event = {"type": "note", "data": {}}
        check_problem(await other.ask("POST", f"/v1/runs/{run}/events", event), "run_not_found", 404)
        outcome = {"result": "failed"}
        check_problem(await other.ask("POST", f"/v1/runs/{run}/outcome", outcome), "run_not_found", 404)
        check_problem(await other.run("toy.note.get", {"box": "red", "id": 1}, run=run), "run_not_found", 404)
        put = await other.run("toy.file.put", {"file": {"file": file}}, key="k1")
        check_problem(put, "not_found", 404)
        mine = await other.run("toy.note.create", NOTE, key="k1")
        assert mine.status == 200
        assert mine.body["replayed"] is False


async def test_an_unknown_action_names_near_ones(bot: Caller) -> None:
    reply = await bot.run("github.issues.create", ISSUE, key="k1")
    check_problem(reply, "action_not_found", 404)
    assert "github.issue.create" in reply.body["hint"]
    described = await bot.get("/v1/actions/github.issues.create")
    check_problem(described, "action_not_found", 404)
    assert "github." in described.body["hint"]


async def test_an_agent_without_a_connection_is_told_so(world: World) -> None:
    agent = await world.agent()
    check_problem(await agent.run("toy.note.get", {"box": "red", "id": 1}), "connection_required", 409)


async def test_a_connection_is_never_picked_silently(world: World, bot: Caller) -> None:
    second = await world.connection("toy/second")
    await world.grant(bot, second)
    reply = await bot.run("toy.note.get", {"box": "red", "id": 1})
    check_problem(reply, "connection_ambiguous", 409)
    assert "toy/main" in reply.body["detail"]
    assert "toy/second" in reply.body["detail"]
    for named in ("toy/second", second.id):
        found = await bot.run("toy.note.get", {"box": "red", "id": 1}, headers={"Gatehouse-Connection": named})
        assert found.body["connection"] == "toy/second"
    missing = await bot.run("toy.note.get", {"box": "red", "id": 1}, headers={"Gatehouse-Connection": "toy/third"})
    check_problem(missing, "connection_required", 409)


async def test_a_connection_of_another_agent_cannot_be_named(world: World, bot: Caller) -> None:
    hidden = await world.connection("toy/hidden")
    for named in ("toy/hidden", hidden.id):
        reply = await bot.run("toy.note.get", {"box": "red", "id": 1}, headers={"Gatehouse-Connection": named})
        check_problem(reply, "connection_required", 409)
    assert world.reached() == []


async def test_a_personal_connection_needs_its_actor_proved(world: World) -> None:
    agent = await world.agent()
    await world.grant(agent, await world.connection("toy/ann", owner_actor="ann"))
    reply = await agent.run("toy.note.get", {"box": "red", "id": 1}, headers={"Gatehouse-Actor": "ann"})
    check_problem(reply, "connection_required", 409)
    assert world.reached() == []


async def test_an_unhealthy_connection_says_how_it_is_mended(world: World) -> None:
    agent = await world.agent()
    sick = await world.connection("toy/sick", health="unhealthy", health_reason="its token was revoked")
    await world.grant(agent, sick)
    reply = await agent.run("toy.note.get", {"box": "red", "id": 1})
    check_problem(reply, "connection_unhealthy", 424)
    assert f"/connections/{sick.id}/reconnect" in reply.body["hint"]
    assert world.reached() == []


async def test_a_call_whose_vendor_scope_was_not_granted_is_refused_before_it_is_sent(world: World) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main", granted='["orders"]')
    await world.grant(agent, link)
    check_problem(await agent.run("toy.note.get", {"box": "red", "id": 1}), "connection_unhealthy", 424)
    assert world.reached() == []
    assert (await agent.run("toy.order.create", {"item": "a"}, key="k")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/runs", "POST"),
        ("HEAD", "/v1/actions", "GET"),
        ("DELETE", "/v1/actions/toy.note.get", "GET, POST"),
        ("PUT", "/v1/files", "POST"),
        ("HEAD", "/openapi.json", "GET"),
        ("POST", "/healthz", "GET"),
        ("PATCH", "/v1/calls/call_0", "GET"),
    ],
)
async def test_a_wrong_method_is_a_problem_and_names_the_right_ones(
    bot: Caller, method: str, path: str, allowed: str
) -> None:
    reply = await bot.ask(method, path)
    assert (reply.status, reply.headers["Allow"]) == (405, allowed)
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert "Gatehouse-Trace" in reply.headers
    if method != "HEAD":
        check_problem(reply, "method_not_allowed", 405)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/nothing", "/v2/actions", "/v1/actions/a/b/c", "/metrics"])
async def test_an_unknown_path_is_a_problem(bot: Caller, path: str) -> None:
    check_problem(await bot.get(path), "not_found", 404)


async def test_health_readiness_and_the_document_need_no_credential(bot: Caller) -> None:
    assert (await bot.ask("GET", "/healthz", bearer=None)).body == {"status": "ok"}
    ready = await bot.ask("GET", "/readyz", bearer=None)
    assert ready.body["checks"]["ledger"] == "ok"
    document = await bot.ask("GET", "/openapi.json", bearer=None)
    assert document.body["openapi"].startswith("3.1")
    assert document.headers["Gatehouse-Trace"]


@pytest.mark.parametrize(
    ("status", "code", "answered"),
    [
        (400, "upstream_rejected", 422),
        (422, "upstream_rejected", 422),
        (403, "upstream_forbidden", 403),
        (404, "upstream_not_found", 404),
        (410, "upstream_not_found", 404),
        (409, "upstream_conflict", 409),
        (412, "upstream_conflict", 409),
        (418, "upstream_rejected", 422),
    ],
)
async def test_a_refusal_of_the_vendor_keeps_what_it_said(bot: Caller, status: int, code: str, answered: int) -> None:
    for action, key in (("toy.odd.fail", None), ("toy.odd.refuse", "k1")):
        reply = await bot.run(action, {"status": status}, key=key)
        check_problem(reply, code, answered)
        assert reply.body["upstream"]["status"] == status
        assert reply.body["upstream"]["message"] == "you may not"
        assert reply.body["retryable"] is False
        assert reply.body["call"] == reply.call


async def test_a_read_of_a_failing_vendor_says_that_nothing_was_changed(bot: Caller, world: World) -> None:
    reply = await bot.run("toy.odd.fail", {"status": 500})
    check_problem(reply, "upstream_unavailable", 502)
    assert reply.body["retryable"] is True
    assert int(reply.headers["Retry-After"]) >= 1
    assert reply.body["retry_after_ms"] > 0
    assert world.reached() == ["GET /fail/500"] * 4


async def test_actor_confidence_and_reason_are_recorded_as_asserted(world: World, bot: Caller) -> None:
    headers = {"Gatehouse-Actor": "ann", "Gatehouse-Confidence": "0.75", "Gatehouse-Reason": "She asked."}
    reply = await bot.run("toy.note.create", NOTE, key="k1", headers=headers)
    assert reply.status == 200
    requested = next(data for type, data in await world.events(call=reply.call) if type == "call_requested")
    assert (requested["actor"], requested["confidence"], requested["reason"]) == ("ann", 0.75, "She asked.")
    timeline = (await bot.get(f"/v1/runs/{reply.body['run']}")).body
    assert timeline["actor"] == "ann"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Gatehouse-Confidence", "1.1"),
        ("Gatehouse-Confidence", "nan"),
        ("Gatehouse-Confidence", "much"),
        ("Gatehouse-Timeout", "0"),
        ("Gatehouse-Timeout", "-1"),
        ("Gatehouse-Timeout", "inf"),
        ("Gatehouse-Reason", "x" * 1025),
        ("Gatehouse-Reason", "caf\u00e9"),
        ("Gatehouse-Actor", "x" * 257),
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "a b"),
        ("Idempotency-Key", "x" * 256),
    ],
)
async def test_a_bad_header_is_named(world: World, bot: Caller, name: str, value: str) -> None:
    headers = {"Idempotency-Key": "k1"} | {name: value}
    reply = await bot.run("toy.note.create", NOTE, headers=headers)
    check_problem(reply, "malformed_request", 400)
    assert reply.pointers == [name]
    assert world.reached() == []


async def test_a_write_without_a_key_is_malformed_and_a_read_needs_none(world: World, bot: Caller) -> None:
    reply = await bot.run("toy.note.create", NOTE)
    check_problem(reply, "malformed_request", 400)
    assert reply.pointers == ["Idempotency-Key"]
    assert world.reached() == []
    assert (await bot.run("toy.note.get", {"box": "red", "id": 1})).status == 200


async def test_a_stopped_gateway_takes_the_calls_of_today_again(world: World, bot: Caller) -> None:
    first = await bot.run("toy.note.create", NOTE, key="k1")
    await world.restart()
    again = await bot.run("toy.note.create", NOTE, key="k1")
    assert again.body == first.body | {"replayed": True}
    assert datetime.now(UTC) > datetime.fromisoformat(first.body["created_at"])


async def test_a_store_of_credentials_that_does_not_answer_sends_nothing_and_keeps_no_key(
    world: World, bot: Caller
) -> None:
    async def unavailable(where: Any) -> Any:
        raise SecretStoreUnavailable("The store does not answer.", retry_after_ms=1000)

    get, world.gateway.store.get = world.gateway.store.get, unavailable  # type: ignore[method-assign]
    reply = await bot.run("toy.note.create", NOTE, key="k1")
    check_problem(reply, "secret_store_unavailable", 503)
    assert reply.body["retryable"] is True
    assert world.reached() == []
    assert await world.rows("SELECT 1 FROM claims") == []
    world.gateway.store.get = get  # type: ignore[method-assign]
    assert (await bot.run("toy.note.create", NOTE, key="k1")).status == 200


class Never:
    """A policy that refuses payments."""

    def judge(self, action: Any, rules: Any, risk: Any, resource: str | None) -> Decision:
        return Deny(("no payments on Sundays",)) if action.effect == "pay" else Allow()


async def test_a_policy_may_refuse_what_the_grants_allow(world: World, bot: Caller) -> None:
    world.gateway.pipeline._policies = [*world.gateway.pipeline._policies, Never()]
    reply = await bot.run("toy.payment.create", {"amount": "1"}, key="k1")
    check_problem(reply, "policy_denied", 403)
    assert "no payments on Sundays" in reply.body["detail"]
    assert world.reached() == []
    assert (await bot.look(reply.call)).body["status"] == "denied"
    assert (await bot.run("toy.note.create", NOTE, key="k1")).status == 200
