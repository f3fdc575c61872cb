"""GitHub's refusals and limits, as the connector reads them."""

from typing import Any

import orjson
import pytest

from connectors.github import github
from connectors.github.simulator import GitHubSimulator
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

WEB = {"owner": "acme", "repo": "web"}


def answer(status: int, message: str | None, **headers: str) -> Response:
    body = b"<html>" if message is None else orjson.dumps({"message": message})
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, UpstreamRejected),
        (401, ConnectionUnhealthy),
        (403, UpstreamForbidden),
        (404, UpstreamNotFound),
        (405, UpstreamConflict),
        (409, UpstreamConflict),
        (410, UpstreamNotFound),
        (422, UpstreamRejected),
        (451, UpstreamForbidden),
        (500, UpstreamUnavailable),
        (502, UpstreamUnavailable),
    ],
)
def test_a_status_becomes_the_error_that_says_what_to_do(status: int, error: type[ActionError]) -> None:
    found = github.error_of(answer(status, "No."))

    assert type(found) is error
    assert found.upstream is not None
    assert (found.upstream.status, found.upstream.message) == (status, "No.")


def test_a_problem_holds_the_fields_the_code_and_the_request_id() -> None:
    errors = [{"resource": "Label", "field": "name", "code": "already_exists"}, "Body can't be blank"]
    body = orjson.dumps({"message": "Validation Failed", "errors": errors})

    problem = github.error_of(Response(422, {"x-github-request-id": "A:1"}, body)).upstream

    assert problem is not None
    assert problem.code == "already_exists"
    assert problem.message == "Validation Failed; name already_exists; Body can't be blank"
    assert problem.request_id == "A:1"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errors": 7}', b'{"message": null}'])
def test_an_error_body_of_any_shape_is_read_without_a_fault(body: bytes) -> None:
    assert github.error_of(Response(502, {}, body)).upstream is not None


PRIMARY = "API rate limit exceeded for user ID 1."
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        (answer(403, PRIMARY, x_ratelimit_remaining="0", x_ratelimit_reset="1090"), 90.0),
        (answer(429, PRIMARY, x_ratelimit_remaining="0", x_ratelimit_reset="1090"), 90.0),
        (answer(403, PRIMARY, x_ratelimit_remaining="0", x_ratelimit_reset="900"), 1.0),
        (answer(403, SECONDARY, retry_after="30", x_ratelimit_remaining="4000"), 30.0),
        (answer(403, SECONDARY, x_ratelimit_remaining="4000"), 60.0),
        (answer(429, None), 60.0),
        (answer(403, "You have triggered an abuse detection mechanism."), 60.0),
    ],
)
def test_a_refusal_for_limits_says_how_long_to_wait(refusal: Response, seconds: float) -> None:
    throttled = github.throttled_by(refusal, 1000.0)

    assert isinstance(throttled, Throttled)
    assert throttled.seconds == seconds


@pytest.mark.parametrize(
    "refusal",
    [
        answer(403, "Resource not accessible by integration", x_ratelimit_remaining="4999"),
        answer(403, "Resource not accessible by integration", x_ratelimit_remaining="0", x_ratelimit_reset="1090"),
        answer(403, "Must have admin rights to Repository."),
        answer(404, "Not Found", x_ratelimit_remaining="0"),
        answer(422, "Validation Failed"),
        answer(503, "Service unavailable", retry_after="5"),
    ],
)
def test_a_lack_of_permission_is_not_taken_for_a_limit(refusal: Response) -> None:
    assert github.throttled_by(refusal, 1000.0) is None


def test_the_budget_is_read_from_every_answer() -> None:
    told = {"limit": "30", "remaining": "12", "reset": "1090", "resource": "search"}

    found = github.quota_of(Response(200, {f"x-ratelimit-{name}": value for name, value in told.items()}, b""))

    assert list(found) == [Quota("search", 30, 12, 1090.0)]
    assert list(github.quota_of(Response(200, {"x-ratelimit-limit": "many"}, b""))) == []


@pytest.mark.parametrize(
    ("action", "given", "error"),
    [
        ("issue.get", {**WEB, "number": 999}, UpstreamNotFound),
        ("issue.get", {"owner": "nobody", "repo": "nothing", "number": 1}, UpstreamNotFound),
        ("label.create", {**WEB, "name": "bug"}, UpstreamRejected),
        ("branch.create", {**WEB, "branch": "x", "sha": "0" * 40}, UpstreamRejected),
        ("pull.create", {**WEB, "title": "x", "head": "missing", "base": "main"}, UpstreamRejected),
        ("pull.merge", {**WEB, "number": 1, "sha": "0" * 40}, UpstreamNotFound),
        ("content.delete", {**WEB, "path": "README.md", "message": "x", "sha": "0" * 40}, UpstreamConflict),
        ("content.update", {**WEB, "path": "README.md", "message": "x", "text": "x"}, UpstreamRejected),
        ("content.get", {**WEB, "path": ".github"}, UpstreamRejected),
        ("content.list", {**WEB, "path": "README.md"}, UpstreamRejected),
        ("content.download", {**WEB, "path": ".github"}, UpstreamRejected),
        ("issue.remove_label", {**WEB, "number": 1, "label": "bug"}, UpstreamNotFound),
        ("branch.delete", {**WEB, "branch": "main"}, UpstreamRejected),
        ("workflow.dispatch", {**WEB, "workflow": "ci.yml", "ref": "missing"}, UpstreamRejected),
    ],
)
async def test_refusals_become_typed_errors_and_change_nothing(
    action: str, given: dict[str, Any], error: type[ActionError], simulator: GitHubSimulator, driver: Any
) -> None:
    with pytest.raises(error):
        await driver.run(f"github.{action}", given)

    assert simulator.applied == []


async def test_a_merge_of_a_head_that_moved_is_a_conflict(
    simulator: GitHubSimulator, arrange: Any, driver: Any
) -> None:
    given = arrange(simulator)["github.pull.merge"]

    with pytest.raises(UpstreamConflict, match="Head branch was modified"):
        await driver.run("github.pull.merge", {**given, "sha": "0" * 40})

    assert simulator.applied == []
