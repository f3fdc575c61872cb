"""The stand-in itself: it keeps state, and refuses what Salesforce refuses, with its codes."""

from typing import Any

import aiohttp
import pytest

from connectors.salesforce.simulator import DEVELOPER_LIMITS, Limits, SalesforceSimulator
from connectors.salesforce.simulator.limits import Usage
from connectors.salesforce.simulator.refusals import Fault
from connectors.salesforce.simulator.seed import add

BASE = "/services/data/v67.0"
TOKEN = {"authorization": "Bearer salesforce_sandbox"}


class Client:
    def __init__(self, session: aiohttp.ClientSession, root: str) -> None:
        self._session = session
        self._root = root

    async def __call__(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self._root + (path if path.startswith("/services") else BASE + path)
        async with self._session.request(method, url, json=body, headers=TOKEN | own) as answer:
            return answer.status, await answer.json(content_type=None) if await answer.read() else None

    async def code(self, method: str, path: str, body: object = None, **headers: str) -> str:
        status, found = await self(method, path, body, **headers)
        assert status >= 400, found
        return str(found[0]["errorCode"])


@pytest.fixture
def ask(simulator: SalesforceSimulator, session: aiohttp.ClientSession) -> Client:
    return Client(session, simulator.url)


def invoice(**more: Any) -> dict[str, Any]:
    return {"Name": "INV-9", "Amount__c": 1, **more}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Name": "x"}, "REQUIRED_FIELD_MISSING"),
        (invoice(Name=""), "REQUIRED_FIELD_MISSING"),
        (invoice(No__c=1), "INVALID_FIELD"),
        (invoice(CreatedDate="2026-01-01T00:00:00Z"), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (invoice(Id="a00000000000001"), "INVALID_FIELD"),
        (invoice(attributes={"type": "User"}), "INVALID_TYPE"),
        (invoice(Name="x" * 81), "STRING_TOO_LONG"),
        (invoice(Name=7), "JSON_PARSER_ERROR"),
        (invoice(Amount__c="7"), "JSON_PARSER_ERROR"),
        (invoice(Amount__c=1e15), "NUMBER_OUTSIDE_VALID_RANGE"),
        (invoice(Paid__c="yes"), "JSON_PARSER_ERROR"),
        (invoice(Paid__c=None), "JSON_PARSER_ERROR"),
        (invoice(Due__c="soon"), "JSON_PARSER_ERROR"),
        (invoice(Sent_At__c="2026-11-22"), "JSON_PARSER_ERROR"),
        (invoice(Sent_At__c="2026-11-22T25:00:00Z"), "JSON_PARSER_ERROR"),
        (invoice(Region__c="West"), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (invoice(Tags__c="vip;x"), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (invoice(Contact_Email__c="nobody"), "INVALID_EMAIL_ADDRESS"),
        (invoice(Account__c="nobody"), "MALFORMED_ID"),
        (invoice(Account__c="001000000000001"), "INVALID_CROSS_REFERENCE_KEY"),
        (invoice(Gateway_Key__c="INV-1"), "DUPLICATE_VALUE"),
        (invoice(Number__c=17), "DUPLICATE_VALUE"),
        ([1], "JSON_PARSER_ERROR"),
    ],
)
async def test_a_record_that_salesforce_would_refuse_is_not_made(
    fields: Any, code: str, simulator: SalesforceSimulator, ask: Client
) -> None:
    before = dict(simulator.world.rows)

    assert await ask.code("POST", "/sobjects/Invoice__c", fields) == code
    assert simulator.world.rows == before
    assert simulator.applied == []


async def test_a_reference_to_another_object_is_refused(simulator: SalesforceSimulator, ask: Client) -> None:
    lead = next(simulator.world.of("Lead")).id

    assert await ask.code("POST", "/sobjects/Invoice__c", invoice(Account__c=lead)) == "FIELD_INTEGRITY_EXCEPTION"


async def test_values_are_kept_as_salesforce_keeps_them(simulator: SalesforceSimulator, ask: Client) -> None:
    account = next(simulator.world.of("Account")).id
    fields = invoice(
        Amount__c=1.239,
        Notes__c="  ",
        Account__c=account[:15],
        Tags__c="vip;new",
        Sent_At__c="2026-11-22T10:00:00+01:00",
    )

    status, made = await ask("POST", "/sobjects/invoice__c", fields)
    _, read = await ask("GET", f"/sobjects/Invoice__c/{made['id'][:15]}")

    assert (status, made["success"], len(made["id"])) == (201, True, 18)
    assert (read["Amount__c"], read["Notes__c"], read["Account__c"], read["Tags__c"]) == (
        1.24,
        None,
        account,
        "new;vip",
    )
    assert read["Sent_At__c"] == "2026-11-22T09:00:00.000+0000"
    assert (read["Paid__c"], read["IsDeleted"], read["OwnerId"]) == (False, False, simulator.world.user)
    assert read["attributes"] == {"type": "Invoice__c", "url": f"{BASE}/sobjects/Invoice__c/{made['id']}"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/sobjects/Nothing", None, 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/sobjects/Nothing/describe", None, 404, "NOT_FOUND"),
        ("GET", "/sobjects/Account/short", None, 400, "MALFORMED_ID"),
        ("GET", "/sobjects/Account/001000000000001", None, 404, "NOT_FOUND"),
        ("GET", "/sobjects/Account/Name/Globex", None, 404, "NOT_FOUND"),
        ("PUT", "/sobjects/Account", {}, 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/nothing", None, 404, "NOT_FOUND"),
        ("GET", "/query", None, 400, "MALFORMED_QUERY"),
        ("GET", "/query/nothing-200", None, 400, "INVALID_QUERY_LOCATOR"),
        ("GET", "/query?q=SELECT+Id,Id+FROM+Account", None, 400, "INVALID_FIELD"),
        ("GET", "/query?q=SELECT+Id+FROM+Account+WHERE+Name=7", None, 400, "INVALID_FIELD"),
        ("GET", "/query?q=SELECT+Id+FROM+Account+WHERE+AnnualRevenue='7'", None, 400, "INVALID_FIELD"),
        ("GET", "/query?q=SELECT+Id+FROM+Account+WHERE+CreatedDate>'2026'", None, 400, "INVALID_FIELD"),
        ("GET", "/query?q=SELECT+Id+FROM+Account+WHERE+Description='x'", None, 400, "INVALID_FIELD"),
        ("GET", "/query?q=SELECT+Id+FROM+Account+WHERE+Id='x'", None, 400, "INVALID_QUERY_FILTER_OPERATOR"),
        (
            "GET",
            "/query?q=SELECT+Id+FROM+Account+WHERE+Id>'001000000000001'",
            None,
            400,
            "INVALID_QUERY_FILTER_OPERATOR",
        ),
        (
            "GET",
            "/query?q=SELECT+Id+FROM+Account+WHERE+AnnualRevenue+LIKE+'7'",
            None,
            400,
            "INVALID_QUERY_FILTER_OPERATOR",
        ),
        ("GET", "/query?q=SELECT+Id+FROM+Account+WHERE+Name+INCLUDES('7')", None, 400, "INVALID_QUERY_FILTER_OPERATOR"),
        ("GET", "/query?q=SELECT+Boss.Name+FROM+Account", None, 400, "INVALID_FIELD"),
        ("GET", "/query?q=SELECT+Id+FROM+Account+OFFSET+2001", None, 400, "NUMBER_OUTSIDE_VALID_RANGE"),
        ("POST", "/parameterizedSearch", {"q": "ab"}, 400, "JSON_PARSER_ERROR"),
        ("POST", "/parameterizedSearch", {"q": "a&b", "sobjects": [{"name": "Account"}]}, 400, "MALFORMED_SEARCH"),
        ("POST", "/parameterizedSearch", {"q": "ab", "in": "X", "sobjects": []}, 400, "INVALID_SEARCH_SCOPE"),
        ("POST", "/composite", {"compositeRequest": []}, 400, "LIMIT_EXCEEDED"),
        ("POST", "/composite/sobjects", {"records": []}, 400, "EXCEEDED_ID_LIMIT"),
        ("POST", "/composite/sobjects", {"records": [1]}, 400, "JSON_PARSER_ERROR"),
        ("POST", "/chatter/feed-elements", {"feedElementType": "FeedItem"}, 400, "INVALID_ID_FIELD"),
        ("DELETE", "/composite/sobjects", None, 400, "EXCEEDED_ID_LIMIT"),
        ("GET", "/services/data/v30.0/limits", None, 410, "UNSUPPORTED_API_VERSION"),
        ("GET", "/services/data/v99.0/limits", None, 404, "NOT_FOUND"),
    ],
)
async def test_a_request_that_is_wrong_gets_salesforces_code(
    method: str, path: str, body: Any, status: int, code: str, simulator: SalesforceSimulator, ask: Client
) -> None:
    found, answer = await ask(method, path, body)

    assert (found, answer[0]["errorCode"]) == (status, code)
    assert simulator.applied == []


async def test_a_deleted_record_is_gone_from_reads_and_there_in_query_all(
    simulator: SalesforceSimulator, ask: Client
) -> None:
    lead = next(simulator.world.of("Lead")).id

    assert (await ask("DELETE", f"/sobjects/Lead/{lead}"))[0] == 204
    assert await ask.code("GET", f"/sobjects/Lead/{lead}") == "ENTITY_IS_DELETED"
    assert await ask.code("DELETE", f"/sobjects/Lead/{lead}") == "ENTITY_IS_DELETED"
    assert (await ask("GET", "/query?q=SELECT+Id+FROM+Lead"))[1]["totalSize"] == 0
    shown = (await ask("GET", "/queryAll?q=SELECT+Id,IsDeleted+FROM+Lead"))[1]["records"]
    assert [(one["Id"], one["IsDeleted"]) for one in shown] == [(lead, True)]


async def test_a_query_is_given_in_batches_that_last_two_days(session: aiohttp.ClientSession) -> None:
    now = 1_800_000_000.0
    made = SalesforceSimulator(clock=lambda: now)
    await made.start()
    ask = Client(session, made.url)
    for number in range(450):
        add(made.world, "Lead", 0, LastName=str(number), Company="x")
    try:
        _, first = await ask("GET", "/query?q=SELECT+Id+FROM+Lead", sforce_query_options="batchSize=1")
        _, whole = await ask("GET", "/query?q=SELECT+Id+FROM+Lead")
        url = first["nextRecordsUrl"]
        _, second = await ask("GET", url, sforce_query_options="batchSize=200")
        now += 2 * 86_400
        code = await ask.code("GET", url)
    finally:
        await made.stop()

    assert (first["done"], len(first["records"]), first["totalSize"]) == (False, 200, 451)
    assert url.startswith(f"{BASE}/query/")
    assert second["records"][0] not in first["records"]
    assert (whole["done"], len(whole["records"])) == (True, 451)
    assert code == "INVALID_QUERY_LOCATOR"


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("= TODAY", [3]),
        ("!= TODAY", [1, 2, 4, 5]),
        ("< TODAY", [1, 2]),
        ("<= TODAY", [1, 2, 3]),
        ("> TODAY", [4, 5]),
        (">= TODAY", [3, 4, 5]),
        ("= YESTERDAY", [2]),
        ("= TOMORROW", [4]),
        ("= LAST_N_DAYS:1", [2, 3]),
        ("= NEXT_N_DAYS:1", [4]),
        ("= THIS_MONTH", [2, 3, 4]),
        ("= LAST_MONTH", [1]),
        ("= THIS_YEAR", [1, 2, 3, 4]),
    ],
)
async def test_days_that_move_with_today_are_spans(
    condition: str, found: list[int], session: aiohttp.ClientSession
) -> None:
    made = SalesforceSimulator(clock=lambda: 1_797_590_000.0)  # 2026-12-18
    await made.start()
    days = ("2026-11-30", "2026-12-17", "2026-12-18", "2026-12-19", "2027-01-01")
    for number, day in enumerate(days, 1):
        add(made.world, "Task", 0, Subject=f"Day {number}", ActivityDate=day)
    query = f"SELECT Subject FROM Task WHERE Subject LIKE 'Day%25' AND ActivityDate {condition} ORDER BY Subject"
    try:
        _, answer = await Client(session, made.url)("GET", f"/query?q={query.replace(' ', '+')}")
    finally:
        await made.stop()

    assert [one["Subject"] for one in answer["records"]] == [f"Day {number}" for number in found]


