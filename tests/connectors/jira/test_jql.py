"""Searches under a constraint: what is sent is narrowed, and a query cannot widen it."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.jira import jira
from connectors.jira.jql import quoted, split, within
from connectors.jira.names import project_of
from connectors.jira.simulator import JiraSimulator
from connectors.jira.simulator.ask import Ask
from connectors.jira.simulator.jql import Query, Unreadable
from connectors.sdk import ConstraintDenied, Searched
from connectors.sdk.simulator import Call


def narrowed(name: str, given: dict[str, Any], *patterns: str) -> Any:
    action = jira.actions[name]
    assert isinstance(action.resource, Searched)
    return action.resource.narrow(action.input.model_validate(given), patterns)


@pytest.mark.parametrize(
    ("jql", "patterns", "sent"),
    [
        ("status = Done", ["OPS"], 'project in ("OPS") AND (status = Done)'),
        ("a = 1 OR b = 2", ["OPS", "WEB"], 'project in ("OPS", "WEB") AND (a = 1 OR b = 2)'),
        ("a = 1 order  by created", ["OPS"], 'project in ("OPS") AND (a = 1) order  by created'),
        ("ORDER BY created DESC", ["OPS"], 'project in ("OPS") ORDER BY created DESC'),
        ("", ["OPS"], 'project in ("OPS")'),
        ('text ~ "order by (x"', ["OPS"], 'project in ("OPS") AND (text ~ "order by (x")'),
        ("status = Done", ["*"], "status = Done"),
        ("status = Done", ["OPS", "OPS/WEB"], 'project in ("OPS") AND (status = Done)'),
    ],
)
def test_a_search_is_narrowed_to_the_projects_of_the_patterns(jql: str, patterns: list[str], sent: str) -> None:
    assert within(jql, patterns) == sent


@pytest.mark.parametrize(
    "jql",
    [
        "a = 1) OR (project = WEB",
        "(a = 1",
        'text ~ "open',
        "text ~ 'open",
        "text ~ it's ) OR (project = WEB AND text ~ it's",
        'text ~ a"b"',
        'text ~ "a"b',
        'text ~ "a""b"',
        r"text ~ a\" ) OR (b",
        r'text ~ "a\"',
        "a = 1 \x00",
        "a = 1 \u2028 b",
        "(a = 1 ORDER BY b)",
        "a = 1 ORDER BY created) OR (project = WEB",
    ],
)
def test_a_query_that_is_not_surely_read_is_refused(jql: str) -> None:
    with pytest.raises(ConstraintDenied):
        within(jql, ["OPS"])


def test_grants_that_name_no_project_allow_no_search() -> None:
    with pytest.raises(ConstraintDenied):
        within("a = 1", ["OPS/WEB", '") OR ("'])


PIECES = st.sampled_from(
    [
        *"()\"'\\=,!~<> ",
        " OR ",
        " AND ",
        " NOT ",
        " ORDER BY created",
        "project = WEB",
        "project in (WEB)",
        'summary ~ "welcome"',
        "labels = x",
        "labels is EMPTY",
        'status != "Done"',
        "created >= -1d",
        "currentUser()",
        "creator = ",
    ]
)


@settings(max_examples=600, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
@example("labels = x OR project = WEB")
@example('summary ~ "x" OR project in (WEB) ORDER BY created')
@example("NOT labels = x OR project = WEB")
def test_a_narrowed_query_finds_nothing_outside(jql: str) -> None:
    simulator = JiraSimulator()
    world = simulator.world
    ask = Ask(Call("GET", "/"), world, simulator.access.tokens["jira_sandbox"], simulator.clock() + 1, "", 3)
    try:
        found = Query(within(jql, ["OPS"]), ask).run(list(world.issues.values()))
    except (ConstraintDenied, Unreadable):
        return

    assert {issue.project.key for issue in found} <= {"OPS"}


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30))
def test_any_text_can_be_quoted(words: str) -> None:
    assert split(f"summary ~ {quoted(words)} ORDER BY key") == (f"summary ~ {quoted(words)}", "ORDER BY key")


async def test_a_narrowed_search_runs_and_every_result_names_its_project(driver: Any) -> None:
    given = narrowed("jira.issue.search", {"jql": "labels is EMPTY OR project = WEB"}, "OPS")

    page = await driver.do(jira.actions["jira.issue.search"].handler(driver.api(), given))

    resource = jira.actions["jira.issue.search"].resource
    assert isinstance(resource, Searched)
    assert [resource.of(issue) for issue in page.items] == ["OPS"]


def test_a_list_of_projects_is_narrowed_to_those_that_are_granted() -> None:
    assert narrowed("jira.project.list", {}, "OPS", "WEB").keys == ["OPS", "WEB"]
    assert narrowed("jira.project.list", {"keys": ["web", "X1"]}, "OPS", "WEB").keys == ["WEB"]
    assert narrowed("jira.project.list", {"keys": ["X1"]}, "*").keys == ["X1"]
    assert narrowed("jira.project.list", {}, *(f"P{number}" for number in range(60))).keys == []
    with pytest.raises(ConstraintDenied):
        narrowed("jira.project.list", {"keys": ["X1"]}, "OPS")


@pytest.mark.parametrize(
    ("spelling", "project"),
    [("OPS", "OPS"), ("ops", "OPS"), ("OPS-12", "OPS"), ("ops-1", "OPS"), ("WEB-2/ops-1", "OPS/WEB"), ("*", "*")],
)
def test_a_project_has_one_spelling(spelling: str, project: str) -> None:
    assert project_of(spelling) == project
