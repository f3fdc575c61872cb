"""Grants on single objects and records, through a whole gateway: what they let through, and what they keep out."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

import gateway.contract
from connectors.salesforce import salesforce
from connectors.salesforce.simulator.seed import seeded

PLACES = ["Contact/*", "LEAD"]


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A bench whose agent `walled` holds every scope on all contacts, new leads and one account, by its short id."""
    account = next(seeded(0).of("Account")).id
    monkeypatch.setattr(gateway.contract, "_elsewhere", lambda connector: [*PLACES, f"Account/{account[:15]}"])
    async with gateway.contract.bench_of(salesforce) as made:
        yield made


def ids(bench: Any, object: str) -> list[str]:
    return [row.id for row in bench.simulator.world.of(object)]


async def run(bench: Any, action: str, given: dict[str, Any]) -> tuple[int, str | None]:
    answered = await bench.run(f"salesforce.{action}", given, who="walled")
    return answered.status, answered.code


DENIED = (403, "constraint_denied")


@pytest.mark.parametrize("object", ["Account", "account", "ACCOUNT"])
async def test_a_record_is_named_by_either_id_and_any_case(object: str, bench: Any) -> None:
    own, other, _ = ids(bench, "Account")

    for one in (own, own[:15], own.lower()):
        assert await run(bench, "record.get", {"object": object, "id": one}) == (200, None)
    for one in (other, other[:15]):
        assert await run(bench, "record.get", {"object": object, "id": one}) == DENIED


async def test_an_id_of_another_object_does_not_slip_in_under_a_name_that_is_granted(bench: Any) -> None:
    other = ids(bench, "Account")[1]
    given = {"object": "Contact", "id": other}

    assert await run(bench, "record.get", given) == (404, "upstream_not_found")
    assert await run(bench, "record.update", {**given, "fields": {"Title": "x"}}) == (404, "upstream_not_found")
    assert await run(bench, "record.delete", given) == (404, "upstream_not_found")
    many = {"object": "Contact", "ids": [other], "all_or_none": True}
    assert await run(bench, "record.delete_many", many) == (404, "upstream_not_found")
    post = {"object": "Contact", "id": other, "text": "x"}
    assert await run(bench, "feed.post", post) == (404, "upstream_not_found")
    assert bench.simulator.applied == []


async def test_to_create_is_another_thing_than_to_change(bench: Any) -> None:
    lead = ids(bench, "Lead")[0]
    new = {"object": "Lead", "fields": {"LastName": "x", "Company": "y"}}

    assert await run(bench, "record.create", new) == (200, None)
    assert await run(bench, "record.get", {"object": "Lead", "id": lead}) == DENIED
    assert await run(bench, "record.create", {"object": "Contact", "fields": {"LastName": "x"}}) == DENIED
    assert len(bench.simulator.applied) == 1


async def test_an_upsert_is_one_or_the_other_by_what_is_there(bench: Any) -> None:
    there = {"field": "Gateway_Key__c", "value": "crm-7"}
    absent = {"field": "Gateway_Key__c", "value": "crm-77"}

    # `crm-7` is the account that the grant names; new accounts it does not name.
    assert await run(bench, "account.upsert", {"key": there, "name": "Globex"}) == (200, None)
    assert await run(bench, "account.upsert", {"key": absent, "name": "Globex"}) == DENIED
    assert await run(bench, "lead.upsert", {"key": absent, "last_name": "x", "company": "y"}) == (200, None)
    upsert = {"object": "Contact", "key": absent, "fields": {"LastName": "x"}}
    assert await run(bench, "record.upsert", upsert) == DENIED
    assert len(bench.simulator.applied) == 2


async def test_each_of_many_must_be_covered(bench: Any) -> None:
    contact, own, other = ids(bench, "Contact")[0], *ids(bench, "Account")[:2]

    def update(object: str, *ids: str) -> dict[str, Any]:
        records = [{"id": one, "fields": {"Phone": "1"}} for one in ids]
        return {"object": object, "records": records, "all_or_none": True}

    assert await run(bench, "record.update_many", update("Contact", contact)) == (200, None)
    assert await run(bench, "record.update_many", update("Account", own[:15])) == (200, None)
    assert await run(bench, "record.update_many", update("Account", own, other)) == DENIED
    assert (
        await run(bench, "record.delete_many", {"object": "Lead", "ids": ids(bench, "Lead"), "all_or_none": True})
        == DENIED
    )
    assert len(bench.simulator.applied) == 2


