"""Zendesk's refusals and limits, as the connector reads them."""

from typing import Any

import orjson
import pytest

from connectors.sdk import (
    ActionError,
    Quota,
    Response,
    Throttled,
    UpstreamConflict,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamRejected,
)
from connectors.sdk.errors import ConnectionUnhealthy, UpstreamUnavailable
from connectors.zendesk import zendesk
from connectors.zendesk.simulator import ZendeskSimulator

DATE = "Thu, 01 Jan 1970 00:16:40 GMT"  # 1000


def answer(status: int, body: object, kind: str = "application/json", **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"content-type": kind, **named}, raw)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, UpstreamRejected),
        (401, ConnectionUnhealthy),
        (403, UpstreamForbidden),
        (404, UpstreamNotFound),
        (409, UpstreamConflict),
        (413, UpstreamRejected),
        (422, UpstreamRejected),
        (500, UpstreamUnavailable),
        (503, UpstreamUnavailable),
    ],
)
def test_a_status_becomes_the_error_that_says_what_to_do(status: int, error: type[ActionError]) -> None:
    assert type(zendesk.error_of(answer(status, {"error": "X", "description": "No."}))) is error


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"error": "RecordNotFound", "description": "Not found"}, "RecordNotFound", "Not found"),
        ({"error": "Couldn't authenticate you"}, "Couldn't authenticate you", "Couldn't authenticate you"),
        ({"error": {"title": "Forbidden", "message": "No access."}}, None, "Forbidden; No access."),
        (
            {"errors": [{"code": "InvalidPagination", "title": "Bad", "detail": "Too far"}]},
            "InvalidPagination",
            "Too far",
        ),
        ({"error": "invalid_grant", "error_description": "Expired"}, "invalid_grant", "Expired"),
        (
            {
                "error": "RecordInvalid",
                "description": "Record validation errors",
                "details": {"status": [{"description": "Status: closed prevents ticket update"}]},
            },
            "RecordInvalid",
            "Record validation errors; Status: closed prevents ticket update",
        ),
        ([], None, None),
        ({"error": 7, "errors": 7, "details": 7}, None, None),
        (b"<html>", None, None),
    ],
)
def test_every_shape_of_an_error_body_is_read(body: object, code: str | None, message: str | None) -> None:
    problem = zendesk.error_of(answer(422, body, x_request_id="r-1")).upstream

    assert problem is not None
    assert (problem.code, problem.message, problem.request_id) == (code, message, "r-1")


def test_a_plain_text_is_the_message() -> None:
    problem = zendesk.error_of(answer(429, b"Number of allowed API requests exceeded", "text/plain")).upstream

    assert problem is not None
    assert problem.message == "Number of allowed API requests exceeded"


@pytest.mark.parametrize(("wait", "seconds"), [("30", 30.0), ("0", 1.0), ("", 60.0), ("soon", 60.0)])
def test_a_refusal_for_limits_says_how_long_to_wait(wait: str, seconds: float) -> None:
    throttled = zendesk.throttled_by(answer(429, b"", "text/plain", retry_after=wait), 1000.0)

    assert isinstance(throttled, Throttled)
    assert throttled.seconds == seconds


@pytest.mark.parametrize("status", [403, 503])
def test_nothing_but_429_promises_that_nothing_was_changed(status: int) -> None:
    assert zendesk.throttled_by(answer(status, b"", retry_after="5"), 1000.0) is None


def test_the_budgets_of_the_account_and_of_endpoints_are_read() -> None:
    told = answer(
        200,
        {},
        date=DATE,
        ratelimit_limit="700",
        ratelimit_remaining="699",
        ratelimit_reset="41",
        zendesk_ratelimit_tickets_index="total=100; remaining=99; resets=41",
    )

    assert list(zendesk.quota_of(told)) == [
        Quota("core", 700, 699, 1041.0),
        Quota("tickets-index", 100, 99, 1041.0),
    ]


@pytest.mark.parametrize(
    "headers",
    [{}, {"ratelimit_limit": "1"}, {"zendesk_ratelimit_search_index": "total=many"}, {"date": "never"}],
)
def test_headers_that_say_less_give_no_budget(headers: dict[str, str]) -> None:
    assert list(zendesk.quota_of(answer(200, {}, **{"date": DATE, **headers}))) == []


@pytest.mark.parametrize(
    ("action", "given", "error"),
    [
        ("ticket.get", {"ticket_id": 999}, UpstreamNotFound),
        ("ticket.update", {"ticket_id": 999, "status": "open"}, UpstreamNotFound),
        ("ticket.update", {"ticket_id": 1, "custom_fields": {"1": "x"}}, UpstreamRejected),
        ("ticket.update", {"ticket_id": 1, "organization_id": 1}, UpstreamRejected),
        ("ticket.assign", {"ticket_id": 1, "assignee_id": 1}, UpstreamRejected),
        ("ticket.delete", {"ticket_id": 999}, UpstreamNotFound),
        ("ticket.restore", {"ticket_id": 1}, UpstreamNotFound),
        ("ticket.create", {"subject": "x", "body": "x", "group_id": 1}, UpstreamRejected),
        ("comment.create", {"ticket_id": 1, "body": "x", "uploads": ["gone"]}, UpstreamRejected),
        ("comment.list", {"ticket_id": 999}, UpstreamNotFound),
        ("macro.preview", {"ticket_id": 1, "macro_id": 1}, UpstreamNotFound),
        ("view.list_tickets", {"view_id": 1}, UpstreamNotFound),
        ("job.get", {"job_id": "none"}, UpstreamNotFound),
        ("user.get", {"user_id": 1}, UpstreamNotFound),
        ("user.create", {"name": "Ana", "email": "ANA@globex.example"}, UpstreamRejected),
        ("organization.get", {"organization_id": 1}, UpstreamNotFound),
        ("attachment.download", {"ticket_id": 1, "attachment_id": 1}, UpstreamNotFound),
    ],
)
async def test_refusals_become_typed_errors_and_change_nothing(
    action: str, given: dict[str, Any], error: type[ActionError], simulator: ZendeskSimulator, driver: Any
) -> None:
    with pytest.raises(error):
        await driver.run(f"zendesk.{action}", given)

    assert simulator.applied == []


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("ticket.update", {"status": "open"}),
        ("comment.create", {"body": "x"}),
        ("ticket.add_tag", {"tags": ["x"]}),
    ],
)
async def test_a_closed_ticket_refuses_every_change(
    action: str, given: dict[str, Any], simulator: ZendeskSimulator, driver: Any
) -> None:
    simulator.world.tickets[1].status = "closed"

    with pytest.raises(UpstreamRejected, match="closed prevents ticket update"):
        await driver.run(f"zendesk.{action}", {"ticket_id": 1, **given})

    assert simulator.applied == []
