"""Salesforce's refusals and limits, as the connector reads them."""

from typing import Any

import orjson
import pytest

from connectors.salesforce import salesforce
from connectors.salesforce.simulator import Limits, SalesforceSimulator
from connectors.sdk import (
    ActionError,
    Quota,
    Response,
    Throttled,
    UpstreamConflict,
    UpstreamForbidden,
    UpstreamInvalidResponse,
    UpstreamNotFound,
    UpstreamRejected,
)
from connectors.sdk.errors import ConnectionUnhealthy, UpstreamUnavailable

DATE = "Thu, 01 Jan 1970 00:16:40 GMT"  # 1000
NOBODY = "001000000000001AAA"


def answer(status: int, body: object, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"content-type": "application/json", **named}, raw)


def fault(code: str, message: str = "No.", **more: object) -> list[dict[str, object]]:
    return [{"errorCode": code, "message": message, **more}]


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "INVALID_FIELD", UpstreamRejected),
        (400, "ENTITY_IS_DELETED", UpstreamRejected),
        (401, "INVALID_SESSION_ID", ConnectionUnhealthy),
        (403, "INSUFFICIENT_ACCESS", UpstreamForbidden),
        (403, "API_DISABLED_FOR_ORG", UpstreamForbidden),
        (404, "NOT_FOUND", UpstreamNotFound),
        (405, "METHOD_NOT_ALLOWED", UpstreamConflict),
        (409, "CONFLICT", UpstreamConflict),
        (410, "UNSUPPORTED_API_VERSION", UpstreamInvalidResponse),
        (412, "PRECONDITION_FAILED", UpstreamConflict),
        (414, "URI_TOO_LONG", UpstreamRejected),
        (415, "UNSUPPORTED_MEDIA_TYPE", UpstreamRejected),
        (428, "PRECONDITION_REQUIRED", UpstreamRejected),
        (500, "UNKNOWN_EXCEPTION", UpstreamUnavailable),
        (503, "SERVER_UNAVAILABLE", UpstreamUnavailable),
    ],
)
def test_a_status_becomes_the_error_that_says_what_to_do(status: int, code: str, error: type[ActionError]) -> None:
    found = salesforce.error_of(answer(status, fault(code)))

    assert type(found) is error
    assert found.upstream is not None
    assert found.upstream.code == code


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (fault("NOT_FOUND", "Gone"), "NOT_FOUND", "Gone"),
        (
            fault("REQUIRED_FIELD_MISSING", "Missing", fields=["LastName"]),
            "REQUIRED_FIELD_MISSING",
            "Missing (LastName)",
        ),
        (fault("X", "LastName is wrong", fields=["LastName"]), "X", "LastName is wrong"),
        ([*fault("A", "One"), *fault("B", "Two")], "A", "One; Two"),
        ({"errorCode": "BARE", "message": "As an object"}, "BARE", "As an object"),
        ({"error": "invalid_grant", "error_description": "Expired"}, "invalid_grant", "Expired"),
        ([{"statusCode": "DUPLICATE_VALUE", "message": "Twice", "fields": []}], "DUPLICATE_VALUE", "Twice"),
        (["/services/data/v67.0/sobjects/Account/001"], None, None),
        ([], None, None),
        ([[7], 7, None], None, None),
        (fault("X", "Y", fields=7), "X", "Y"),
        (b"<html>", None, None),
        (b"Bad_OAuth_Token", None, None),
    ],
)
def test_every_shape_of_an_error_body_is_read(body: object, code: str | None, message: str | None) -> None:
    problem = salesforce.error_of(answer(400, body, x_request_id="r-1")).upstream

    assert problem is not None
    assert (problem.code, problem.message, problem.request_id) == (code, message, "r-1")


@pytest.mark.parametrize(
    ("status", "code", "message", "seconds"),
    [
        (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", 3600.0),
        (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.", 5.0),
        (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded", 5.0),
        (403, "REQUEST_LIMIT_EXCEEDED", "Something else", 60.0),
        (503, "REQUEST_LIMIT_EXCEEDED", "You have reached the hourly limit", 60.0),
        (400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", 1.0),
        (400, "QUERY_TIMEOUT", "Your query request was running for too long.", 1.0),
    ],
)
def test_a_refusal_before_anything_was_saved_says_how_long_to_wait(
    status: int, code: str, message: str, seconds: float
) -> None:
    throttled = salesforce.throttled_by(answer(status, fault(code, message)), 1000.0)

    assert isinstance(throttled, Throttled)
    assert throttled.seconds == seconds


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "INSUFFICIENT_ACCESS"),
        (403, "API_DISABLED_FOR_ORG"),
        (403, "UNABLE_TO_LOCK_ROW"),
        (400, "REQUEST_LIMIT_EXCEEDED"),
        (500, "REQUEST_LIMIT_EXCEEDED"),
        (500, "UNABLE_TO_LOCK_ROW"),
        (503, "SERVER_UNAVAILABLE"),
        (429, "REQUEST_LIMIT_EXCEEDED"),
        (200, "REQUEST_LIMIT_EXCEEDED"),
    ],
)
def test_no_other_answer_promises_that_nothing_was_changed(status: int, code: str) -> None:
    assert salesforce.throttled_by(answer(status, fault(code, "TotalRequests")), 1000.0) is None


@pytest.mark.parametrize(
    ("header", "left"),
    [
        ("api-usage=18/5000", (5000, 4982)),
        ("api-usage=18/5000; per-app-api-usage=17/250(appName=gate)", (250, 233)),
        ("api-usage=4990/5000, per-app-api-usage=1/250(appName=gate)", (5000, 10)),
        ("api-usage=5001/5000", (5000, 0)),
    ],
)
def test_the_budget_that_is_nearest_to_its_end_is_read(header: str, left: tuple[int, int]) -> None:
    found = salesforce.quota_of(answer(200, {}, date=DATE, sforce_limit_info=header))

    assert list(found) == [Quota("core", *left, 4600.0)]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sforce_limit_info": "soon"},
        {"sforce_limit_info": "api-usage=1/0"},
        {"date": "x", "sforce_limit_info": "api-usage=1/2"},
    ],
)
def test_headers_that_say_less_give_no_budget(headers: dict[str, str]) -> None:
    assert list(salesforce.quota_of(answer(200, {}, **{"date": DATE, **headers}))) == []


