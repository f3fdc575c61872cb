"""Every action against the simulator, which refuses what Salesforce would refuse."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from connectors.salesforce import salesforce
from connectors.salesforce.simulator import SalesforceSimulator
from connectors.sdk import Effect, NaturalKey, Reconcile, Unbound, UpstreamConflict
from connectors.sdk.errors import OutcomeUnknown

NAMES = sorted(salesforce.actions)
WRITES = sorted(name for name, action in salesforce.actions.items() if action.writes)
FINDING = [name for name in WRITES if isinstance(salesforce.actions[name].idempotency, Reconcile | NaturalKey)]
UPSERTS = ["account.upsert", "contact.upsert", "lead.upsert", "record.upsert"]
CREATES = ["case.create", "opportunity.create", "record.create", "task.create"]
Arrange = Callable[[SalesforceSimulator], dict[str, dict[str, Any]]]
PLACES = {
    "record.update": ("id", "Contact"),
    "case.update": ("case", "Case"),
    "opportunity.update_stage": ("opportunity", "Opportunity"),
    "task.complete": ("task", "Task"),
}
KEY = {"field": "Gateway_Key__c", "value": "crm-7"}


def test_there_is_one_valid_input_for_every_action(simulator: SalesforceSimulator, arrange: Arrange) -> None:
    assert sorted(arrange(simulator)) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_an_action_succeeds_and_sends_one_effect_if_it_declares_one(
    name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]

    output = await driver.run(name, given)

    effects = 1 if salesforce.actions[name].writes else 0
    assert salesforce.actions[name].output_adapter.dump_json(output)
    assert sum(request.effect for request in driver.sent) == effects
    assert len(simulator.applied) == effects


@pytest.mark.parametrize("name", NAMES)
async def test_all_that_is_sent_lies_under_the_one_version(
    name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any
) -> None:
    await driver.run(name, arrange(simulator)[name])

    assert all(
        request.path.startswith("/services/data/v67.0") or request.path == "/services/oauth2/userinfo"
        for request in driver.sent
    )


@pytest.mark.parametrize("name", FINDING)
async def test_find_tells_nothing_before_and_the_record_after_the_effect(
    name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]

    before = await driver.find(name, given)
    output = await driver.run(name, given)

    assert before is None
    assert await driver.find(name, given) == output


@pytest.mark.parametrize("name", FINDING)
async def test_find_sends_reads_only(name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any) -> None:
    given = arrange(simulator)[name]
    await driver.run(name, given)
    driver.exchanges.clear()

    await driver.find(name, given)

    assert {request.method for request in driver.sent} == {"GET"}
    assert len(simulator.applied) == 1


def test_no_action_is_sent_again_because_a_read_found_nothing() -> None:
    strategies = [salesforce.actions[name].idempotency for name in WRITES]

    assert {one.consistent for one in strategies if isinstance(one, Reconcile)} == {False}
    assert {name for name in WRITES if isinstance(salesforce.actions[name].idempotency, NaturalKey)} == {
        f"salesforce.{name}" for name in (*UPSERTS, "record.upsert_many")
    }


def test_what_leaves_the_company_is_told_from_what_stays() -> None:
    assert {name for name in NAMES if salesforce.actions[name].effect is Effect.SEND} == {"salesforce.case.reply"}


def test_only_what_no_grant_could_name_is_unbound() -> None:
    unbound = {name for name, action in salesforce.actions.items() if isinstance(action.resource, Unbound)}

    assert unbound == {"salesforce.org.get_limits", "salesforce.user.me"}


@pytest.mark.parametrize("name", CREATES)
async def test_a_record_of_somebody_else_with_the_same_key_is_not_ours(
    name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[f"salesforce.{name}"]
    made = await driver.run(f"salesforce.{name}", given)
    row = simulator.world.find(made.id)
    assert row is not None
    row.values["CreatedById"] = [one.id for one in simulator.world.of("User")][1]

    assert await driver.find(f"salesforce.{name}", given) is None


@pytest.mark.parametrize("name", CREATES)
async def test_a_record_from_before_the_call_is_not_ours(
    name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[f"salesforce.{name}"]
    await driver.run(f"salesforce.{name}", given)
    action = salesforce.actions[f"salesforce.{name}"]
    strategy: Any = action.idempotency

    later = driver.api(back=-timedelta(hours=1))

    assert await driver.do(strategy.find(later, action.input.model_validate_json(orjson.dumps(given)))) is None


@pytest.mark.parametrize("name", CREATES)
async def test_without_a_key_nothing_is_looked_for(
    name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[f"salesforce.{name}"]
    del given["key"]
    await driver.run(f"salesforce.{name}", given)
    driver.exchanges.clear()

    assert await driver.find(f"salesforce.{name}", given) is None
    assert driver.sent == []


@pytest.mark.parametrize("name", CREATES)
async def test_what_was_created_is_found_even_where_somebody_deleted_it(
    name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[f"salesforce.{name}"]
    made = await driver.run(f"salesforce.{name}", given)
    await driver.run("salesforce.record.delete", {"object": made.object, "id": made.id})

    assert await driver.find(f"salesforce.{name}", given) == made


@pytest.mark.parametrize("name", UPSERTS)
async def test_an_upsert_that_somebody_changed_since_is_not_sent_again(
    name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[f"salesforce.{name}"]
    await driver.run(f"salesforce.{name}", given)
    row = next(
        row for row in simulator.world.rows.values() if row.values.get("Gateway_Key__c") == given["key"]["value"]
    )
    row.values |= {"Name": "Somebody's", "LastName": "Somebody's"}

    with pytest.raises(OutcomeUnknown):
        await driver.find(f"salesforce.{name}", given)


@pytest.mark.parametrize("name", UPSERTS)
async def test_an_upsert_that_somebody_deleted_since_is_not_sent_again(
    name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[f"salesforce.{name}"]
    made = await driver.run(f"salesforce.{name}", given)
    await driver.run("salesforce.record.delete", {"object": made.object, "id": made.id})

    with pytest.raises(OutcomeUnknown):
        await driver.find(f"salesforce.{name}", given)


@pytest.mark.parametrize("name", CREATES)
async def test_a_record_that_an_earlier_call_has_just_made_is_not_ours(
    name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[f"salesforce.{name}"]
    await driver.run(f"salesforce.{name}", given)
    change = {
        "case.create": {"subject": "Another"},
        "opportunity.create": {"amount": "1"},
        "record.create": {"fields": {"Name": "INV-2", "Amount__c": 7}},
        "task.create": {"subject": "Another"},
    }

    assert await driver.find(f"salesforce.{name}", {**given, **change[name]}) is None


async def test_an_upsert_is_not_done_because_an_earlier_call_made_the_record(
    simulator: SalesforceSimulator, driver: Any
) -> None:
    key = {"field": "Gateway_Key__c", "value": "crm-99"}
    await driver.run("salesforce.account.upsert", {"key": key, "name": "First"})

    with pytest.raises(OutcomeUnknown):
        await driver.find("salesforce.account.upsert", {"key": key, "name": "Second"})


@pytest.mark.parametrize("name", UPSERTS)
async def test_as_many_upserts_as_you_like_make_one_record(
    name: str, simulator: SalesforceSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[f"salesforce.{name}"]

    made = [await driver.run(f"salesforce.{name}", given) for _ in range(3)]

    assert len({one.id for one in made}) == 1
    assert [one.created for one in made[1:]] == [False, False]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("record.update", {"object": "Contact", "fields": {"Phone": "+49"}}),
        ("case.update", {"status": "Closed"}),
        ("opportunity.update_stage", {"stage": "Closed Won"}),
        ("task.complete", {}),
    ],
)
@pytest.mark.parametrize(("stamp", "refused"), [("2020-01-01T00:00:00Z", True), ("2036-01-01T00:00:00Z", False)])
async def test_a_record_that_was_changed_since_it_was_read_is_left_alone(
    name: str, more: dict[str, Any], stamp: str, refused: bool, simulator: SalesforceSimulator, driver: Any
) -> None:
    member, kind = PLACES[name]
    given = {member: next(simulator.world.of(kind)).id, **more, "if_unmodified_since": stamp}

    with pytest.raises(UpstreamConflict, match="412") if refused else nullcontext():
        await driver.run(f"salesforce.{name}", given)

    assert len(simulator.applied) == (0 if refused else 1)


async def test_assignment_rules_run_only_where_somebody_asks(driver: Any) -> None:
    for assign in (False, True):
        await driver.run("salesforce.case.create", {"subject": "x", "assign": assign})

    assert [dict(request.headers)["sforce-auto-assign"] for request in driver.sent] == ["FALSE", "TRUE"]


async def test_a_value_with_a_dot_or_a_slash_is_never_part_of_a_path(
    simulator: SalesforceSimulator, driver: Any
) -> None:
    for value in ("price.inc", "a/b", "50%"):
        given = {"object": "Account", "key": {**KEY, "value": value}, "fields": {"Name": "X"}}
        made = await driver.run("salesforce.record.upsert", given)
        row = simulator.world.find(made.id)
        assert row is not None
        assert row.values["Gateway_Key__c"] == value

    assert {request.path for request in driver.sent} == {
        "/services/data/v67.0/composite/sobjects/Account/Gateway_Key__c"
    }


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("record.create", {"object": "Account", "fields": {"attributes": "User"}}),
        ("record.create", {"object": "Account", "fields": {"Attributes": "User"}}),
        ("record.create", {"object": "Account", "fields": {"Id": "001000000000001AAA"}}),
        ("record.create", {"object": "Account", "fields": {"Name": {"attributes": {"type": "User"}}}}),
        ("record.create", {"object": "Account/../User", "fields": {"Name": "x"}}),
        ("record.create", {"object": "Account", "fields": {"Name": "x", "gateway_key__c": "y"}, "key": KEY}),
        ("record.upsert", {"object": "Account", "fields": {"gateway_key__c": "y"}, "key": KEY}),
        ("record.update", {"object": "Account", "id": "001000000000001AAA", "fields": {}}),
        ("record.update", {"object": "Account", "id": "../User/005", "fields": {"Name": "x"}}),
        ("record.create_many", {"object": "Lead", "records": [{"LastName": "x"}]}),
        (
            "record.create_many",
            {"object": "Lead", "records": [{"LastName": "x"}], "key_field": "K__c", "all_or_none": True},
        ),
        (
            "record.upsert_many",
            {"object": "Lead", "records": [{"K__c": "a"}, {"k__c": "A"}], "key_field": "K__c", "all_or_none": True},
        ),
        ("record.delete_many", {"object": "Lead", "ids": ["00Q000000000001"] * 2, "all_or_none": True}),
        (
            "record.delete_many",
            {"object": "Lead", "ids": ["00Q000000000001", "00Q000000000001EAA"], "all_or_none": True},
        ),
        ("opportunity.create", {"name": "x", "stage": "y", "close_date": "2027-01-01", "fields": {"amount": 1}}),
        ("opportunity.create", {"name": "x", "stage": "y", "close_date": "2027-01-01", "amount": "1e9"}),
        ("case.update", {"case": "500000000000001AAA"}),
        ("case.update", {"case": "500000000000001AAA", "fields": {"STATUS": "Closed"}}),
        ("account.upsert", {"key": KEY, "name": "x", "fields": {"Gateway_Key__c": "other"}}),
        ("record.query", {"object": "Account", "fields": ["Name FROM User"]}),
        ("record.query", {"object": "Account", "fields": ["COUNT(Id)"]}),
        (
            "record.query",
            {"object": "Account", "fields": ["Name"], "where": [{"field": "Name", "op": "in", "value": "x"}]},
        ),
        (
            "record.query",
            {"object": "Account", "fields": ["Name"], "where": [{"field": "Name", "op": "eq", "value": ["x"]}]},
        ),
        (
            "record.query",
            {"object": "Account", "fields": ["Name"], "where": [{"field": "Name", "op": "contains", "value": 7}]},
        ),
        (
            "record.query",
            {
                "object": "Account",
                "fields": ["Name"],
                "where": [{"field": "CreatedDate", "op": "gt", "value": {"relative": "TODAY OR Name != ''"}}],
            },
        ),
        ("record.search", {"text": "x", "objects": [{"object": "Account"}]}),
    ],
)
async def test_an_input_that_says_too_little_or_too_much_is_refused(
    name: str, given: dict[str, Any], driver: Any
) -> None:
    with pytest.raises(ValidationError):
        await driver.run(f"salesforce.{name}", given)

    assert driver.sent == []


@pytest.mark.parametrize(
    "fields",
    [
        {"Name": "@{later.id}"},
        {"Name": "@{own.id}"},
        {"Name": "see @{first.id}"},
        {"Name": "@{first.Name}"},
        {"Name": "@{first}"},
        {"Name": ["@{other.id}"]},
    ],
)
async def test_a_composite_refers_to_ids_of_earlier_steps_and_to_nothing_else(
    fields: dict[str, Any], driver: Any
) -> None:
    steps = [
        {"kind": "create", "reference": "first", "object": "Account", "fields": {"Name": "x"}},
        {"kind": "create", "reference": "own", "object": "Account", "fields": fields},
        {"kind": "create", "reference": "later", "object": "Account", "fields": {"Name": "y"}},
    ]

    with pytest.raises(ValidationError):
        await driver.run("salesforce.composite.run", {"steps": steps, "all_or_none": True})

    assert driver.sent == []
