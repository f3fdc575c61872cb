"""What particular reads and writes make of GitHub's answers."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.github import github
from connectors.github.content import blob_id
from connectors.github.paging import next_page
from connectors.github.simulator import GitHubSimulator
from connectors.sdk import InvalidInput, Response
from connectors.sdk.errors import InvalidCursor
from connectors.sdk.exchange import FileContent

WEB = {"owner": "acme", "repo": "web"}


async def test_a_page_of_issues_drops_pull_requests(simulator: GitHubSimulator, arrange: Any, driver: Any) -> None:
    arrange(simulator)

    page = await driver.run("github.issue.list", {**WEB, "state": "all"})

    assert {issue.title for issue in page.items} == {"Welcome", "Heated"}


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_a_list_is_read_to_its_last_page(limit: int, driver: Any) -> None:
    for number in range(6):
        await driver.run("github.issue.create", {**WEB, "title": f"Number {number}"})
    found: list[int] = []
    cursor = None

    while True:
        page = await driver.run("github.issue.list", {**WEB, "limit": limit, "cursor": cursor})
        found += [issue.number for issue in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        (
            '<https://api.github.com/x?page=3&per_page=2>; rel="next", <https://api.github.com/x?page=9>; rel="last"',
            "page=3",
        ),
        (
            '<https://api.github.com/x?page=1>; rel="prev", <https://api.github.com/x?after=Y%3D%3D&q=a>; rel="next"',
            "after=Y%3D%3D",
        ),
        ('<https://api.github.com/x?page=1>; rel="prev"', None),
        ("", None),
    ],
)
def test_the_cursor_is_the_position_in_the_link_to_the_next_page(link: str, cursor: str | None) -> None:
    assert next_page(Response(200, {"link": link}, b"")) == cursor


@pytest.mark.parametrize("cursor", ["state=all", "page=2&state=all", "2"])
async def test_a_cursor_can_carry_nothing_but_a_position(cursor: str, driver: Any) -> None:
    with pytest.raises(InvalidCursor):
        await driver.run("github.issue.list", {**WEB, "cursor": cursor})

    assert driver.sent == []


@pytest.mark.parametrize(
    "given",
    [
        {"owner": "acme", "repo": ".."},
        {"owner": "acme", "repo": "."},
    ],
)
async def test_a_repository_cannot_leave_its_segment(given: dict[str, Any], driver: Any) -> None:
    with pytest.raises(InvalidInput):
        await driver.run("github.repository.get", given)

    assert driver.sent == []


@pytest.mark.parametrize("owner", ["../user", "acme/web", "", "a b", "acme?x=1", "acme#"])
def test_an_owner_is_a_login(owner: str) -> None:
    with pytest.raises(ValidationError):
        github.actions["github.repository.get"].input.model_validate({"owner": owner, "repo": "web"})


@pytest.mark.parametrize("action", ["github.issue.update", "github.pull.update"])
def test_an_update_changes_something(action: str) -> None:
    with pytest.raises(ValidationError, match="at least one field"):
        github.actions[action].input.model_validate({**WEB, "number": 1})


@pytest.mark.parametrize("extra", [{}, {"text": "a", "file": {"file": "file_00000000000000000000000000"}}])
def test_a_file_has_one_content(extra: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="either `text` or `file`"):
        github.actions["github.content.update"].input.model_validate({**WEB, "path": "a", "message": "m", **extra})


@pytest.mark.parametrize("event", ["COMMENT", "REQUEST_CHANGES"])
def test_a_review_says_why_unless_it_approves(event: str) -> None:
    kind = github.actions["github.review.create"].input

    with pytest.raises(ValidationError, match="must say why"):
        kind.model_validate({**WEB, "number": 1, "event": event})

    assert kind.model_validate({**WEB, "number": 1, "event": "APPROVE"})


async def test_an_approval_without_words_is_found_by_its_hidden_marker(
    simulator: GitHubSimulator, arrange: Any, driver: Any
) -> None:
    given = {**WEB, "number": arrange(simulator)["github.pull.get"]["number"], "event": "APPROVE"}

    made = await driver.run("github.review.create", given)

    assert made.body == ""
    assert (await driver.find("github.review.create", given)).id == made.id


async def test_a_text_file_is_decoded_and_a_binary_one_is_left_to_download(
    simulator: GitHubSimulator, driver: Any
) -> None:
    driver.uploads["file_00000000000000000000000000"] = FileContent(b"\xff\x00\xfe", "application/octet-stream")
    written = await driver.run(
        "github.content.update",
        {**WEB, "path": "logo.png", "message": "Add", "file": {"file": "file_00000000000000000000000000"}},
    )

    text = await driver.run("github.content.get", {**WEB, "path": "README.md"})
    binary = await driver.run("github.content.get", {**WEB, "path": "logo.png"})
    stored = await driver.run("github.content.download", {**WEB, "path": "logo.png"})

    assert text.text.startswith("# web")
    assert binary.text is None
    assert binary.sha == written.sha == blob_id(b"\xff\x00\xfe")
    assert (stored.media_type, driver.saved[0].content) == ("image/png", b"\xff\x00\xfe")


async def test_a_written_file_is_found_with_the_commit_that_wrote_it(simulator: GitHubSimulator, driver: Any) -> None:
    given = {**WEB, "path": "docs/a.md", "message": "Add", "text": "Hällo"}

    written = await driver.run("github.content.update", given)

    assert await driver.find("github.content.update", given) == written
    assert base64.b64decode(driver.sent[0].body.split(b'"content":"')[1].split(b'"')[0]) == "Hällo".encode()


async def test_a_file_that_changed_since_is_not_found_as_written(driver: Any) -> None:
    given = {**WEB, "path": "a.md", "message": "Add", "text": "one"}
    first = await driver.run("github.content.update", given)
    await driver.run("github.content.update", {**given, "text": "two", "sha": first.sha})

    assert await driver.find("github.content.update", given) is None


async def test_all_repositories_within_reach_come_from_the_users_list(driver: Any) -> None:
    page = await driver.run("github.repository.list", {})

    assert [repository.full_name for repository in page.items] == ["acme/web", "acme/api", "globex/site"]


async def test_a_branch_with_slashes_stays_one_name(simulator: GitHubSimulator, arrange: Any, driver: Any) -> None:
    given = arrange(simulator)["github.branch.create"]

    made = await driver.run("github.branch.create", given)
    read = await driver.run("github.branch.get", {**WEB, "branch": "fix/login"})

    assert made.name == read.name == "fix/login"
    assert driver.sent[1].path == "/repos/acme/web/branches/fix%2Flogin"


async def test_a_user_that_is_gone_leaves_no_author(simulator: GitHubSimulator, driver: Any) -> None:
    from connectors.github.issue import Issue

    issue = Issue.model_validate(
        {
            "number": 1,
            "title": "x",
            "state": "open",
            "html_url": "https://github.com/acme/web/issues/1",
            "user": None,
            "labels": ["bug", {"name": "old"}],
            "milestone": None,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
        }
    )

    assert (issue.author, issue.labels, issue.assignees, issue.milestone) == (None, ["bug", "old"], [], None)


async def test_a_dispatch_tells_the_run_that_it_started(driver: Any) -> None:
    given = {**WEB, "workflow": "ci.yml", "ref": "main"}

    started = await driver.run("github.workflow.dispatch", given)
    run = await driver.run("github.workflow_run.get", {**WEB, "run_id": started.run_id})

    assert (run.event, run.status, run.conclusion) == ("workflow_dispatch", "queued", None)


async def test_an_old_servers_dispatch_without_a_body_tells_no_run() -> None:
    from connectors.sdk import Upstream
    from connectors.sdk.drive import drive

    action = github.actions["github.workflow.dispatch"]
    given = action.input.model_validate({**WEB, "workflow": "ci.yml", "ref": "main"})

    async def answer(_asked: object) -> Response:
        return Response(204, {}, b"")

    assert (await drive(action.handler(Upstream(github), given), answer)).run_id is None