async def test_each_step_of_a_composite_must_be_covered(bench: Any) -> None:
    lead = {"kind": "create", "reference": "a", "object": "Lead", "fields": {"LastName": "x", "Company": "y"}}
    key = {"field": "Gateway_Key__c", "value": "crm-7-1"}
    contact = {"kind": "upsert", "reference": "b", "object": "Contact", "key": key, "fields": {"LastName": "x"}}
    account = {"kind": "create", "reference": "c", "object": "Account", "fields": {"Name": "x"}}

    mixed = await bench.run("salesforce.composite.run", {"steps": [lead, contact], "all_or_none": True}, who="walled")
    beyond = await run(bench, "composite.run", {"steps": [lead, account], "all_or_none": True})

    assert mixed.status == 200
    assert [item["object"] for item in mixed.body["output"]["items"]] == ["Lead", "Contact"]
    assert beyond == DENIED
    assert len(bench.simulator.applied) == 1


async def test_a_query_is_cut_to_what_is_named(bench: Any) -> None:
    accounts = {"object": "Account", "fields": ["Name"]}

    found = await bench.run("salesforce.record.query", accounts, who="walled")
    either = [{"any": [{"field": "Name", "op": "eq", "value": "Initech"}, {"field": "Name", "op": "ne", "value": "x"}]}]
    sly = await bench.run("salesforce.record.query", {**accounts, "where": either}, who="walled")
    everything = await bench.run("salesforce.record.query", {"object": "Contact", "fields": ["Name"]}, who="walled")

    assert [one["fields"]["Name"] for one in found.body["output"]["items"]] == ["Globex"]
    assert [one["fields"]["Name"] for one in sly.body["output"]["items"]] == ["Globex"]
    assert len(everything.body["output"]["items"]) == 2
    assert await run(bench, "record.query", {"object": "Lead", "fields": ["Name"]}) == DENIED
    assert await run(bench, "record.query", {"object": "Opportunity", "fields": ["Name"]}) == DENIED


@pytest.mark.parametrize(
    "more",
    [
        {"fields": ["Account.Name"]},
        {"where": [{"field": "Account.Name", "op": "starts_with", "value": "I"}]},
        {"where": [{"any": [{"field": "Account.Name", "op": "eq", "value": "I"}]}]},
        {"where": [{"any": [{"all": [{"field": "Account.Name", "op": "eq", "value": "I"}]}]}]},
        {"order": [{"field": "Account.Name"}]},
    ],
)
async def test_a_query_looks_into_no_other_object_by_way_of_a_parent(more: dict[str, Any], bench: Any) -> None:
    before = len(bench.simulator.received)

    assert await run(bench, "record.query", {"object": "Contact", "fields": ["Name"], **more}) == DENIED
    assert len(bench.simulator.received) == before


async def test_a_search_leaves_other_objects_out(bench: Any) -> None:
    given = {"text": "example", "scope": "EMAIL", "objects": [{"object": "Lead"}, {"object": "contact"}]}

    found = await bench.run("salesforce.record.search", given, who="walled")

    assert {one["object"] for one in found.body["output"]["items"]} == {"Contact"}
    assert await run(bench, "record.search", {**given, "objects": [{"object": "Lead"}]}) == DENIED


async def test_an_amount_over_a_bound_is_refused_and_cannot_be_given_beside_it(bench: Any) -> None:
    action = salesforce.actions["salesforce.opportunity.create"]

    assert action.amount == "amount"
    hidden = {"name": "x", "stage": "Prospecting", "close_date": "2027-01-01", "fields": {"AMOUNT": 1}}
    answered = await bench.run("salesforce.opportunity.create", hidden)
    assert (answered.status, answered.code) == (422, "invalid_input")
