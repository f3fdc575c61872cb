"""What particular reads and writes make of their inputs and of Salesforce's answers."""

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from connectors.salesforce import salesforce
from connectors.salesforce.connector import account, missing_scopes
from connectors.salesforce.record_view import Found, Record, holds
from connectors.salesforce.simulator import SalesforceSimulator
from connectors.salesforce.simulator.seed import add
from connectors.sdk import Response, UpstreamInvalidResponse, UpstreamNotFound
from connectors.sdk.errors import InvalidCursor
from connectors.sdk.simulator import Answer
from connectors.sdk.upstream import read

QUERY = {"object": "Lead", "fields": ["LastName"], "order": [{"field": "LastName"}], "first": 50_000}


async def read_all(driver: Any, given: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        page = await driver.run("salesforce.record.query", {**given, "cursor": cursor})
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("count", [0, 199, 200, 201, 450])
async def test_a_query_is_read_to_its_last_page(
    count: int, deleted: bool, simulator: SalesforceSimulator, driver: Any
) -> None:
    for number in range(count):
        add(simulator.world, "Lead", 0, LastName=f"Bulk {number:03d}", Company="Hooli")
    where = [{"field": "LastName", "op": "starts_with", "value": "Bulk"}]

    found = await read_all(driver, {**QUERY, "where": where, "include_deleted": deleted})

    assert [record.fields["LastName"] for record in found] == [f"Bulk {number:03d}" for number in range(count)]
    assert len(driver.sent) == max(1, -(-count // 200))


async def test_first_bounds_all_pages(simulator: SalesforceSimulator, driver: Any) -> None:
    for number in range(450):
        add(simulator.world, "Lead", 0, LastName=f"Bulk {number:03d}", Company="Hooli")

    assert len(await read_all(driver, {**QUERY, "first": 250})) == 250


@pytest.mark.parametrize("cursor", ["x", "../limits", "0r85e0000000000001", "a/b-1", "0r85e0000000000001-1?x=1"])
async def test_a_cursor_that_is_no_locator_is_refused_before_anything_is_sent(cursor: str, driver: Any) -> None:
    with pytest.raises(InvalidCursor):
        await driver.run("salesforce.record.query", {**QUERY, "cursor": cursor})

    assert driver.sent == []


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/services/data/v67.0/query/0r85e0000000000001-200",
        "/services/data/v66.0/query/0r85e0000000000001-200",
        "/services/data/v67.0/query/../limits",
        "/services/data/v67.0/sobjects/User",
        "/services/data/v67.0/query/0r85e0000000000001-200?q=x",
        "//evil.example/services/data/v67.0/query/0r85e0000000000001-200",
        "",
        None,
    ],
)
async def test_a_next_page_elsewhere_is_not_followed(
    url: str | None, simulator: SalesforceSimulator, driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"totalSize": 2, "done": False, "records": [], "nextRecordsUrl": url}
    monkeypatch.setattr(simulator, "respond", lambda call: Answer.of(body))

    with pytest.raises(UpstreamInvalidResponse):
        await driver.run("salesforce.record.query", QUERY)


@pytest.mark.parametrize("body", [{}, {"done": True}, {"done": True, "totalSize": 1, "records": [{}]}, []])
def test_an_answer_without_records_is_not_taken_for_the_last_page(body: Any) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        read(Found, Response(200, {}, orjson.dumps(body)))


async def test_fields_of_parents_come_without_salesforces_own_members(driver: Any) -> None:
    given = {
        "object": "Contact",
        "fields": ["Name", "Account.Name", "Account.Owner.Email"],
        "where": [{"field": "Account.Name", "op": "eq", "value": "Globex"}],
    }

    page = await driver.run("salesforce.record.query", given)

    assert [record.fields for record in page.items] == [
        {
            "Id": page.items[0].id,
            "Name": "Ana Silva",
            "Account": {"Name": "Globex", "Owner": {"Email": "agent@acme.example"}},
        }
    ]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ([{"field": "Amount__c", "op": "gt", "value": 99}], 1),
        ([{"field": "Amount__c", "op": "lt", "value": 99.5}], 0),
        ([{"field": "Paid__c", "op": "eq", "value": False}], 1),
        ([{"field": "Due__c", "op": "eq", "value": {"date": "2027-01-31"}}], 1),
        ([{"field": "Due__c", "op": "gt", "value": {"relative": "LAST_N_DAYS:9999"}}], 1),
        ([{"field": "CreatedDate", "op": "lt", "value": {"datetime": "2036-01-01T00:00:00+02:00"}}], 1),
        ([{"field": "Sent_At__c", "op": "eq", "value": None}], 1),
        ([{"field": "Region__c", "op": "in", "value": ["South", "North"]}], 1),
        ([{"field": "Region__c", "op": "not_in", "value": ["South", "North"]}], 0),
        ([{"field": "Tags__c", "op": "includes", "value": ["vip"]}], 0),
        ([{"field": "Tags__c", "op": "excludes", "value": ["vip"]}], 1),
        ([{"field": "Name", "op": "ends_with", "value": "%"}], 0),
        ([{"field": "Name", "op": "contains", "value": "nv"}], 1),
        ([{"field": "Number__c", "op": "eq", "value": 17}], 1),
    ],
)
async def test_every_kind_of_condition_is_understood(where: Any, found: int, driver: Any) -> None:
    page = await driver.run("salesforce.record.query", {"object": "Invoice__c", "fields": ["Name"], "where": where})

    assert len(page.items) == found