async def test_a_change_is_refused_after_the_time_that_it_names(simulator: SalesforceSimulator, ask: Client) -> None:
    lead = next(simulator.world.of("Lead")).id
    path = f"/sobjects/Lead/{lead}"

    late, _ = await ask("PATCH", path, {"Company": "y"}, if_unmodified_since="Sun, 01 Jan 2040 00:00:00 GMT")
    code = await ask.code("PATCH", path, {"Company": "z"}, if_unmodified_since="Wed, 01 Jan 2020 00:00:00 GMT")
    wrong = await ask.code("PATCH", path, {"Company": "z"}, if_unmodified_since="soon")

    assert (late, code, wrong) == (204, "PRECONDITION_FAILED", "INVALID_HEADER")
    assert len(simulator.applied) == 1


async def test_a_lock_is_refused_and_saves_nothing(simulator: SalesforceSimulator, ask: Client) -> None:
    lead = next(simulator.world.of("Lead"))
    simulator.world.locked[lead.id[:15]] = 1

    assert await ask.code("PATCH", f"/sobjects/Lead/{lead.id}", {"Company": "y"}) == "UNABLE_TO_LOCK_ROW"
    assert simulator.applied == []
    assert (await ask("PATCH", f"/sobjects/Lead/{lead.id}", {"Company": "y"}))[0] == 204


