"""What particular reads and writes make of Jira's answers."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.jira import jira
from connectors.jira.simulator import JiraSimulator
from connectors.jira.simulator.seed import AGENT, ANA, text
from connectors.sdk import UpstreamNotFound
from connectors.sdk.errors import InvalidCursor
from connectors.sdk.exchange import FileContent

FILE = "file_00000000000000000000000000"
OPS_1 = {"issue": "OPS-1"}
PAGED = sorted(
    name
    for name, action in jira.actions.items()
    if action.paged and "cursor" in action.input.model_fields and name != "jira.issue.search"
)


async def pages(driver: Any, name: str, given: dict[str, Any], limit: int) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        page = await driver.run(name, {**given, "limit": limit, "cursor": cursor})
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_a_search_is_read_to_its_last_page(limit: int, driver: Any) -> None:
    for number in range(5):
        await driver.run("jira.issue.create", {"project": "OPS", "type": "Task", "summary": f"Number {number}"})

    found = await pages(driver, "jira.issue.search", {"jql": "project = OPS ORDER BY key ASC"}, limit)

    assert [issue.key for issue in found] == [f"OPS-{number}" for number in range(1, 8)]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_comments_are_read_to_the_last_page(limit: int, driver: Any) -> None:
    for number in range(5):
        await driver.run("jira.comment.create", {**OPS_1, "body": f"Number {number}"})

    oldest = await pages(driver, "jira.comment.list", OPS_1, limit)
    newest = await pages(driver, "jira.comment.list", {**OPS_1, "order": "newest"}, limit)

    assert [comment.body for comment in oldest] == [f"Number {number}" for number in range(5)]
    assert newest == oldest[::-1]


@pytest.mark.parametrize("name", PAGED)
async def test_every_list_gives_the_same_by_ones_as_at_once(
    name: str, simulator: JiraSimulator, arrange: Any, driver: Any
) -> None:
    given = arrange(simulator)[name]

    at_once = (await driver.run(name, {**given, "limit": 100})).items

    assert await pages(driver, name, given, 1) == at_once
    assert at_once


@pytest.mark.parametrize("cursor", ["x", "-1", "1&jql=x", "٣", "99999999999"])
async def test_a_cursor_can_carry_nothing_but_a_position(cursor: str, driver: Any) -> None:
    with pytest.raises(InvalidCursor):
        await driver.run("jira.comment.list", {**OPS_1, "cursor": cursor})

    assert driver.sent == []


@pytest.mark.parametrize("issue", ["10001", "OPS", "OPS-0", "OPS-1/comment", "../x", "OPS-1?x", "OPS-1 ", "-1", ""])
def test_an_issue_is_named_by_its_key_alone(issue: str) -> None:
    with pytest.raises(ValidationError):
        jira.actions["jira.issue.get"].input.model_validate({"issue": issue})


async def test_an_issue_is_read_with_all_that_was_written(simulator: JiraSimulator, arrange: Any, driver: Any) -> None:
    given = arrange(simulator)["jira.issue.create"]
    made = await driver.run("jira.issue.create", given)

    issue = await driver.run("jira.issue.get", {"issue": made.key, "custom_fields": list(given["custom_fields"])})

    assert (issue.summary, issue.description, issue.type) == (given["summary"], given["description"], "Bug")
    assert (issue.priority, issue.labels, issue.components) == ("High", ["web"], ["Backend"])
    assert (issue.parent, issue.due, issue.fix_versions) == ("OPS-2", date(2026, 12, 24), ["1.0"])
    assert (issue.status, issue.status_category, issue.project) == ("To Do", "new", "OPS")
    assert (issue.reporter.account_id, issue.assignee.account_id) == (AGENT.account_id, given["assignee"])
    assert issue.custom_fields["customfield_10010"]["value"] == "High"
    assert issue.custom_fields["customfield_10012"] == 3


async def test_a_rich_custom_field_is_read_as_markdown(simulator: JiraSimulator, driver: Any) -> None:
    simulator.world.find("OPS-1").custom["customfield_10011"] = text("Step *one*")  # type: ignore[union-attr]

    issue = await driver.run("jira.issue.get", {**OPS_1, "custom_fields": ["customfield_10011"]})

    assert issue.custom_fields == {"customfield_10011": r"Step \*one\*"}


async def test_links_tell_the_other_issue_in_words_and_not_its_text(
    simulator: JiraSimulator, arrange: Any, driver: Any
) -> None:
    await driver.run("jira.issue_link.create", {"type": "Blocks", "inward_issue": "OPS-1", "outward_issue": "WEB-1"})

    first = await driver.run("jira.issue.get", OPS_1)
    other = await driver.run("jira.issue.get", {"issue": "WEB-1"})

    assert [(link.words, link.issue) for link in first.links] == [("blocks", "WEB-1")]
    assert [(link.words, link.issue) for link in other.links] == [("is blocked by", "OPS-1")]
    assert "Welcome page" not in first.model_dump_json()


async def test_a_link_between_projects_concerns_both(simulator: JiraSimulator, driver: Any) -> None:
    given = {"type": "Blocks", "inward_issue": "WEB-1", "outward_issue": "OPS-1"}
    await driver.run("jira.issue_link.create", given)
    link = next(iter(simulator.world.links))

    assert await driver.locate("jira.issue_link.create", given) == "OPS/WEB"
    assert await driver.locate("jira.issue_link.delete", {"link": link}) == "OPS/WEB"


async def test_a_link_made_twice_is_one(simulator: JiraSimulator, driver: Any) -> None:
    given = {"type": "Blocks", "inward_issue": "OPS-1", "outward_issue": "OPS-2"}

    await driver.run("jira.issue_link.create", given)
    await driver.run("jira.issue_link.create", given)

    assert len(simulator.applied) == 1
    assert len(simulator.world.links) == 1


@pytest.fixture
def moved(simulator: JiraSimulator, arrange: Any) -> dict[str, dict[str, Any]]:
    """Inputs about `OPS-1`, which is in `WEB` by now and can still be had under its former key."""
    given: dict[str, dict[str, Any]] = arrange(simulator)
    issue = simulator.world.find("OPS-1")
    assert issue is not None
    simulator.world.move(issue, simulator.world.projects["WEB"])
    return given


KEYED = ["jira.issue.get", "jira.attachment.list", "jira.attachment.download", "jira.attachment.delete"]


@pytest.mark.parametrize("name", KEYED)
async def test_an_issue_that_was_moved_is_not_read_under_its_former_project(
    name: str, moved: dict[str, dict[str, Any]], simulator: JiraSimulator, driver: Any
) -> None:
    with pytest.raises(UpstreamNotFound) as caught:
        await driver.run(name, moved[name])

    assert "WEB" not in caught.value.detail
    assert simulator.applied == []


@pytest.mark.parametrize(
    "name",
    [
        "jira.issue.update",
        "jira.issue.transition",
        "jira.issue.assign",
        "jira.comment.create",
        "jira.comment.list",
        "jira.comment.delete",
        "jira.worklog.create",
        "jira.watcher.add",
        "jira.attachment.create",
        "jira.issue.list_changes",
    ],
)
async def test_an_issue_that_was_moved_counts_for_its_present_project(
    name: str, moved: dict[str, dict[str, Any]], driver: Any
) -> None:
    assert await driver.locate(name, moved[name]) == "WEB"


async def test_an_attachment_of_another_issue_is_out_of_reach(
    simulator: JiraSimulator, arrange: Any, driver: Any
) -> None:
    theirs = arrange(simulator)["jira.attachment.delete"]["attachment"]

    for name in ("jira.attachment.delete", "jira.attachment.download"):
        with pytest.raises(UpstreamNotFound):
            await driver.run(name, {"issue": "OPS-2", "attachment": theirs})

    assert simulator.applied == []


@pytest.mark.parametrize("content", [b"", b"\xff\x00\r\n--x", b"a" * 100_000])
async def test_a_file_arrives_and_comes_back_byte_for_byte(content: bytes, driver: Any) -> None:
    driver.uploads[FILE] = FileContent(content, "image/png")

    made = await driver.run("jira.attachment.create", {**OPS_1, "file": {"file": FILE}, "name": "säge & co.png"})
    await driver.run("jira.attachment.download", {**OPS_1, "attachment": made.id})

    assert (made.name, made.media_type, made.size) == ("säge & co.png", "image/png", len(content))
    assert driver.saved[0].content == content


def test_a_file_has_one_content() -> None:
    kind = jira.actions["jira.attachment.create"].input
    for both in ({}, {"text": "a", "file": {"file": FILE}}):
        with pytest.raises(ValidationError, match="either `text` or `file`"):
            kind.model_validate({**OPS_1, "name": "a", **both})


@pytest.mark.parametrize("name", ['a"b', "a/b", "a\nb", "a\\b", ""])
def test_a_files_name_cannot_leave_its_header(name: str) -> None:
    with pytest.raises(ValidationError):
        jira.actions["jira.attachment.create"].input.model_validate({**OPS_1, "file": {"file": FILE}, "name": name})


async def test_an_issue_goes_through_its_workflow(driver: Any) -> None:
    steps = (await driver.run("jira.issue.list_transitions", OPS_1)).items
    assert [(step.name, step.to_status) for step in steps] == [("Start", "In Progress"), ("Finish", "Done")]

    finish = {**OPS_1, "transition": steps[1].id, "to_status": steps[1].to_status, "resolution": "Won't Do"}
    await driver.run("jira.issue.transition", finish)
    issue = await driver.run("jira.issue.get", OPS_1)
    history = (await driver.run("jira.issue.list_changes", OPS_1)).items

    assert (issue.status, issue.status_category, issue.resolution) == ("Done", "done", "Won't Do")
    assert [(change.field, change.after) for change in history[0].changes] == [
        ("status", "Done"),
        ("resolution", "Won't Do"),
    ]


async def test_an_issue_can_be_assigned_to_nobody(driver: Any) -> None:
    assert await driver.find("jira.issue.assign", {**OPS_1, "assignee": None}) is None

    await driver.run("jira.issue.assign", {**OPS_1, "assignee": None})

    assert (await driver.run("jira.issue.get", OPS_1)).assignee is None
    assert await driver.find("jira.issue.assign", {**OPS_1, "assignee": None}) is not None


async def test_many_issues_are_created_as_far_as_jira_takes_them(simulator: JiraSimulator, driver: Any) -> None:
    one = {"project": "OPS", "type": "Task", "summary": "fine"}
    given = {"project": "OPS", "issues": [one, {**one, "type": "Poem"}, one]}

    made = await driver.run("jira.issue.create_many", given)

    assert [issue.key for issue in made.issues] == ["OPS-3", "OPS-4"]
    assert [(refusal.index, refusal.reason) for refusal in made.refused] == [
        (1, "issuetype: Specify a valid issue type")
    ]
    assert await driver.find("jira.issue.create_many", given) is None


@pytest.mark.parametrize(
    ("action", "given", "fault"),
    [
        ("issue.update", OPS_1, "at least one field"),
        ("issue.update", {**OPS_1, "labels": ["a"], "add_labels": ["b"]}, "either `labels`"),
        ("issue.update", {**OPS_1, "remove_labels": ["b"], "add_labels": ["b"]}, "both added and removed"),
        ("issue.update", {**OPS_1, "parent": "WEB-1"}, "same project"),
        ("issue.update", {**OPS_1, "custom_fields": {"project": 1}}, "customfield"),
        ("issue.create", {"project": "OPS", "type": "Task", "summary": "a\nb"}, "summary"),
        ("issue.create", {"project": "OPS", "type": "Task", "summary": "a", "parent": "WEB-1"}, "same project"),
        (
            "issue.create_many",
            {"project": "OPS", "issues": [{"project": "WEB", "type": "Task", "summary": "a"}]},
            "same project",
        ),
    ],
)
def test_an_input_that_contradicts_itself_or_leaves_its_project_is_refused(
    action: str, given: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ValidationError, match=fault):
        jira.actions[f"jira.{action}"].input.model_validate(given)


async def test_a_text_that_was_changed_since_is_not_found_as_written(
    simulator: JiraSimulator, arrange: Any, driver: Any
) -> None:
    given = arrange(simulator)["jira.comment.update"]
    await driver.run("jira.comment.update", given)
    await driver.run("jira.comment.update", {**given, "body": "Something else"})

    assert await driver.find("jira.comment.update", given) is None


async def test_a_mention_names_the_person_and_is_read_as_a_name(simulator: JiraSimulator, driver: Any) -> None:
    body = f"[@Ana](mention:{ANA.account_id}) look"

    made = await driver.run("jira.comment.create", {**OPS_1, "body": body})

    assert made.body == "@Ana look"
    kept = simulator.world.find("OPS-1").comments[0].body["content"][0]["content"][0]  # type: ignore[union-attr]
    assert kept["attrs"]["id"] == ANA.account_id


async def test_an_account_that_is_gone_leaves_no_author() -> None:
    from connectors.jira.comment import Comment

    at = "2026-11-22T09:00:00.000+0000"
    comment = Comment.model_validate({"id": "1", "created": at, "updated": at})

    assert (comment.author, comment.body) == (None, "")
