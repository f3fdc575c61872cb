"""Jira's refusals and limits, as the connector reads them."""

from typing import Any

import orjson
import pytest

from connectors.jira import jira
from connectors.jira.connector import missing_scopes, web_origin
from connectors.jira.simulator import JiraSimulator, Limits, Token
from connectors.jira.simulator.access import CLOUD_ID
from connectors.sdk import (
    ActionError,
    OAuthUser,
    Quota,
    Response,
    UpstreamConflict,
    UpstreamForbidden,
    UpstreamInvalidResponse,
    UpstreamNotFound,
    UpstreamRejected,
)
from connectors.sdk.auth import RootInList
from connectors.sdk.errors import ConnectionUnhealthy, UpstreamUnavailable


def answer(status: int, message: str | None = "No.", **headers: str) -> Response:
    body = b"<html>" if message is None else orjson.dumps({"errorMessages": [message], "errors": {}})
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, UpstreamRejected),
        (401, ConnectionUnhealthy),
        (403, UpstreamForbidden),
        (404, UpstreamNotFound),
        (409, UpstreamConflict),
        (410, UpstreamInvalidResponse),
        (413, UpstreamRejected),
        (422, UpstreamRejected),
        (500, UpstreamUnavailable),
        (503, UpstreamUnavailable),
    ],
)
def test_a_status_becomes_the_error_that_says_what_to_do(status: int, error: type[ActionError]) -> None:
    found = jira.error_of(answer(status))

    assert type(found) is error
    assert found.upstream is not None
    assert (found.upstream.status, found.upstream.message) == (status, "No.")


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"errorMessages": ["A.", "B."], "errors": {"summary": "Too long."}}, "A.; B.; summary: Too long.", "summary"),
        ({"code": 401, "message": "Unauthorized; scope does not match"}, "Unauthorized; scope does not match", None),
        ({"error": "invalid_grant", "error_description": "Gone."}, "Gone.", "invalid_grant"),
        ({"errorMessages": [], "errors": {}}, None, None),
    ],
)
def test_a_problem_holds_what_jira_or_its_gateway_says(body: Any, message: str | None, code: str | None) -> None:
    problem = jira.error_of(Response(400, {"atl-traceid": "t1"}, orjson.dumps(body))).upstream

    assert problem is not None
    assert (problem.message, problem.code, problem.request_id) == (message, code, "t1")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errors": 7, "errorMessages": "x"}', b'{"message": null}'])
def test_an_error_body_of_any_shape_is_read_without_a_fault(body: bytes) -> None:
    assert jira.error_of(Response(502, {}, body)).upstream is not None


# 1000 s after the hour began.
NOW = 3_600_000.0 + 1000


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        (answer(429, retry_after="30"), 30.0),
        (answer(429, None, retry_after="0"), 1.0),
        (answer(429, x_ratelimit_reset="1970-02-11T16:17:10Z"), 30.0),
        (answer(429, ratelimit_reason="jira-quota-tenant-based"), 2600.0),
        (answer(429, ratelimit_reason="jira-burst-based"), 5.0),
        (answer(429, None), 5.0),
    ],
)
def test_a_refusal_for_limits_says_how_long_to_wait(refusal: Response, seconds: float) -> None:
    throttled = jira.throttled_by(refusal, NOW)

    assert throttled is not None
    assert throttled.seconds == seconds


@pytest.mark.parametrize("refusal", [answer(403), answer(503, retry_after="5"), answer(400)])
def test_another_refusal_is_not_taken_for_a_limit(refusal: Response) -> None:
    assert jira.throttled_by(refusal, NOW) is None


DATE = "Sun, 22 Nov 2026 09:50:00 GMT"
AT = 1795341000.0


@pytest.mark.parametrize(
    ("headers", "quotas"),
    [
        (
            {
                "date": DATE,
                "ratelimit-policy": '"global-app-quota";q=65000;w=3600',
                "ratelimit": '"global-app-quota";r=11000;t=600',
            },
            [Quota("core", 65_000, 11_000, AT + 600)],
        ),
        (
            {
                "date": DATE,
                "ratelimit-policy": '"app";q=100;w=3600, "tenant";q=1000;w=3600',
                "ratelimit": '"app"; r=50; t=60, "tenant";r=100;t=60',
            },
            [Quota("core", 1000, 100, AT + 60)],
        ),
        ({"date": DATE, "ratelimit-policy": '"app";q=100;w=3600', "ratelimit": '"app";t=60'}, []),
        ({"date": DATE, "beta-ratelimit-policy": '"a";q=1;w=1', "beta-ratelimit": '"a";r=0;t=1'}, []),
        ({"ratelimit-policy": '"app";q=100;w=3600', "ratelimit": '"app";r=1;t=60'}, []),
        ({"date": "now", "ratelimit": "nonsense"}, []),
    ],
)
def test_the_points_are_read_from_every_answer(headers: dict[str, str], quotas: list[Quota]) -> None:
    assert list(jira.quota_of(Response(200, headers, b""))) == quotas


