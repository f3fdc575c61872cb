"""Every action against the simulator, and every request that any of them sends against Zendesk's own description."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from connectors.sdk import Effect, Located, Native, Reconcile, Unbound
from connectors.zendesk import zendesk
from connectors.zendesk.simulator import ZendeskSimulator

NAMES = sorted(zendesk.actions)
WRITES = sorted(name for name, action in zendesk.actions.items() if action.writes)
FINDING = [name for name in WRITES if isinstance(zendesk.actions[name].idempotency, Reconcile)]
COMMENTS = ["zendesk.comment.create", "zendesk.comment.reply"]
CREATING = ["zendesk.ticket.create", "zendesk.ticket.create_public"]
Arrange = Callable[[ZendeskSimulator], dict[str, dict[str, Any]]]


def test_there_is_one_valid_input_for_every_action(simulator: ZendeskSimulator, arrange: Arrange) -> None:
    assert sorted(arrange(simulator)) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_an_action_succeeds_and_sends_one_effect_if_it_declares_one(
    name: str, simulator: ZendeskSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]

    output = await driver.run(name, given)

    effects = 1 if zendesk.actions[name].writes else 0
    assert zendesk.actions[name].output_adapter.dump_json(output)
    assert sum(request.effect for request in driver.sent) == effects
    assert len(simulator.applied) == effects


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", NAMES)
async def test_requests_and_answers_fit_zendesks_own_description(
    name: str, simulator: ZendeskSimulator, arrange: Arrange, driver: Any, description: Any
) -> None:
    given = arrange(simulator)[name]
    action = zendesk.actions[name]
    if isinstance(action.resource, Located):
        await driver.do(action.resource.read(driver.api(), action.input.model_validate(given, strict=False)))
    await driver.run(name, given)
    if name in FINDING:
        await driver.find(name, given)

    for request, response in driver.exchanges:
        if request.path.startswith("/attachments/token/"):
            continue  # an attachment's content is beside the API
        operation = description.check_request(request.method, request.path, request.query, request.body)
        if response.status < 400:
            description.check_response(operation, response.status, response.body)


@pytest.mark.parametrize("name", FINDING)
async def test_find_tells_nothing_before_and_the_same_output_after_the_effect(
    name: str, simulator: ZendeskSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]

    before = await driver.find(name, given)
    output = await driver.run(name, given)

    assert before is None
    assert await driver.find(name, given) == output


@pytest.mark.parametrize("name", FINDING)
async def test_find_sends_reads_only(name: str, simulator: ZendeskSimulator, arrange: Arrange, driver: Any) -> None:
    given = arrange(simulator)[name]
    await driver.run(name, given)
    driver.exchanges.clear()

    await driver.find(name, given)

    assert {request.method for request in driver.sent} == {"GET"}
    assert len(simulator.applied) == 1


@pytest.mark.parametrize("name", COMMENTS)
async def test_the_same_words_of_another_call_are_not_taken_for_ours(
    name: str, simulator: ZendeskSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]
    await driver.run(name, given, marker="f" * 32)

    assert await driver.find(name, given) is None


@pytest.mark.parametrize("name", COMMENTS)
async def test_a_comment_is_found_behind_many_that_came_later(
    name: str, simulator: ZendeskSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]
    first = await driver.run(name, given)
    for number in range(105):
        await driver.run("zendesk.comment.create", {"ticket_id": 1, "body": f"Note {number}"}, marker="e" * 32)

    assert await driver.find(name, given) == first


@pytest.mark.parametrize("name", COMMENTS)
async def test_comments_from_before_the_call_are_not_looked_into(
    name: str, simulator: ZendeskSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]
    await driver.run(name, given)
    driver.exchanges.clear()
    action = zendesk.actions[name]
    strategy: Any = action.idempotency

    found = await driver.do(strategy.find(driver.api(back=-timedelta(hours=1)), action.input.model_validate(given)))

    assert found is None
    assert len(driver.sent) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_no_output_shows_the_marker(
    name: str, simulator: ZendeskSimulator, arrange: Arrange, driver: Any
) -> None:
    cases = arrange(simulator)
    await driver.run("zendesk.comment.create", {"ticket_id": 1, "body": "Marked."})

    output = await driver.run(name, cases[name])

    assert b"0123456789abcdef" not in zendesk.actions[name].output_adapter.dump_json(output)


async def test_the_mark_is_in_the_metadata_and_not_in_the_text(
    simulator: ZendeskSimulator, arrange: Arrange, driver: Any
) -> None:
    arrange(simulator)

    await driver.run("zendesk.comment.reply", {"ticket_id": 1, "body": "Hello."})

    comment = simulator.world.tickets[1].comments[-1]
    assert (comment.body, comment.public) == ("Hello.", True)
    assert simulator.applied[0].marker == "0123456789abcdef" * 2


@pytest.mark.parametrize("name", [name for name in WRITES if "comment" in name or name in CREATING])
async def test_whether_a_comment_is_public_is_always_sent_and_never_left_to_the_ticket(
    name: str, simulator: ZendeskSimulator, arrange: Arrange, driver: Any
) -> None:
    await driver.run(name, arrange(simulator)[name])

    sent = orjson.loads(driver.sent[-1].body)["ticket"]["comment"]
    assert sent["public"] is (zendesk.actions[name].effect is Effect.SEND)


@pytest.mark.parametrize("name", CREATING)
async def test_a_ticket_is_created_once_under_a_key(
    name: str, simulator: ZendeskSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]
    assert isinstance(zendesk.actions[name].idempotency, Native)

    first = await driver.run(name, given)
    second = await driver.run(name, given)

    assert first == second
    assert len(simulator.applied) == 1
    assert [answer.headers["x-idempotency-lookup"] for _, answer in driver.exchanges] == ["miss", "hit"]


async def test_an_outdated_stamp_refuses_the_change(simulator: ZendeskSimulator, arrange: Arrange, driver: Any) -> None:
    from connectors.sdk import UpstreamConflict

    arrange(simulator)
    stale = {"ticket_id": 1, "if_updated_at": "2020-01-01T00:00:00Z"}

    for name, more in (
        ("ticket.update", {"status": "solved"}),
        ("ticket.assign", {"group_id": 360004}),
        ("ticket.add_tag", {"tags": ["x"]}),
        ("ticket.remove_tag", {"tags": ["printer"]}),
        ("comment.create", {"body": "x"}),
        ("comment.reply", {"body": "x"}),
    ):
        with pytest.raises(UpstreamConflict):
            await driver.run(f"zendesk.{name}", {**stale, **more})

    assert simulator.applied == []


async def test_the_stamp_that_was_read_lets_the_change_through(driver: Any) -> None:
    ticket = await driver.run("zendesk.ticket.get", {"ticket_id": 1})
    stamp = ticket.updated_at.isoformat()

    done = await driver.run("zendesk.ticket.update", {"ticket_id": 1, "priority": "low", "if_updated_at": stamp})

    assert done.priority == "low"


async def test_a_tickets_identity_is_its_brand_and_group(driver: Any, simulator: ZendeskSimulator) -> None:
    located: Any = zendesk.actions["zendesk.ticket.get"].resource
    action = zendesk.actions["zendesk.ticket.get"]
    brand, group = next(iter(simulator.world.brands)), next(iter(simulator.world.groups))

    found = await driver.do(located.read(driver.api(), action.input.model_validate({"ticket_id": 1})))

    assert found == f"brand/{brand}/group/{group}"


def test_only_what_no_grant_could_name_is_unbound() -> None:
    unbound = {name for name, action in zendesk.actions.items() if isinstance(action.resource, Unbound)}

    assert unbound == {
        "zendesk.attachment.create",
        "zendesk.job.get",
        "zendesk.ticket.restore",
        "zendesk.ticket.update_many",
    }