@pytest.mark.parametrize("whole", [True, False])
async def test_all_or_none_takes_back_what_was_made(whole: bool, simulator: SalesforceSimulator, ask: Client) -> None:
    records = [
        {"attributes": {"type": "Lead"}, "LastName": "One", "Company": "x"},
        {"attributes": {"type": "Nothing"}, "LastName": "Two"},
        {"LastName": "Three"},
    ]
    before = len(simulator.world.rows)

    status, results = await ask("POST", "/composite/sobjects", {"allOrNone": whole, "records": records})

    codes = [result["errors"][0]["statusCode"] if result["errors"] else None for result in results]
    first = "ALL_OR_NONE_OPERATION_ROLLED_BACK" if whole else None
    assert (status, codes) == (200, [first, "INVALID_TYPE", "INVALID_TYPE"])
    assert len(simulator.world.rows) == before + (0 if whole else 1)
    assert len(simulator.applied) == (0 if whole else 1)


async def test_a_composite_fills_in_references_and_takes_back_the_whole(
    simulator: SalesforceSimulator, ask: Client
) -> None:
    def steps(last: str) -> list[dict[str, Any]]:
        url = f"{BASE}/sobjects/"
        return [
            {"method": "POST", "url": url + "Account", "referenceId": "a", "body": {"Name": "Hooli"}},
            {
                "method": "POST",
                "url": url + "Contact",
                "referenceId": "c",
                "body": {"LastName": last, "AccountId": "@{a.id}"},
            },
        ]

    before = len(simulator.world.rows)
    _, failed = await ask("POST", "/composite", {"allOrNone": True, "compositeRequest": steps("")})
    between = len(simulator.world.rows)
    _, done = await ask("POST", "/composite", {"allOrNone": True, "compositeRequest": steps("Diaz")})

    codes = [one["body"][0]["errorCode"] for one in failed["compositeResponse"]]
    assert codes == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"]
    assert (between, len(simulator.world.rows)) == (before, before + 2)
    account, contact = (one["body"]["id"] for one in done["compositeResponse"])
    found = simulator.world.find(contact)
    assert found is not None
    assert found.values["AccountId"] == account
    assert len(simulator.applied) == 1