async def test_used_up_points_are_told_by_the_simulator_as_the_connector_reads_them(
    session: Any, driver_for: Any
) -> None:
    app = Token("app", scopes=frozenset({"read:jira-work"}))
    simulator = JiraSimulator(tokens=[app], limits=Limits(points=2))
    url = await simulator.start()
    driver = driver_for(f"{url}/ex/jira/{CLOUD_ID}", "app")
    try:
        for _ in range(2):
            await driver.run("jira.project.get", {"project": "OPS"})
        with pytest.raises(ActionError):
            await driver.run("jira.project.get", {"project": "OPS"})
    finally:
        await simulator.stop()

    answers = [response for _, response in driver.exchanges]
    assert [[quota.remaining for quota in jira.quota_of(one)] for one in answers] == [[1], [0], [0]]
    assert jira.throttled_by(answers[2], 0.0) is not None


OPS_1 = {"issue": "OPS-1"}


@pytest.mark.parametrize(
    ("action", "given", "error"),
    [
        ("issue.get", {"issue": "OPS-999"}, UpstreamNotFound),
        ("issue.get", {"issue": "NONE-1"}, UpstreamNotFound),
        ("issue.create", {"project": "NONE", "type": "Task", "summary": "x"}, UpstreamRejected),
        ("issue.create", {"project": "OPS", "type": "Poem", "summary": "x"}, UpstreamRejected),
        ("issue.create", {"project": "OPS", "type": "Subtask", "summary": "x"}, UpstreamRejected),
        ("issue.update", {**OPS_1, "priority": "Urgent"}, UpstreamRejected),
        ("issue.update", {**OPS_1, "custom_fields": {"customfield_99999": 1}}, UpstreamRejected),
        ("issue.update", {**OPS_1, "custom_fields": {"customfield_10011": "plain"}}, UpstreamRejected),
        ("issue.transition", {**OPS_1, "transition": "11", "to_status": "To Do"}, UpstreamRejected),
        ("issue.assign", {**OPS_1, "assignee": "nobody"}, UpstreamRejected),
        ("issue.search", {"jql": "ORDER BY created"}, UpstreamRejected),
        ("issue.search", {"jql": "nonsense = 1"}, UpstreamRejected),
        ("comment.update", {**OPS_1, "comment": "1", "body": "x"}, UpstreamNotFound),
        ("attachment.download", {**OPS_1, "attachment": "1"}, UpstreamNotFound),
        ("attachment.delete", {**OPS_1, "attachment": "1"}, UpstreamNotFound),
        ("issue_link.create", {"type": "Eats", "inward_issue": "OPS-1", "outward_issue": "OPS-2"}, UpstreamNotFound),
        ("watcher.add", {**OPS_1, "account": "nobody"}, UpstreamNotFound),
        ("user.get", {"account": "nobody"}, UpstreamNotFound),
    ],
)
async def test_refusals_become_typed_errors_and_change_nothing(
    action: str, given: dict[str, Any], error: type[ActionError], simulator: JiraSimulator, driver: Any
) -> None:
    with pytest.raises(error):
        await driver.run(f"jira.{action}", given)

    assert simulator.applied == []


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://api.atlassian.com/ex/jira/1", "https://auth.atlassian.com"),
        ("https://acme.atlassian.net", "https://auth.atlassian.com"),
        ("http://127.0.0.1:8900/ex/jira/1", "http://127.0.0.1:8900"),
    ],
)
def test_people_log_in_at_one_place_for_all_of_atlassian(base_url: str, origin: str) -> None:
    assert jira.web_origin(base_url) == web_origin(base_url) == origin


def test_an_api_token_has_no_scopes_to_lack_and_an_apps_token_has() -> None:
    needed = frozenset({"read:jira-work", "write:jira-work"})

    assert missing_scopes("token", frozenset(), needed) == frozenset()
    assert missing_scopes("oauth", frozenset({"read:jira-work"}), needed) == {"write:jira-work"}


@pytest.mark.parametrize(
    ("site", "suits"),
    [
        ({"id": "1", "scopes": ["read:jira-work"]}, True),
        ({"id": "1", "scopes": ["read:issue:jira"]}, True),
        ({"id": "1", "scopes": ["read:page:confluence"]}, False),
        ({"id": "1"}, False),
    ],
)
def test_of_the_sites_that_a_token_reaches_only_jiras_are_offered(site: dict[str, object], suits: bool) -> None:
    method = jira.auth["oauth"]

    assert isinstance(method, OAuthUser)
    assert isinstance(method.discover, RootInList)
    assert method.discover.suits(site) is suits


def test_an_authorization_asks_for_what_a_refresh_and_the_account_need() -> None:
    method = jira.auth["oauth"]

    assert isinstance(method, OAuthUser)
    assert method.always_scopes == {"offline_access", "read:jira-user"}
    assert method.authorize_params == {"audience": "api.atlassian.com", "prompt": "consent"}