async def test_a_used_up_day_is_told_from_a_lack_of_permission(session: Any, driver_for: Any) -> None:
    made = SalesforceSimulator(limits=Limits(daily=1))
    driver = driver_for(await made.start(), "Bearer salesforce_sandbox")
    try:
        await driver.run("salesforce.org.get_limits", {})
        with pytest.raises(UpstreamForbidden):
            await driver.run("salesforce.org.get_limits", {})
    finally:
        await made.stop()

    answers = [response for _, response in driver.exchanges]
    assert answers[0].headers["sforce-limit-info"] == "api-usage=1/1"
    throttled = salesforce.throttled_by(answers[1], 0.0)
    assert throttled is not None
    assert throttled.seconds == 3600.0


@pytest.mark.parametrize(
    ("action", "given", "error", "code"),
    [
        ("record.get", {"object": "Account", "id": NOBODY}, UpstreamNotFound, "NOT_FOUND"),
        ("record.get", {"object": "Nothing__c", "id": NOBODY}, UpstreamNotFound, "NOT_FOUND"),
        (
            "record.get_by_external_id",
            {"object": "Account", "key": {"field": "Gateway_Key__c", "value": "x"}},
            UpstreamNotFound,
            "NOT_FOUND",
        ),
        (
            "record.get_by_external_id",
            {"object": "Account", "key": {"field": "Legacy_Id__c", "value": "L-1"}},
            UpstreamConflict,
            None,
        ),
        ("record.create", {"object": "Account", "fields": {"Nothing__c": 1}}, UpstreamRejected, "INVALID_FIELD"),
        (
            "record.create",
            {"object": "Contact", "fields": {"FirstName": "x"}},
            UpstreamRejected,
            "REQUIRED_FIELD_MISSING",
        ),
        ("record.create", {"object": "Account", "fields": {"Name": "x" * 256}}, UpstreamRejected, "STRING_TOO_LONG"),
        (
            "record.create",
            {"object": "Account", "fields": {"Name": "x", "Gateway_Key__c": "crm-7"}},
            UpstreamRejected,
            "DUPLICATE_VALUE",
        ),
        (
            "record.create",
            {"object": "User", "fields": {"LastName": "x"}},
            UpstreamRejected,
            "INVALID_TYPE_FOR_OPERATION",
        ),
        (
            "record.upsert",
            {"object": "Account", "fields": {"Name": "x"}, "key": {"field": "Legacy_Id__c", "value": "L-1"}},
            UpstreamConflict,
            None,
        ),
        (
            "record.upsert",
            {"object": "Account", "fields": {"Name": "x"}, "key": {"field": "Phone", "value": "1"}},
            UpstreamNotFound,
            "NOT_FOUND",
        ),
        (
            "record.upsert",
            {
                "object": "Account",
                "fields": {"Name": "x"},
                "key": {"field": "Gateway_Key__c", "value": "no"},
                "update_only": True,
            },
            UpstreamNotFound,
            "NOT_FOUND",
        ),
        (
            "record.upsert",
            {"object": "Account", "fields": {"Phone": "1"}, "key": {"field": "Gateway_Key__c", "value": "a.b"}},
            UpstreamRejected,
            "REQUIRED_FIELD_MISSING",
        ),
        ("record.update", {"object": "Account", "id": NOBODY, "fields": {"Name": "x"}}, UpstreamNotFound, "NOT_FOUND"),
        ("record.delete", {"object": "Account", "id": NOBODY}, UpstreamNotFound, "NOT_FOUND"),
        ("record.delete_many", {"object": "Account", "ids": [NOBODY], "all_or_none": False}, UpstreamNotFound, None),
        ("record.query", {"object": "Nothing", "fields": ["Id"]}, UpstreamRejected, "INVALID_TYPE"),
        ("record.query", {"object": "Account", "fields": ["Nothing"]}, UpstreamRejected, "INVALID_FIELD"),
        ("record.search", {"text": "xx", "objects": [{"object": "CaseComment"}]}, UpstreamRejected, "INVALID_TYPE"),
        ("case.comment", {"case": NOBODY, "body": "x"}, UpstreamRejected, "INVALID_CROSS_REFERENCE_KEY"),
        ("case.update", {"case": NOBODY, "status": "Closed"}, UpstreamNotFound, "NOT_FOUND"),
        ("feed.post", {"object": "Account", "id": NOBODY, "text": "x"}, UpstreamNotFound, "NOT_FOUND"),
        ("object.describe", {"object": "Nothing"}, UpstreamNotFound, "NOT_FOUND"),
    ],
)
async def test_refusals_become_typed_errors_and_change_nothing(
    action: str,
    given: dict[str, Any],
    error: type[ActionError],
    code: str | None,
    simulator: SalesforceSimulator,
    driver: Any,
) -> None:
    with pytest.raises(error) as caught:
        await driver.run(f"salesforce.{action}", given)

    assert simulator.applied == []
    if code is not None:
        assert caught.value.upstream is not None
        assert caught.value.upstream.code == code


