"""What a crash left is settled by what the action declares: native, natural, reconcile, safe, unknowable."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.gateway.caller import Caller
from tests.gateway.world import World

ORDER = {"item": "a"}


async def drop(world: World, bot: Caller, action: str, value: Any, part: str, when: str = "after") -> str:
    """Run a write under the key `k1`, drop the gateway before or after it was applied, return the call."""
    stop = world.valve.stop("POST", part, when)
    task = asyncio.create_task(bot.run(action, value, key="k1"))
    await stop.arrived.wait()
    await world.crash()
    with pytest.raises(aiohttp.ClientError):
        await task
    return await only_call(world)


async def only_call(world: World) -> str:
    return str((await world.behind("SELECT id FROM calls ORDER BY id DESC"))[0][0])


async def settled(bot: Caller, call: str) -> Any:
    for _ in range(100):
        found = (await bot.look(call, wait=5)).body
        if found["status"] != "running":
            return found
    raise AssertionError(found)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("action", "value", "path"),
    [
        ("toy.order.create", ORDER, "/orders"),
        ("toy.label.create", {"name": "bug"}, "/labels"),
        ("toy.copy.create", {"text": "x"}, "/copies"),
        ("toy.note.tag", {"box": "red", "ids": [1]}, "/boxes/red/tags"),
    ],
)
async def test_what_can_be_settled_happens_once(
    world: World, bot: Caller, action: str, value: Any, path: str, when: str
) -> None:
    call = await drop(world, bot, action, value, path, when)
    await world.start()
    found = await settled(bot, call)
    assert found["status"] == "succeeded", found
    safe = action == "toy.note.tag" and when == "after"
    assert world.applied() == [f"POST {path}"] * (2 if safe else 1)
    again = await bot.run(action, value, key="k1")
    assert again.body == found | {"replayed": True}
    assert (await world.verify()).intact


@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_nothing_at_the_vendor_tells_is_unknown_and_never_sent_again(
    world: World, bot: Caller, when: str
) -> None:
    value = {"box": "red", "text": "hi"}
    call = await drop(world, bot, "toy.note.create", value, "/boxes/red/notes", when)
    reached = world.reached()
    await world.start()
    found = await settled(bot, call)
    assert (found["status"], found["error"]["code"]) == ("outcome_unknown", "outcome_unknown")
    assert world.reached() == reached
    assert (await bot.run("toy.note.create", value, key="k1")).code == "outcome_unknown"
    await world.restart()
    assert (await bot.look(call)).body["status"] == "outcome_unknown"
    assert world.reached() == reached
    assert (await world.verify()).intact


async def test_an_effect_that_is_found_settles_its_call_without_a_send(world: World, bot: Caller) -> None:
    call = await drop(world, bot, "toy.copy.create", {"text": "x"}, "/copies")
    world.toy.received.clear()
    await world.start()
    found = await settled(bot, call)
    assert found["output"]["text"] == "x"
    assert world.reached() == ["GET /copies"]
    assert max(world.clock.slept, default=0) < 2


async def test_finding_nothing_permits_a_send_only_after_the_settle_time(world: World, bot: Caller) -> None:
    call = await drop(world, bot, "toy.copy.create", {"text": "x"}, "/copies", "before")
    await world.start()
    assert (await settled(bot, call))["status"] == "succeeded"
    assert sum(world.clock.slept) >= 5
    assert world.reached()[-2:] == ["GET /copies", "POST /copies"]
    assert world.reached().count("POST /copies") == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_inconsistent_read_that_finds_nothing_permits_no_send(world: World, bot: Caller, when: str) -> None:
    world.toy.copies_visible = False
    call = await drop(world, bot, "toy.copy.queue", {"text": "x"}, "/copies", when)
    posts = world.reached().count("POST /copies")
    await world.start()
    assert (await settled(bot, call))["status"] == "outcome_unknown"
    assert world.reached().count("POST /copies") == posts


async def test_an_unknown_outcome_is_settled_at_the_next_start_if_its_effect_shows(world: World, bot: Caller) -> None:
    world.toy.copies_visible = False
    call = await drop(world, bot, "toy.copy.queue", {"text": "x"}, "/copies")
    await world.start()
    assert (await settled(bot, call))["status"] == "outcome_unknown"
    world.toy.copies_visible = True
    await world.restart()
    for _ in range(200):
        found = (await bot.look(call)).body
        if found["status"] == "succeeded":
            break
        await asyncio.sleep(0.01)
    assert found["output"]["text"] == "x"
    assert world.reached().count("POST /copies") == 1
    assert (await world.verify()).intact


@pytest.mark.parametrize("fault", ["500", "html", "reset_before"])
@pytest.mark.parametrize("action", ["toy.copy.create", "toy.copy.queue"])
async def test_a_vendor_that_cannot_be_read_keeps_a_call_open_until_it_can(
    world: World, bot: Caller, action: str, fault: str
) -> None:
    call = await drop(world, bot, action, {"text": "x"}, "/copies")
    world.toy.faults.add({"match": "GET /copies", "fault": fault, "times": 9})
    await world.start()
    found = await settled(bot, call)
    assert (found["status"], found["output"]["text"]) == ("succeeded", "x")
    assert world.reached().count("POST /copies") == 1
    assert (await world.verify()).intact


async def test_a_vendor_that_stays_unreadable_leaves_the_outcome_to_an_operator(world: World, bot: Caller) -> None:
    call = await drop(world, bot, "toy.copy.create", {"text": "x"}, "/copies")
    world.toy.faults.add({"match": "GET /copies", "fault": "html", "times": 1_000_000})
    await world.start()
    found = await settled(bot, call)
    assert (found["status"], found["error"]["code"]) == ("outcome_unknown", "outcome_unknown")
    assert sum(world.clock.slept) >= 900
    assert world.reached().count("GET /copies") < 40
    assert world.reached().count("POST /copies") == 1


async def test_what_an_index_lists_only_later_is_looked_for_again(world: World, bot: Caller) -> None:
    world.toy.copies_visible = False
    call = await drop(world, bot, "toy.copy.queue", {"text": "x"}, "/copies")
    await world.start()
    while world.reached().count("GET /copies") < 2:
        await asyncio.sleep(0)
    world.toy.copies_visible = True
    found = await settled(bot, call)
    assert (found["status"], found["output"]["text"]) == ("succeeded", "x")
    assert world.reached().count("POST /copies") == 1


async def test_a_crash_while_the_settle_time_runs_starts_it_anew_and_sends_once(world: World, bot: Caller) -> None:
    call = await drop(world, bot, "toy.copy.create", {"text": "x"}, "/copies", "before")
    for _ in range(2):
        world.clock.hold()
        await world.start()
        while not world.clock.held:
            await asyncio.sleep(0.01)
        await world.crash()
        assert world.reached().count("POST /copies") == 0
    world.clock.slept.clear()
    world.clock.release()
    await world.start()
    assert (await settled(bot, call))["status"] == "succeeded"
    assert sum(world.clock.slept) >= 5
    assert world.reached().count("POST /copies") == 1
    assert (await world.verify()).intact


async def test_in_the_same_process_an_effect_is_looked_for_while_the_vendor_cannot_be_read(
    world: World, bot: Caller
) -> None:
    world.toy.faults.add({"match": "POST /copies", "fault": "reset_after"})
    world.toy.faults.add({"match": "GET /copies", "fault": "html", "times": 12})
    reply = await bot.run("toy.copy.create", {"text": "x"}, key="k1")
    assert reply.status == 200, reply.body
    assert world.applied() == ["POST /copies"]


async def test_a_vendors_key_is_not_trusted_outside_its_window(world: World, bot: Caller) -> None:
    call = await drop(world, bot, "toy.order.create", ORDER, "/orders")
    world.clock.forward(hours=25)
    world.toy.orders.clear()
    await world.start()
    assert (await settled(bot, call))["status"] == "outcome_unknown"
    assert world.applied() == ["POST /orders"]


async def test_within_the_window_the_same_key_is_sent_again(world: World, bot: Caller) -> None:
    call = await drop(world, bot, "toy.order.create", ORDER, "/orders")
    world.clock.forward(hours=23)
    await world.start()
    found = await settled(bot, call)
    keys = [received.headers["toy-idempotency"] for received in world.toy.received]
    assert keys == [found["output"]["key"]] * 2
    assert world.applied() == ["POST /orders"]


async def test_a_unique_field_of_somebody_elses_record_is_not_ours(world: World, bot: Caller) -> None:
    call = await drop(world, bot, "toy.label.create", {"name": "bug", "color": "red"}, "/labels", "before")
    world.toy.labels["bug"] = {"id": 1, "name": "bug", "color": "blue"}
    await world.start()
    found = await settled(bot, call)
    assert (found["status"], found["error"]["code"]) == ("failed", "upstream_rejected")


async def test_a_restart_sends_nothing_again_where_somebody_else_acted_in_between(world: World, bot: Caller) -> None:
    call = await drop(world, bot, "toy.label.create", {"name": "bug"}, "/labels", "before")
    world.toy.labels["bug"] = {"id": 1, "name": "bug", "color": "repainted"}
    await world.start()
    found = await settled(bot, call)
    assert (found["status"], found["error"]["code"]) == ("outcome_unknown", "outcome_unknown")
    assert world.applied() == []


async def test_two_effects_under_a_vendors_key_have_keys_of_their_own(world: World, bot: Caller) -> None:
    reply = await bot.run("toy.order.bill", ORDER, key="k1")
    assert reply.status == 200, reply.body
    assert world.applied() == ["POST /orders", "POST /invoices"]
    keys = [received.headers["toy-idempotency"] for received in world.toy.received]
    assert len(set(keys)) == 2
    assert [tuple(row) for row in await world.rows("SELECT step, name, state FROM intents ORDER BY step")] == [
        (1, "order", "settled"),
        (2, "invoice", "settled"),
    ]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("part", ["/orders", "/invoices"])
async def test_a_crash_at_either_of_two_effects_under_a_vendors_key_applies_each_once(
    world: World, bot: Caller, part: str, when: str
) -> None:
    call = await drop(world, bot, "toy.order.bill", ORDER, part, when)
    await world.start()
    assert (await settled(bot, call))["status"] == "succeeded"
    assert world.applied() == ["POST /orders", "POST /invoices"]


@pytest.mark.parametrize(("part", "when"), [("/attach", "before"), ("/uploads", "after")])
async def test_a_call_of_two_effects_that_came_half_way_is_unknown(
    world: World, bot: Caller, part: str, when: str
) -> None:
    value = {"name": "a", "to": "b"}
    stop = world.valve.stop("POST", part, when)
    task = asyncio.create_task(bot.run("toy.parcel.send", value, key="k1"))
    await stop.arrived.wait()
    await world.crash()
    with pytest.raises(aiohttp.ClientError):
        await task
    call = await only_call(world)
    if part == "/uploads":
        world.toy.uploads.clear()
        world.toy.applied.clear()
    await world.start()
    found = await settled(bot, call)
    if part == "/attach":
        assert found["status"] == "outcome_unknown"
        assert world.applied() == ["POST /uploads"]
    else:
        assert found["status"] == "succeeded"


async def test_a_call_of_two_effects_that_is_found_whole_is_settled(world: World, bot: Caller) -> None:
    call = await drop(world, bot, "toy.parcel.send", {"name": "a", "to": "b"}, "/attach")
    await world.start()
    found = await settled(bot, call)
    assert found["output"] == {"id": 101, "name": "a", "attached": "b"}
    assert world.applied() == ["POST /uploads", "POST /uploads/101/attach"]


async def test_a_read_that_a_crash_cut_off_has_changed_nothing_and_gives_its_key_back(
    world: World, bot: Caller
) -> None:
    stop = world.valve.stop("GET", "/boxes", "after")
    headers = {"Prefer": "respond-async"}
    first = await bot.run("toy.note.get", {"box": "red", "id": 1}, key="r1", headers=headers)
    await stop.arrived.wait()
    await world.crash()
    await world.start()
    found = await settled(bot, first.call)
    assert (found["status"], found["error"]["retryable"]) == ("failed", True)
    assert (await bot.run("toy.note.get", {"box": "red", "id": 1}, key="r1")).status == 200


async def test_queued_calls_run_after_a_crash(world: World, bot: Caller) -> None:
    stop = world.valve.stop("POST", "/orders")
    calls = [
        (await bot.run("toy.order.create", {"item": str(n)}, key=f"k{n}", headers={"Prefer": "respond-async"})).call
        for n in range(5)
    ]
    await stop.arrived.wait()
    await world.crash()
    await world.start()
    for call in calls:
        assert (await settled(bot, call))["status"] == "succeeded"
    assert world.applied() == ["POST /orders"] * 5
    assert len({applied.body_sha256 for applied in world.toy.applied}) == 5


async def test_a_freeze_holds_recovery_until_it_is_lifted(world: World, bot: Caller) -> None:
    freeze = await world.freeze("connector", "toy")
    await world.lift(freeze)
    call = await drop(world, bot, "toy.copy.create", {"text": "x"}, "/copies", "before")
    world.clock.slept.clear()
    await world.behind("UPDATE freezes SET lifted_at=NULL")
    await world.start()
    while len(world.clock.slept) < 3:
        await asyncio.sleep(0.01)
    assert world.reached() == []
    await world.lift(freeze)
    assert (await settled(bot, call))["status"] == "succeeded"


@pytest.mark.parametrize("autonomy", ["shadow", "approve"])
async def test_recovery_sends_nothing_that_today_would_not_be_allowed(world: World, autonomy: str) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main")
    grant = await world.grant(agent, link)
    await drop(world, agent, "toy.order.create", ORDER, "/orders", "before")
    call = await only_call(world)
    await world.behind("UPDATE grants SET autonomy=:autonomy WHERE id=:id", autonomy=autonomy, id=grant)
    reached = world.reached()
    await world.start()
    assert (await settled(agent, call))["status"] == "outcome_unknown"
    assert world.reached() == reached


async def test_recovery_of_a_call_whose_grant_was_taken_back_is_unknown(world: World) -> None:
    agent = await world.agent()
    link = await world.connection("toy/main")
    grant = await world.grant(agent, link)
    await drop(world, agent, "toy.order.create", ORDER, "/orders")
    await world.behind("UPDATE grants SET revoked_at='2026-01-01T00:00:00.000Z' WHERE id=:id", id=grant)
    reached = world.reached()
    await world.start()
    for _ in range(200):
        status = (await world.rows("SELECT status FROM calls"))[0][0]
        if status != "running":
            break
        await asyncio.sleep(0.01)
    assert status == "outcome_unknown"
    assert world.reached() == reached


async def test_one_call_that_cannot_be_opened_keeps_no_other_from_being_settled(world: World, bot: Caller) -> None:
    await drop(world, bot, "toy.order.create", {"item": "bad"}, "/orders")
    bad = await only_call(world)
    await world.start()
    await settled(bot, bad)
    stop = world.valve.stop("POST", "/orders", "after")
    tasks = [asyncio.create_task(bot.run("toy.order.create", {"item": n}, key=n)) for n in ("x", "y")]
    await stop.arrived.wait()
    while (await world.rows("SELECT COUNT(*) FROM calls WHERE status='running'"))[0][0] < 2:
        await asyncio.sleep(0)
    await world.crash()
    await asyncio.gather(*tasks, return_exceptions=True)
    broken, good = [row[0] for row in await world.behind("SELECT id FROM calls WHERE status='running' ORDER BY id")]
    await world.behind("UPDATE calls SET request=:bad WHERE id=:id", bad=bytes.fromhex("0100010203"), id=broken)
    await world.start()
    assert (await settled(bot, good))["status"] == "succeeded"


async def test_in_the_same_process_an_unanswered_effect_is_settled_by_its_strategy(world: World, bot: Caller) -> None:
    world.toy.faults.add({"match": "POST /", "fault": "reset_after", "times": 4})
    for action, value in (
        ("toy.order.create", ORDER),
        ("toy.label.create", {"name": "bug"}),
        ("toy.copy.create", {"text": "x"}),
    ):
        reply = await bot.run(action, value, key=action)
        assert reply.status == 200, reply.body
    assert world.applied() == ["POST /orders", "POST /labels", "POST /copies"]


async def test_in_the_same_process_what_cannot_be_settled_is_unknown(world: World, bot: Caller) -> None:
    world.toy.copies_visible = False
    world.toy.faults.add({"match": "POST /", "fault": "reset_before", "times": 4})
    for action, value in (
        ("toy.copy.create", {"text": "x"}),
        ("toy.copy.queue", {"text": "x"}),
        ("toy.note.create", {"box": "red"}),
        ("toy.mail.send", {"to": ["a@acme.example"]}),
    ):
        reply = await bot.run(action, value, key=action)
        assert (reply.status, reply.code, reply.body["retryable"]) == (502, "outcome_unknown", False)
        assert reply.body["hint"]
    assert world.applied() == []
    assert [received.fault for received in world.toy.received if received.method == "POST"] == ["reset_before"] * 4


@pytest.mark.parametrize("action", ["toy.odd.stumble", "toy.odd.trip"])
async def test_a_fault_of_a_connector_ends_its_call_and_is_recorded(world: World, bot: Caller, action: str) -> None:
    reply = await bot.run(action, {"name": "x"}, key="k1")
    expected = {"toy.odd.stumble": (502, "outcome_unknown"), "toy.odd.trip": (500, "internal")}
    assert (reply.status, reply.code) == expected[action]
    assert b"not there" not in reply.raw
    assert b"Traceback" not in reply.raw
    looked = (await bot.look(reply.call)).body
    assert looked["error"]["code"] == reply.code
    assert (await world.rows("SELECT COUNT(*) FROM calls WHERE status='running'"))[0][0] == 0
    assert (await world.verify()).intact


async def test_an_effect_is_only_sent_when_its_intent_is_on_disk(world: World, bot: Caller) -> None:
    stop = world.valve.stop("POST", "/orders")
    task = asyncio.create_task(bot.run("toy.order.create", ORDER, key="k1"))
    await stop.arrived.wait()
    assert [tuple(row) for row in await world.rows("SELECT step, state FROM intents")] == [(1, "open")]
    assert [tuple(row) for row in await world.rows("SELECT key, expires_at FROM claims")] == [("k1", None)]
    assert [type for type, _ in await world.events()] == ["call_requested", "decision", "upstream_request"]
    stop.release()
    assert (await task).status == 200