async def test_an_upsert_of_many_by_an_id_of_several_records_is_refused_for_that_one(ask: Client) -> None:
    def record(key: str) -> dict[str, Any]:
        return {"attributes": {"type": "Account"}, "Legacy_Id__c": key, "Name": "x"}

    body = {"allOrNone": False, "records": [record("L-1"), record("L-2"), {"attributes": {"type": "Account"}}]}
    _, results = await ask("PATCH", "/composite/sobjects/Account/Legacy_Id__c", body)

    assert [one.get("created") for one in results] == [None, True, None]
    assert [one["errors"][0]["statusCode"] for one in results if one["errors"]] == [
        "DUPLICATE_EXTERNAL_ID",
        "MISSING_ARGUMENT",
    ]


async def test_versions_are_listed_to_anybody(simulator: SalesforceSimulator, session: aiohttp.ClientSession) -> None:
    async with session.get(f"{simulator.url}/services/data/") as answer:
        found = await answer.json()

    assert {"label": "v67", "url": BASE, "version": "67.0"} in found


async def test_nobody_reads_without_a_session(simulator: SalesforceSimulator, session: aiohttp.ClientSession) -> None:
    for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic salesforce_sandbox"}):
        async with session.get(f"{simulator.url}{BASE}/sobjects", headers=header) as answer:
            found = await answer.json()
        assert (answer.status, found[0]["errorCode"]) == (401, "INVALID_SESSION_ID")


def test_the_days_requests_come_back_hour_by_hour() -> None:
    usage = Usage(Limits(daily=2))
    usage.spend(0)
    assert usage.spend(3_600) == {"sforce-limit-info": "api-usage=2/2"}

    with pytest.raises(Fault, match="TotalRequests"):
        usage.spend(7_200)

    assert usage.spend(86_400) == {"sforce-limit-info": "api-usage=2/2"}
    assert DEVELOPER_LIMITS.daily == 15_000


async def test_a_reset_goes_back_to_the_seed(simulator: SalesforceSimulator, ask: Client) -> None:
    lead = next(simulator.world.of("Lead")).id
    await ask("DELETE", f"/sobjects/Lead/{lead}")

    simulator.reset()

    assert simulator.applied == []
    assert (await ask("GET", "/query?q=SELECT+Id+FROM+Lead"))[1]["totalSize"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "marker"),
    [
        ("PATCH", "/sobjects/Account/Gateway_Key__c/crm-7", {"Name": "x"}, "crm-7"),
        ("POST", "/sobjects/Account", {"Name": "x", "Gateway_Key__c": "crm-8"}, "crm-8"),
        ("POST", "/sobjects/Account", {"Name": "x"}, None),
    ],
)
async def test_the_record_of_effects_tells_whose_each_was(
    method: str, path: str, body: Any, marker: str | None, simulator: SalesforceSimulator, ask: Client
) -> None:
    await ask(method, path, body)

    assert [effect.marker for effect in simulator.applied] == [marker]
