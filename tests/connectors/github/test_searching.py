"""Searches under a constraint: what is sent is narrowed, and a query cannot widen it."""

from typing import Any

import pytest

from connectors.github import github
from connectors.github.names import canonical
from connectors.github.searching import grouped, within
from connectors.github.simulator import GitHubSimulator
from connectors.sdk import ConstraintDenied, Searched


def narrowed(name: str, given: dict[str, Any], *patterns: str) -> Any:
    action = github.actions[name]
    assert isinstance(action.resource, Searched)
    return action.resource.narrow(action.input.model_validate(given), patterns)


@pytest.mark.parametrize(
    ("patterns", "sent"),
    [
        (["acme/web"], "crash repo:acme/web"),
        (["acme/*"], "crash user:acme"),
        (["acme/web", "globex/*"], "crash (repo:acme/web OR user:globex)"),
        (["*"], "crash"),
        (["*/web"], "crash"),
        (["acme/web", "*"], "crash"),
    ],
)
def test_a_search_for_issues_is_narrowed_to_the_patterns(patterns: list[str], sent: str) -> None:
    assert within("crash", patterns) == sent


def test_a_choice_is_bracketed_so_that_it_cannot_leave_the_narrowing() -> None:
    assert within("crash OR repo:globex/site", ["acme/web"]) == "(crash OR repo:globex/site) repo:acme/web"
    assert grouped("a OR b") == "(a OR b)"
    assert grouped("order by") == "order by"


@pytest.mark.parametrize("query", ['"open', "(open", "closed)", "a) OR (b", r"a\" b"])
def test_a_query_with_open_quotes_or_brackets_is_refused(query: str) -> None:
    with pytest.raises(ConstraintDenied):
        within(query, ["acme/web"])


def test_more_repositories_than_github_takes_are_refused() -> None:
    with pytest.raises(ConstraintDenied, match="at most 6"):
        within("crash", [f"acme/r{number}" for number in range(7)])


@pytest.mark.parametrize(
    "query", ["first", "first OR repo:globex/site", "NOT nothing OR first", "-repo:acme/web first OR first"]
)
async def test_a_narrowed_search_finds_nothing_elsewhere(query: str, simulator: GitHubSimulator, driver: Any) -> None:
    for repo in ("web", "api"):
        await driver.run("github.issue.create", {"owner": "acme", "repo": repo, "title": "first"})
    await driver.run("github.issue.create", {"owner": "globex", "repo": "site", "title": "first"})
    given = narrowed("github.issue.search", {"q": query}, "acme/web")

    page = await driver.do(github.actions["github.issue.search"].handler(driver.api(), given))

    assert {issue.repository for issue in page.items} <= {"acme/web"}


async def test_every_result_names_the_repository_that_it_is_checked_by(driver: Any) -> None:
    page = await driver.run("github.issue.search", {"q": "welcome"})
    action = github.actions["github.issue.search"]

    assert isinstance(action.resource, Searched)
    assert [action.resource.of(issue) for issue in page.items] == ["acme/web"]


async def test_pull_requests_are_searched_by_kind(simulator: GitHubSimulator, arrange: Any, driver: Any) -> None:
    arrange(simulator)

    issues = await driver.run("github.issue.search", {"q": "repo:acme/web feature OR welcome"})
    pulls = await driver.run("github.issue.search", {"q": "repo:acme/web feature OR welcome", "kind": "pull_request"})

    assert [found.title for found in issues.items] == ["Welcome"]
    assert [found.title for found in pulls.items] == ["Feature"]


def test_a_list_of_repositories_is_refused_for_an_owner_that_no_grant_names() -> None:
    assert narrowed("github.repository.list", {"owner": "Acme"}, "acme/web").owner == "Acme"
    with pytest.raises(ConstraintDenied):
        narrowed("github.repository.list", {"owner": "globex"}, "acme/*")


def test_a_search_for_repositories_is_narrowed_by_place() -> None:
    assert narrowed("github.repository.search", {"q": "web"}, "acme/*", "globex/site").q == (
        "web user:acme repo:globex/site"
    )


@pytest.mark.parametrize("spelling", ["acme/web", "Acme/Web", "ACME/WEB.git"])
def test_a_repository_has_one_spelling(spelling: str) -> None:
    assert canonical(spelling) == "acme/web"


def test_members_concern_all_of_an_organization() -> None:
    resource: Any = github.actions["github.member.list"].resource

    assert resource.canonical(resource.template.format(org="Acme")) == "acme/*"
