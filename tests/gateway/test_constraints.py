"""Stages in their order, and constraints: what is refused is untouched."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.gateway.caller import Caller, Reply
from tests.gateway.world import World

NOTE = {"box": "red", "text": "hi"}


async def check_untouched(world: World, agent: Caller, reply: Reply, code: str) -> None:
    """Nothing was sent, fetched, claimed or counted, and the refusal is on record."""
    assert reply.code == code, reply.body
    assert world.reached() == []
    assert world.valve.sent == []
    assert world.gateway.tokens._entries == {}
    assert await world.rows("SELECT 1 FROM claims UNION SELECT 1 FROM intents") == []
    standings = world.gateway.allowances.standings(world.gateway.directory._known[agent.key_id].principal.agent)
    assert [standing.remaining for standing in standings] == [standing.policy.quota for standing in standings]
    assert (await world.rows("SELECT status, code FROM calls WHERE id=:id", id=reply.call))[0][1] == code
    types = [type for type, _ in await world.events(call=reply.call)]
    assert types[0] == "call_requested"
    assert types[-1] == "call_finished"
    assert (await world.verify()).intact


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"box": 1}', b'{"box":"red","x":1}', b"\xff", b'{"a":1,"a":2}'])
async def test_without_the_scope_nothing_is_learnt_of_the_inputs_shape(world: World, raw: bytes) -> None:
    agent = await world.caller(scopes=("toy:note:read",))
    reply = await agent.run("toy.note.create", raw=raw, key="k1")
    await check_untouched(world, agent, reply, "scope_denied")
    assert (reply.status, reply.body["retryable"]) == (403, False)
    assert "toy:note:write" in reply.body["hint"]
    assert "errors" not in reply.body


@pytest.mark.parametrize("scope", ["toy:note:read", "toy:note:delete", "toy:order:write"])
async def test_no_access_implies_another(world: World, scope: str) -> None:
    agent = await world.caller(scopes=(scope,))
    await check_untouched(world, agent, await agent.run("toy.note.create", NOTE, key="k"), "scope_denied")


async def test_an_expired_grant_gives_nothing(world: World) -> None:
    agent = await world.caller(expires_at=world.clock.now() + timedelta(hours=1))
    world.clock.forward(hours=1)
    await check_untouched(world, agent, await agent.run("toy.note.create", NOTE, key="k"), "scope_denied")


@pytest.mark.parametrize("box", ["red", "RED", "Red"])
async def test_resources_are_compared_in_their_canonical_spelling(world: World, box: str) -> None:
    agent = await world.caller(constraints={"resources": ["rEd"]})
    assert (await agent.run("toy.note.create", {"box": box}, key=box)).status == 200


@pytest.mark.parametrize(("owner", "repo"), [("ACME", "Web"), ("acme", "web.git"), ("Acme", "WEB.GIT")])
async def test_a_repository_is_the_same_in_any_case(world: World, owner: str, repo: str) -> None:
    agent = await world.caller(vendor="github", constraints={"resources": ["globex/*"]})
    value = {"owner": owner, "repo": repo, "title": "x"}
    reply = await agent.run("github.issue.create", value, key="k")
    assert reply.code == "constraint_denied"
    assert world.reached("github") == []
    other = await world.caller("other", vendor="github", constraints={"resources": ["Acme/Web"]})
    assert (await other.run("github.issue.list", {"owner": owner, "repo": "web"})).status == 200


@pytest.mark.parametrize("box", ["blue", "re", "redd", "red/blue", "*", "red ", " red", "ｒｅｄ"])
async def test_what_is_outside_the_resources_is_untouched(world: World, box: str) -> None:
    agent = await world.caller(constraints={"resources": ["red"]})
    reply = await agent.run("toy.note.create", {"box": box}, key="k")
    await check_untouched(world, agent, reply, "constraint_denied")
    assert "red" in reply.body["hint"]


async def test_an_action_without_a_resource_is_not_covered_by_a_grant_with_resources(world: World) -> None:
    agent = await world.caller(constraints={"resources": ["red"]})
    await check_untouched(
        world, agent, await agent.run("toy.order.create", {"item": "a"}, key="k"), "constraint_denied"
    )


async def test_all_grants_that_cover_a_call_apply_together(world: World) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main")
    await world.grant(agent, link, constraints={"resources": ["red"], "redacted_fields": ["text"]})
    await world.grant(agent, link, constraints={"resources": ["*"], "denied_fields": ["owner"]})
    await world.grant(agent, link, constraints={"resources": ["blue"]}, autonomy="shadow")
    red = await agent.run("toy.note.create", NOTE, key="k1")
    assert red.output["text"] == "[redacted]"
    assert len(red.body["decision"]["grants"]) == 2
    denied = await agent.run("toy.note.create", NOTE | {"owner": {"id": 1}}, key="k2")
    assert denied.code == "constraint_denied"
    assert (await agent.run("toy.note.create", {"box": "blue"}, key="k3")).body["status"] == "shadowed"
    assert (await agent.run("toy.note.create", {"box": "green"}, key="k4")).body["status"] == "succeeded"


async def test_denied_fields_are_refused_going_in_and_dropped_coming_out(world: World) -> None:
    world.toy.notes[1]["owner"] = {"id": 7, "email": "ann@acme.example"}
    agent = await world.caller(constraints={"denied_fields": ["owner.email", "pin"]})
    reply = await agent.run("toy.note.create", NOTE | {"owner": {"email": "x", "id": 1}}, key="k")
    await check_untouched(world, agent, reply, "constraint_denied")
    assert reply.pointers == ["/owner/email"]
    read = await agent.run("toy.note.get", {"box": "red", "id": 1})
    assert read.output["owner"] == {"id": 7}
    assert "pin" not in read.output


async def test_redacted_fields_are_masked_and_the_mask_is_not_written_back(world: World) -> None:
    agent = await world.caller(constraints={"redacted_fields": ["text"]})
    read = await agent.run("toy.note.get", {"box": "red", "id": 1})
    assert read.output["text"] == "[redacted]"
    listed = await agent.run("toy.note.list", {"box": "red"})
    assert [item["text"] for item in listed.output["items"]] == ["[redacted]"]
    back = await agent.run("toy.note.update", {"box": "red", "id": 1, "text": read.output["text"]}, key="k")
    assert back.code == "constraint_denied"
    assert back.pointers == ["/text"]
    assert world.applied() == []
    assert (await agent.run("toy.note.update", {"box": "red", "id": 1, "text": "new"}, key="k")).status == 200


async def test_redactions_hold_for_the_output_the_call_and_the_timeline(world: World) -> None:
    agent = await world.caller(constraints={"redacted_fields": ["text"]})
    reply = await agent.run("toy.note.get", {"box": "red", "id": 1})
    looked = await agent.look(reply.call)
    paged = await agent.get(f"/v1/calls/{reply.call}/output?pointer=/text")
    timeline = await agent.get(f"/v1/runs/{reply.body['run']}")
    assert paged.body["items"] == ["[redacted]"]
    for answer in (reply, looked, paged, timeline):
        assert b"first" not in answer.raw


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ({"to": ["ann@acme.example"]}, True),
        ({"to": ["Ann <ann@ACME.example>"], "cc": "bob@acme.example"}, True),
        ({"to": ["ann@acme.example", "eve@evil.example"]}, False),
        ({"to": ["ann@acme.example"], "cc": "eve@evil.example"}, False),
        ({"to": ["ann@acme.example.evil.example"]}, False),
        ({"to": ["ann@sub.acme.example"]}, False),
        ({"to": ["eve@evil.example <ann@acme.example>"]}, False),
        ({"to": ["ann@acme.example\neve@evil.example"]}, False),
        ({"to": ["ann"]}, False),
    ],
)
async def test_recipients_stay_within_the_domains(world: World, value: dict[str, Any], allowed: bool) -> None:
    agent = await world.caller(constraints={"recipient_domains": ["acme.example"]})
    reply = await agent.run("toy.mail.send", value, key="k")
    if allowed:
        assert reply.status == 200
    else:
        await check_untouched(world, agent, reply, "constraint_denied")


async def test_every_grants_domains_must_allow_every_recipient(world: World) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main")
    await world.grant(agent, link, constraints={"recipient_domains": ["acme.example", "globex.example"]})
    await world.grant(agent, link, constraints={"recipient_domains": ["acme.example"]})
    assert (await agent.run("toy.mail.send", {"to": ["a@globex.example"]}, key="k")).code == "constraint_denied"
    assert (await agent.run("toy.mail.send", {"to": ["a@acme.example"]}, key="k")).status == 200


async def test_a_send_that_does_not_name_its_recipients_is_refused_under_domains(world: World) -> None:
    agent = await world.caller(constraints={"recipient_domains": ["acme.example"]})
    await check_untouched(
        world, agent, await agent.run("toy.mail.broadcast", {"text": "x"}, key="k"), "constraint_denied"
    )


@pytest.mark.parametrize("amount", ["250.01", "1000", "-1", "1e2", "NaN", "", "0x10", "٣", "250,00"])
async def test_an_amount_over_the_grants_or_unreadable_is_refused(world: World, amount: str) -> None:
    agent = await world.caller(constraints={"max_amount": "250.00"})
    reply = await agent.run("toy.payment.create", {"amount": amount}, key="k")
    await check_untouched(world, agent, reply, "constraint_denied")
    assert reply.pointers == ["/amount"]


@pytest.mark.parametrize("amount", ["250", "250.000", "0.01", "0"])
async def test_an_amount_within_the_grants_is_paid(world: World, amount: str) -> None:
    agent = await world.caller(constraints={"max_amount": "250.00"})
    assert (await agent.run("toy.payment.create", {"amount": amount}, key="k")).status == 200


async def test_a_payment_that_does_not_name_its_amount_is_refused_under_a_bound(world: World) -> None:
    agent = await world.caller(constraints={"max_amount": "250.00"})
    await check_untouched(world, agent, await agent.run("toy.payment.refund", {}, key="k"), "constraint_denied")


async def test_records_are_counted_by_the_hour(world: World) -> None:
    agent = await world.caller(constraints={"max_records_per_hour": 60})
    assert (await agent.run("toy.note.tag", {"box": "red", "ids": list(range(50))}, key="k1")).status == 200
    over = await agent.run("toy.note.tag", {"box": "red", "ids": list(range(20))}, key="k2")
    assert (over.status, over.code) == (429, "rate_limited")
    assert over.body["retryable"] is True
    assert int(over.headers["Retry-After"]) == 600
    assert (await agent.run("toy.note.tag", {"box": "red", "ids": list(range(10))}, key="k3")).status == 200
    world.clock.forward(minutes=20)
    assert (await agent.run("toy.note.tag", {"box": "red", "ids": list(range(20))}, key="k2")).status == 200
    assert len(world.applied()) == 3


async def test_a_page_counts_as_many_records_as_it_may_bring(world: World) -> None:
    agent = await world.caller(constraints={"max_records_per_hour": 100})
    for status in (200, 200, 429):
        assert (await agent.run("toy.note.list", {"box": "red", "limit": 50})).status == status
    assert len(world.reached()) == 2


async def test_a_page_whose_length_the_vendor_decides_counts_as_what_it_may_bring(world: World) -> None:
    agent = await world.caller(constraints={"max_records_per_hour": 2})
    for status in (200, 200, 429):
        assert (await agent.run("toy.note.walk", {"box": "red"})).status == status
    assert len(world.reached()) == 2


async def test_a_cursor_without_a_limit_is_sealed_and_opened_too(world: World, bot: Caller) -> None:
    for text in ("a", "b"):
        assert (await bot.run("toy.note.create", {"box": "walk", "text": text}, key=text)).status == 200
    first = (await bot.run("toy.note.walk", {"box": "walk"})).output
    second = (await bot.run("toy.note.walk", {"box": "walk", "cursor": first["next_cursor"]})).output
    forged = await bot.run("toy.note.walk", {"box": "walk", "cursor": "1"})

    assert [first["items"][0]["text"], second["items"][0]["text"]] == ["a", "b"]
    assert second["next_cursor"] is None
    assert (forged.status, forged.code) == (400, "invalid_cursor")


async def test_one_call_over_the_whole_hourly_bound_is_refused_for_good(world: World) -> None:
    agent = await world.caller(constraints={"max_records_per_hour": 10})
    reply = await agent.run("toy.note.tag", {"box": "red", "ids": list(range(11))}, key="k")
    assert (reply.status, reply.code, reply.body["retryable"]) == (429, "rate_limited", False)
    assert "Retry-After" not in reply.headers


async def test_a_search_is_narrowed_before_it_is_sent(world: World) -> None:
    agent = await world.caller(constraints={"resources": ["RED"]})
    found = await agent.run("toy.note.search", {"q": "s"})
    assert [item["id"] for item in found.output["items"]] == [1]
    assert world.reached() == ["GET /search?q=s%20box%3Ared"]


async def test_every_item_of_a_search_is_checked_again_on_the_way_back(world: World) -> None:
    agent = await world.caller(constraints={"resources": ["red"]})
    found = await agent.run("toy.note.search", {"q": "s", "trusting": True})
    assert [item["box"] for item in found.output["items"]] == ["Red"]
    kept = str(await world.rows("SELECT 1")) and (await agent.look(found.call)).raw
    assert b"second" not in found.raw + kept


async def test_a_stored_search_is_cut_to_the_grants_of_today(world: World) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main")
    wide = await world.grant(agent, link)
    found = await agent.run("toy.note.search", {"q": "s"}, key="k")
    assert len(found.output["items"]) == 2
    await world.grant(agent, link, constraints={"resources": ["blue"]})
    await world.revoke(wide)
    for reply in (await agent.look(found.call), await agent.run("toy.note.search", {"q": "s"}, key="k")):
        assert [item["box"] for item in reply.output["items"]] == ["Blue"]
    paged = await agent.get(f"/v1/calls/{found.call}/output?pointer=/items")
    assert [item["box"] for item in paged.body["items"]] == ["Blue"]


async def test_github_searches_cannot_be_widened_from_within(world: World) -> None:
    agent = await world.caller(vendor="github", constraints={"resources": ["acme/web"]})
    for query in ("Welcome", "Welcome OR repo:globex/site", "repo:acme/api Welcome", "is:open user:globex"):
        reply = await agent.run("github.issue.search", {"q": query})
        assert reply.status == 200, reply.body
        assert all(item["repository"].lower() == "acme/web" for item in reply.output["items"])
    for query in ('Welcome"', "Welcome)", "(Welcome"):
        assert (await agent.run("github.issue.search", {"q": query})).code == "constraint_denied"


async def test_where_the_input_does_not_tell_the_resource_a_recorded_read_does(world: World) -> None:
    agent = await world.caller(constraints={"resources": ["red"]})
    run = await agent.open_run()
    allowed = await agent.run("toy.note.rewrite", {"id": 1, "text": "new"}, key="k1", run=run)
    assert allowed.status == 200
    denied = await agent.run("toy.note.rewrite", {"id": 2, "text": "new"}, key="k2", run=run)
    assert denied.code == "constraint_denied"
    assert world.reached() == ["GET /notes/1", "PUT /notes/1/box", "GET /notes/2"]
    assert world.applied() == ["PUT /notes/1/box"]
    types = [item["type"] for item in await agent.timeline(run)]
    assert types.count("upstream_request") == types.count("upstream_response") == 3
    assert await world.rows("SELECT 1 FROM claims WHERE key='k2'") == []


async def test_the_read_that_locates_is_charged(world: World) -> None:
    agent = await world.caller(constraints={"resources": ["red"]}, limits={"requests_per_minute": 3})
    for code in ("constraint_denied", "constraint_denied", "constraint_denied", "rate_limited"):
        assert (await agent.run("toy.note.rewrite", {"id": 2, "text": "x"}, key="k")).code == code
    assert world.reached() == ["GET /notes/2"] * 3


async def test_the_read_that_locates_is_recorded_for_replays_too(world: World) -> None:
    agent = await world.caller(constraints={"resources": ["red"]})
    first = await agent.run("toy.note.rewrite", {"id": 1, "text": "new"}, key="k1")
    run = await agent.open_run()
    again = await agent.run("toy.note.rewrite", {"id": 1, "text": "new"}, key="k1", run=run)
    assert again.body == first.body | {"replayed": True}
    assert [type for type, _ in await world.events(run=run)] == [
        "upstream_request",
        "upstream_response",
        "call_replayed",
    ]
    assert (await agent.get(f"/v1/runs/{run}")).status == 200


async def test_without_resources_nothing_is_located(world: World, bot: Caller) -> None:
    assert (await bot.run("toy.note.rewrite", {"id": 1, "text": "new"}, key="k1")).status == 200
    assert world.reached() == ["PUT /notes/1/box"]


async def test_a_resource_that_cannot_be_located_refuses_the_call(world: World) -> None:
    agent = await world.caller(constraints={"resources": ["red"]})
    reply = await agent.run("toy.note.rewrite", {"id": 99, "text": "x"}, key="k")
    assert reply.code == "upstream_not_found"
    assert world.applied() == []


async def test_a_grant_taken_back_holds_for_the_next_call_at_once(world: World) -> None:
    agent = await world.agent()
    grant = await world.grant(agent, await world.connection("toy/main"))
    calls = asyncio.gather(*(agent.run("toy.note.get", {"box": "red", "id": 1}) for _ in range(20)))
    await world.revoke(grant)
    await calls
    world.toy.received.clear()
    assert (await agent.run("toy.note.get", {"box": "red", "id": 1})).code in {"scope_denied", "connection_required"}
    assert world.reached() == []