@pytest.mark.parametrize(
    ("text", "scope", "found"),
    [
        ("globex", "NAME", ["Globex"]),
        ("glo*", "ALL", ["Globex"]),
        ("gl?bex", "ALL", ["Globex"]),
        ("+49301", "PHONE", ["Globex"]),
        ("glob", "ALL", []),
        ("globex OR umbrella", "ALL", []),
        ("{globex} RETURNING User(Id)", "ALL", []),
    ],
)
async def test_words_are_searched_and_are_nothing_but_words(
    text: str, scope: str, found: list[str], driver: Any
) -> None:
    given = {"text": text, "scope": scope, "objects": [{"object": "Account", "fields": ["Name"]}]}

    page = await driver.run("salesforce.record.search", given)

    assert [record.fields["Name"] for record in page.items] == found


async def test_a_search_lags_and_a_query_does_not(session: Any, driver_for: Any) -> None:
    made = SalesforceSimulator(index_lag=60)
    driver = driver_for(await made.start(), "Bearer salesforce_sandbox")
    try:
        await driver.run("salesforce.record.create", {"object": "Account", "fields": {"Name": "Fresh"}})
        searched = await driver.run("salesforce.record.search", {"text": "Fresh", "objects": [{"object": "Account"}]})
        where = [{"field": "Name", "op": "eq", "value": "Fresh"}]
        queried = await driver.run("salesforce.record.query", {"object": "Account", "fields": ["Id"], "where": where})
    finally:
        await made.stop()

    assert (len(searched.items), len(queried.items)) == (0, 1)


async def test_a_composite_refers_to_what_it_has_just_made(simulator: SalesforceSimulator, driver: Any) -> None:
    steps = [
        {"kind": "create", "reference": "hooli", "object": "Account", "fields": {"Name": "Hooli"}},
        {
            "kind": "create",
            "reference": "dora",
            "object": "Contact",
            "fields": {"LastName": "D", "AccountId": "@{hooli.id}"},
        },
    ]

    done = await driver.run("salesforce.composite.run", {"steps": steps, "all_or_none": True})

    contact = simulator.world.find(done.items[1].id)
    assert contact is not None
    assert contact.values["AccountId"] == done.items[0].id
    assert [item.created for item in done.items] == [True, True]


async def test_an_external_id_can_be_a_number(simulator: SalesforceSimulator, driver: Any) -> None:
    key = {"field": "Number__c", "value": 17}
    one = {"object": "Invoice__c", "key": key, "fields": {"Amount__c": 1}}
    many = {
        "object": "Invoice__c",
        "key_field": "Number__c",
        "records": [{"Number__c": 17, "Amount__c": 2}, {"Number__c": 18, "Amount__c": 3, "Name": "INV-18"}],
        "all_or_none": True,
    }

    known = next(simulator.world.of("Invoice__c")).id
    read = await driver.run("salesforce.record.get_by_external_id", {"object": "Invoice__c", "key": key})
    changed = await driver.run("salesforce.record.upsert", one)
    assert await driver.find("salesforce.record.upsert", one) == changed
    both = await driver.run("salesforce.record.upsert_many", many)

    assert (read.id, changed.id, both.items[0].id) == (known, known, known)
    assert [item.created for item in both.items] == [False, True]
    assert await driver.find("salesforce.record.upsert_many", many) == both


async def test_ids_of_another_object_are_not_deleted(simulator: SalesforceSimulator, driver: Any) -> None:
    lead, account_id = next(simulator.world.of("Lead")).id, next(simulator.world.of("Account")).id

    with pytest.raises(UpstreamNotFound, match=account_id):
        await driver.run(
            "salesforce.record.delete_many", {"object": "Lead", "ids": [lead, account_id], "all_or_none": False}
        )

    assert simulator.applied == []


