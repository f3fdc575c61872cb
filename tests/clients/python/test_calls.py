"""Calls, their retries and their waits, against a whole gateway."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gatehouse_client import (
    AskAPerson,
    FixTheCall,
    LookFirst,
    Patience,
    StillWaiting,
    TryLater,
    VendorRefused,
)
from tests.clients.road import Road
from tests.gateway.world import World

Connect = Callable[..., Any]
NOTE = {"box": "red", "text": "hello"}


async def test_an_action_is_an_attribute_and_its_fields_are_arguments(gh: Any, world: World) -> None:
    call = await gh.of(lambda gh: gh.toy.note.create(box="red", text="hello"))

    assert call.status == "succeeded"
    assert call.output["text"] == "hello"
    assert call.decision["effect"] == "allow"
    assert not call.replayed
    assert world.applied() == ["POST /boxes/red/notes"]


async def test_a_field_that_is_no_name_goes_into_a_mapping(gh: Any) -> None:
    call = await gh.of(lambda gh: gh.toy.note.create({"box": "red"}, text="both ways"))

    assert call.output["text"] == "both ways"


async def test_an_answer_that_was_lost_after_the_effect_is_fetched_again_and_one_record_is_made(
    gh: Any, road: Road, world: World
) -> None:
    road.faults.extend(["lose_answer"])

    call = await gh.of(lambda gh: gh.toy.note.create(**NOTE))

    assert call.replayed
    assert call.status == "succeeded"
    assert world.applied() == ["POST /boxes/red/notes"]
    assert len(road.keys()) == 2
    assert len(set(road.keys())) == 1


async def test_a_request_that_never_arrived_is_sent_again_under_the_same_key(
    gh: Any, road: Road, world: World, naps: list[float]
) -> None:
    road.faults.extend(["lose_request", "html", "lose_request"])

    call = await gh.of(lambda gh: gh.toy.note.create(**NOTE))

    assert not call.replayed
    assert world.applied() == ["POST /boxes/red/notes"]
    assert road.seen == 4
    assert len(naps) == 3


async def test_two_calls_have_two_keys(gh: Any, road: Road, world: World) -> None:
    for _ in range(2):
        await gh.of(lambda gh: gh.toy.note.create(**NOTE))

    assert len(set(road.keys())) == 2
    assert len(world.applied()) == 2


async def test_a_key_of_ones_own_finds_the_first_answer(gh: Any, world: World) -> None:
    first = await gh.of(lambda gh: gh.using(key="order-7").toy.note.create(**NOTE))
    again = await gh.of(lambda gh: gh.using(key="order-7").toy.note.create(**NOTE))

    assert (again.id, again.output) == (first.id, first.output)
    assert (first.replayed, again.replayed) == (False, True)
    assert len(world.applied()) == 1


async def test_tries_have_an_end_and_the_error_has_the_key_to_go_on_with(gh: Any, road: Road, world: World) -> None:
    road.faults.extend(["lose_answer"] * 6)

    with pytest.raises(TryLater) as caught:
        await gh.of(lambda gh: gh.toy.note.create(**NOTE))

    assert caught.value.code == "no_answer"
    assert road.seen == 6
    call = await gh.of(lambda gh: gh.using(key=caught.value.key).toy.note.create(**NOTE))
    assert call.replayed
    assert len(world.applied()) == 1


async def test_a_limit_is_waited_out_for_as_long_as_the_gateway_says(
    connect: Connect, world: World, naps: list[float]
) -> None:
    agent = await world.caller("slow", limits={"writes_per_minute": 1})
    gh = connect(world.gateway.url, agent.key, Patience(seconds=90, pause=0.01, wait=20))
    await gh.of(lambda gh: gh.toy.note.create(**NOTE))

    call = await gh.of(lambda gh: gh.toy.note.create(**NOTE))

    assert call.status == "succeeded"
    assert [59 < seconds <= 60.1 for seconds in naps] == [True]  # once, and the clock of the gateway moved so far
    assert len(world.applied()) == 2


async def test_a_limit_that_lasts_longer_than_one_waits_is_told_at_once(
    connect: Connect, world: World, naps: list[float]
) -> None:
    agent = await world.caller("slow", limits={"writes_per_minute": 1})
    gh = connect(world.gateway.url, agent.key)
    await gh.of(lambda gh: gh.toy.note.create(**NOTE))

    with pytest.raises(TryLater) as caught:
        await gh.of(lambda gh: gh.toy.note.create(**NOTE))

    assert caught.value.code == "rate_limited"
    assert 59 < caught.value.retry_after <= 60.1
    assert naps == []
    assert len(world.applied()) == 1


async def test_a_vendor_that_is_away_is_tried_again_for_as_often_as_one_wants(
    gh: Any, world: World, road: Road
) -> None:
    world.toy.faults.add({"match": "GET /boxes", "fault": "500", "times": 1000})

    with pytest.raises(TryLater) as caught:
        await gh.of(lambda gh: gh.toy.note.list(box="red"))

    assert caught.value.code in {"upstream_unavailable", "circuit_open"}
    assert caught.value.retryable
    assert 1 < road.seen <= 6
    assert len(set(road.keys())) == 1


async def test_a_call_that_runs_on_is_waited_for(gh: Any, world: World) -> None:
    started = await gh.of(lambda gh: gh.toy.note.create.start(**NOTE))
    ended = started if started.ended else await gh.of(lambda gh: gh.wait(started.id))

    assert ended.status == "succeeded"
    assert ended.output["text"] == "hello"
    assert len(world.applied()) == 1


async def test_a_call_waits_for_the_person_who_approves_it(connect: Connect, world: World) -> None:
    agent = await world.caller("asks", autonomy="approve")
    gh = connect(world.gateway.url, agent.key)
    call = asyncio.create_task(gh.of(lambda gh: gh.toy.note.create(**NOTE)))

    await world.decide(await parked(world))

    ended = await call
    assert ended.status == "succeeded"
    assert len(world.applied()) == 1


async def test_a_call_that_a_person_refuses_says_so_and_sends_nothing(connect: Connect, world: World) -> None:
    agent = await world.caller("asks", autonomy="approve")
    gh = connect(world.gateway.url, agent.key)
    call = asyncio.create_task(gh.of(lambda gh: gh.toy.note.create(**NOTE)))

    await world.decide(await parked(world), approve=False, comment="not now")

    with pytest.raises(AskAPerson) as caught:
        await call
    assert caught.value.code == "approval_denied"
    assert world.reached() == []


async def test_waiting_for_a_person_has_a_bound_and_the_call_stays(connect: Connect, world: World) -> None:
    agent = await world.caller("asks", autonomy="approve")
    gh = connect(world.gateway.url, agent.key, Patience(wait=0.2))

    with pytest.raises(StillWaiting) as caught:
        await gh.of(lambda gh: gh.toy.note.create(**NOTE))

    assert caught.value.code == "pending_approval"
    await world.decide(caught.value.call)
    ended = await gh.of(lambda gh: gh.wait(caught.value.call, seconds=20))
    assert ended.output["text"] == "hello"


async def test_a_parked_call_can_be_taken_back(connect: Connect, world: World) -> None:
    agent = await world.caller("asks", autonomy="approve")
    gh = connect(world.gateway.url, agent.key)
    started = await gh.of(lambda gh: gh.toy.note.create.start(**NOTE))
    assert started.status == "pending_approval"

    assert (await gh.of(lambda gh: gh.cancel(started.id))).status == "cancelled"

    with pytest.raises(AskAPerson) as caught:
        await gh.of(lambda gh: gh.wait(started.id))
    assert caught.value.code == "cancelled"
    assert world.reached() == []


async def test_a_preview_shows_the_requests_and_sends_none(gh: Any, world: World) -> None:
    preview = await gh.of(lambda gh: gh.toy.note.create.preview(**NOTE))

    assert [(sent["method"], sent["url"].rpartition("/boxes")[2]) for sent in preview.requests] == [
        ("POST", "/red/notes")
    ]
    assert preview.decision["effect"] == "allow"
    assert world.applied() == []


async def test_an_input_that_does_not_fit_says_where(gh: Any, road: Road, world: World) -> None:
    with pytest.raises(FixTheCall) as caught:
        await gh.of(lambda gh: gh.toy.note.create(box="red", colour="blue"))

    assert caught.value.code == "invalid_input"
    assert [fault["pointer"] for fault in caught.value.errors] == ["/colour"]
    assert "/colour" in str(caught.value)
    assert road.seen == 1
    assert world.reached() == []


async def test_what_the_vendor_refuses_has_the_vendors_words(gh: Any, road: Road) -> None:
    with pytest.raises(VendorRefused) as caught:
        await gh.of(lambda gh: gh.toy.note.get(box="red", id=99))

    assert caught.value.code == "upstream_not_found"
    assert caught.value.upstream["status"] == 404
    assert caught.value.call.startswith("call_")
    assert caught.value.trace
    assert road.seen == 1


async def test_an_effect_that_cannot_be_settled_is_not_repeated(gh: Any, road: Road, world: World) -> None:
    world.toy.faults.add({"match": "POST /boxes", "fault": "reset_after"})

    with pytest.raises(LookFirst) as caught:
        await gh.of(lambda gh: gh.toy.note.create(**NOTE))

    assert caught.value.code == "outcome_unknown"
    assert road.seen == 1
    assert len(world.applied()) == 1


async def test_an_action_without_a_grant_is_for_a_person_to_allow(connect: Connect, world: World) -> None:
    agent = await world.caller("reader", scopes=("toy:note:read",))
    gh = connect(world.gateway.url, agent.key)

    with pytest.raises(AskAPerson) as caught:
        await gh.of(lambda gh: gh.toy.note.create(**NOTE))

    assert caught.value.code == "scope_denied"
    assert "toy:note:write" in caught.value.hint
    assert world.reached() == []


async def test_one_of_several_connections_is_named(connect: Connect, world: World) -> None:
    agent = await world.agent("two")
    for name in ("toy/one", "toy/two"):
        await world.grant(agent, await world.connection(name))
    gh = connect(world.gateway.url, agent.key)

    with pytest.raises(FixTheCall) as caught:
        await gh.of(lambda gh: gh.toy.note.create(**NOTE))
    assert caught.value.code == "connection_ambiguous"
    call = await gh.of(lambda gh: gh.using(connection="toy/two").toy.note.create(**NOTE))

    assert call.connection == "toy/two"


async def test_the_actions_of_a_key_are_listed_and_described(connect: Connect, world: World) -> None:
    agent = await world.caller("reader", scopes=("toy:note:read",))
    gh = connect(world.gateway.url, agent.key)

    listed = await gh.of(lambda gh: gh.actions())
    full = await gh.of(lambda gh: gh.describe("toy.note.get"))

    assert {action.effect for action in listed} == {"read"}
    assert full.input_schema["required"] == ["box", "id"]


async def test_all_pages_of_a_list_are_gone_through(gh: Any, world: World) -> None:
    for number in range(10, 17):
        world.toy.notes[number] = {"id": number, "box": "Green", "text": str(number), "pin": "0"}

    items = await gh.of(lambda gh: gh.toy.note.list.items(box="green", limit=3))

    assert [item["id"] for item in items] == list(range(10, 17))
    assert len(world.reached()) == 3


async def test_items_that_were_cut_from_an_answer_are_read_too(gh: Any) -> None:
    items = await gh.of(lambda gh: gh.toy.note.count.items(count=500, size=2000))

    assert [item["id"] for item in items] == list(range(500))


async def test_a_large_output_is_read_in_parts(gh: Any) -> None:
    call = await gh.of(lambda gh: gh.toy.file.document(size=300_000))
    assert call.truncated

    parts = await gh.of(lambda gh: gh.output(call.id, "/text"))

    assert "".join(parts) == "é" * 300_000


async def test_a_file_goes_up_into_an_action_and_comes_down(gh: Any, world: World) -> None:
    file = await gh.of(lambda gh: gh.upload(b"\x00\x01 bytes", "image/png"))
    back = await gh.of(lambda gh: gh.download(file.id))

    assert (back.content, back.media_type) == (b"\x00\x01 bytes", "image/png")
    put = await gh.of(lambda gh: gh.toy.file.put(file=file.ref))
    assert put.status == "succeeded"
    assert world.toy.mails == [{"n": 8}]
    downloaded = (await gh.of(lambda gh: gh.toy.file.get(name="a"))).output
    assert (await gh.of(lambda gh: gh.download(downloaded))).content.startswith(b"\x89bytes of a")


async def parked(world: World) -> str:
    """Return the call that waits for a person, once there is one."""
    while True:
        found = await world.rows("SELECT call FROM approvals WHERE status='pending'")
        if found:
            return str(found[0][0])
        await asyncio.sleep(0)