async def test_a_deleted_record_says_so(simulator: SalesforceSimulator, driver: Any) -> None:
    lead = next(simulator.world.of("Lead")).id
    await driver.run("salesforce.record.delete", {"object": "Lead", "id": lead})

    with pytest.raises(UpstreamNotFound, match="entity is deleted"):
        await driver.run("salesforce.record.update", {"object": "Lead", "id": lead, "fields": {"Company": "x"}})


@pytest.mark.parametrize("all_or_none", [True, False])
async def test_a_refused_record_of_many_is_an_error_or_an_item(
    all_or_none: bool, simulator: SalesforceSimulator, driver: Any
) -> None:
    records = [{"LastName": "One", "Company": "x"}, {"LastName": "Two"}, {"LastName": "Three", "Company": "x"}]
    given = {"object": "Lead", "records": records, "all_or_none": all_or_none}
    before = len(list(simulator.world.of("Lead")))

    if all_or_none:
        with pytest.raises(UpstreamRejected, match="Company") as caught:
            await driver.run("salesforce.record.create_many", given)
        assert [issue.pointer for issue in caught.value.issues] == ["/records/1"]
        assert simulator.applied == []
    else:
        done = await driver.run("salesforce.record.create_many", given)
        assert [item.success for item in done.items] == [True, False, True]
        assert (done.items[1].code, done.items[1].id) == ("REQUIRED_FIELD_MISSING", None)
    assert len(list(simulator.world.of("Lead"))) == before + (0 if all_or_none else 2)


@pytest.mark.parametrize("all_or_none", [True, False])
async def test_a_refused_step_of_a_composite_is_an_error_or_an_item(
    all_or_none: bool, simulator: SalesforceSimulator, driver: Any
) -> None:
    steps = [
        {"kind": "create", "reference": "one", "object": "Account", "fields": {"Name": "Hooli"}},
        {"kind": "create", "reference": "two", "object": "Contact", "fields": {"FirstName": "x"}},
    ]
    given = {"steps": steps, "all_or_none": all_or_none}
    before = len(simulator.world.rows)

    if all_or_none:
        with pytest.raises(UpstreamRejected, match="LastName") as caught:
            await driver.run("salesforce.composite.run", given)
        assert [issue.pointer for issue in caught.value.issues] == ["/steps/1"]
        assert simulator.applied == []
    else:
        done = await driver.run("salesforce.composite.run", given)
        assert [(item.success, item.code) for item in done.items] == [(True, None), (False, "REQUIRED_FIELD_MISSING")]
    assert len(simulator.world.rows) == before + (0 if all_or_none else 1)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        [{"success": True}],
        [{"success": True}, {"success": True}],
        [{"id": None, "success": True, "errors": []}],
        b"<html>",
        b"",
    ],
)
async def test_a_success_that_names_no_record_is_not_taken_for_one(
    body: object, simulator: SalesforceSimulator, driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.sdk.simulator import Answer

    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    monkeypatch.setattr(simulator, "respond", lambda call: Answer(200, raw))

    for name, given in (
        ("record.create", {"object": "Lead", "fields": {"LastName": "x"}}),
        ("record.create_many", {"object": "Lead", "records": [{"LastName": "x"}], "all_or_none": False}),
        ("record.upsert", {"object": "Lead", "fields": {}, "key": {"field": "K__c", "value": "a.b"}}),
    ):
        with pytest.raises(UpstreamInvalidResponse):
            await driver.run(f"salesforce.{name}", given)


async def test_a_save_that_was_refused_inside_a_success_is_an_error(
    simulator: SalesforceSimulator, driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.sdk.simulator import Answer

    errors = [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "busy", "fields": []}]
    monkeypatch.setattr(simulator, "respond", lambda call: Answer.of({"id": None, "success": False, "errors": errors}))

    with pytest.raises(UpstreamUnavailable, match="busy") as caught:
        await driver.run("salesforce.record.create", {"object": "Lead", "fields": {"LastName": "x"}})

    assert caught.value.retryable