async def test_a_post_goes_to_a_record_of_the_object_that_was_named(
    simulator: SalesforceSimulator, driver: Any
) -> None:
    lead = next(simulator.world.of("Lead")).id

    with pytest.raises(UpstreamNotFound):
        await driver.run("salesforce.feed.post", {"object": "Account", "id": lead, "text": "x"})

    assert simulator.applied == []


async def test_fifteen_characters_are_sent_as_eighteen(simulator: SalesforceSimulator, driver: Any) -> None:
    lead = next(simulator.world.of("Lead")).id

    record = await driver.run("salesforce.record.get", {"object": "lead", "id": lead[:15], "fields": ["Company"]})

    assert driver.sent[0].path.endswith(lead)
    assert (record.object, record.id, record.fields) == ("Lead", lead, {"Id": lead, "Company": "Hooli"})


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        ({"A": None}, {"A": ""}, True),
        ({}, {"A": None}, True),
        ({"A": "x"}, {"A": None}, False),
        ({"a": "x"}, {"A": "x"}, True),
        ({"A": "x"}, {"A": " x "}, True),
        ({"A": "X"}, {"A": "x"}, False),
        ({"A": 7.0}, {"A": 7}, True),
        ({"A": 7}, {"A": True}, False),
        ({"A": True}, {"A": True}, True),
        ({"A": "7"}, {"A": 7}, False),
        ({"A": "001000000000001AAA"}, {"A": "001000000000001"}, True),
        ({"A": "2026-11-22T09:00:00.000+0000"}, {"A": "2026-11-22T10:00:00+01:00"}, True),
        ({"A": "2026-11-22T09:00:01.000+0000"}, {"A": "2026-11-22T09:00:00Z"}, False),
        ({"A": "new;vip"}, {"A": ["vip", "new"]}, True),
        ({"A": "new"}, {"A": ["vip", "new"]}, False),
    ],
)
def test_values_are_compared_as_salesforce_gives_them_back(found: Any, wanted: Any, same: bool) -> None:
    assert holds(Record(object="X", id="1", fields=found), wanted) is same


async def test_a_field_that_is_described_tells_what_it_may_hold(driver: Any) -> None:
    found = await driver.run("salesforce.object.describe", {"object": "invoice__c"})

    by_name = {one.name: one for one in found.fields}
    region = by_name["Region__c"]
    assert (region.type, region.restricted, [one.value for one in region.choices]) == (
        "picklist",
        True,
        ["North", "South"],
    )
    assert by_name["Amount__c"].required
    assert not by_name["CreatedDate"].createable
    assert by_name["Account__c"].references == ["Account"]
    assert by_name["Gateway_Key__c"].external_id


async def test_the_account_is_the_user_behind_the_credential(simulator: SalesforceSimulator, driver: Any) -> None:
    found = await driver.do(account(driver.api(), "token"))

    assert (found.id, found.label, found.granted) == (simulator.world.user, "agent@acme.example", None)


@pytest.mark.parametrize(
    ("method", "granted", "missing"),
    [
        ("oauth", {"api"}, set()),
        ("oauth", {"full"}, set()),
        ("oauth", {"chatter_api"}, {"api"}),
        ("oauth", set(), {"api", "chatter_api"}),
        ("token", set(), set()),
    ],
)
def test_a_wide_scope_holds_the_narrow_one(method: str, granted: set[str], missing: set[str]) -> None:
    assert missing_scopes(method, frozenset(granted), frozenset({"api", "chatter_api"})) == missing


def test_a_connection_without_an_org_of_its_own_matches_no_host() -> None:
    host = salesforce.base_url.removeprefix("https://")

    assert not any(pattern.matches(host) for pattern in salesforce.hosts)


async def test_more_than_can_be_sent_at_once_is_refused(driver: Any) -> None:
    records = [{"LastName": "x", "Company": "y"}] * 201

    with pytest.raises(ValidationError):
        await driver.run("salesforce.record.create_many", {"object": "Lead", "records": records, "all_or_none": False})

    assert driver.sent == []


async def test_two_hundred_records_go_in_one_request(simulator: SalesforceSimulator, driver: Any) -> None:
    records = [
        {"LastName": f"Bulk {number}", "Company": "y", "Gateway_Key__c": f"{'k' * 240}{number}"}
        for number in range(200)
    ]
    given = {"object": "Lead", "records": records, "key_field": "Gateway_Key__c", "all_or_none": True}

    done = await driver.run("salesforce.record.create_many", given)
    found = await driver.find("salesforce.record.create_many", given)

    assert len(simulator.applied) == 1
    assert found == done
