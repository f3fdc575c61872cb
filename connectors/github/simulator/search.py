"""Search. Unlike GitHub's index, it sees every write at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.github.simulator import issues
from connectors.github.simulator.ask import Ask
from connectors.github.simulator.refusals import refusal
from connectors.github.simulator.render import Json, full_repository
from connectors.github.simulator.routing import Route
from connectors.github.simulator.terms import Terms, Test, Unreadable
from connectors.github.simulator.world import Issue, Repository
from connectors.sdk.simulator import Answer

MAX_RESULTS = 1000


@dataclass(frozen=True, slots=True)
class _Found:
    repository: Repository
    issue: Issue


def search_issues(ask: Ask) -> Answer:
    """GET /search/issues."""
    query = _query(ask)
    test = _read(query, _issue_term)
    found = [
        _Found(repository, issue)
        for repository in ask.visible()
        for issue in repository.issues.values()
        if test(_Found(repository, issue))
    ]
    updated = ask.query.get("sort") == "updated"
    found.sort(
        key=lambda hit: (hit.issue.updated_at if updated else hit.issue.created_at, hit.issue.id),
        reverse=ask.query.get("order", "desc") == "desc",
    )
    return _results(
        ask, found, lambda hit: {**issues.shown(hit.issue, hit.repository, ask.site), "score": 1.0}, "lexical"
    )


def search_repositories(ask: Ask) -> Answer:
    """GET /search/repositories. Several `repo:` and `user:` qualifiers widen the search, as GitHub has it here."""
    query = _query(ask)
    places = [word for word in query.split() if word.split(":")[0] in {"repo", "user", "org"} and ":" in word]
    rest = " ".join(word for word in query.split() if word not in places)
    test, where = _read(rest, _repository_term), _read(" OR ".join(places), _repository_term)
    found = [repository for repository in ask.visible() if test(repository) and where(repository)]
    return _results(ask, found, lambda repository: {**full_repository(repository, ask.site), "score": 1.0}, None)


def _query(ask: Ask) -> str:
    query = ask.query.get("q", "").strip()
    words = query.replace("(", " ").replace(")", " ").split()
    if not query or sum(word in {"AND", "OR", "NOT"} for word in words) > 5:
        raise _unprocessable("q", "missing" if not query else "invalid")
    return query


def _read(query: str, term: Callable[[str, str], Test[Any]]) -> Test[Any]:
    try:
        return Terms(query, term).test()
    except Unreadable as error:
        raise _unprocessable("q", "invalid") from error


def _unprocessable(field: str, code: str) -> Exception:
    return refusal(422, "Validation Failed", errors=[{"resource": "Search", "field": field, "code": code}])


def _results(ask: Ask, found: Sequence[Any], render: Callable[[Any], Json], kind: str | None) -> Answer:
    cut, links = ask.cut(found[:MAX_RESULTS])
    answer: Json = {
        "total_count": len(found),
        "incomplete_results": False,
        "items": [render(item) for item in cut],
    }
    return Answer.of(answer if kind is None else {**answer, "search_type": kind}, headers=links)


def _issue_term(name: str, value: str) -> Test[_Found]:
    wanted = value.lower()
    tests: dict[str, Test[_Found]] = {
        "": lambda hit: wanted in f"{hit.issue.title}\n{hit.issue.body or ''}".lower(),
        "repo": lambda hit: hit.repository.full_name.lower() == wanted,
        "org": lambda hit: hit.repository.owner.login.lower() == wanted,
        "user": lambda hit: hit.repository.owner.login.lower() == wanted,
        "is": lambda hit: _is(hit, wanted),
        "type": lambda hit: _is(hit, wanted),
        "state": lambda hit: hit.issue.state == wanted,
        "in": lambda _hit: True,
        "label": lambda hit: any(label.name.lower() == wanted for label in hit.issue.labels),
        "author": lambda hit: hit.issue.user.login.lower() == wanted,
        "assignee": lambda hit: any(owner.login.lower() == wanted for owner in hit.issue.assignees),
        "sort": lambda _hit: True,
    }
    if name not in tests:
        raise Unreadable(f"no qualifier {name}")
    return tests[name]


def _is(hit: _Found, wanted: str) -> bool:
    pull = hit.issue.pull
    known = {
        "open": hit.issue.state == "open",
        "closed": hit.issue.state == "closed",
        "issue": pull is None,
        "pr": pull is not None,
        "pull-request": pull is not None,
        "merged": pull is not None and pull.merged_at is not None,
        "draft": pull is not None and pull.draft,
        "public": not hit.repository.private,
        "private": hit.repository.private,
        "locked": hit.issue.locked,
    }
    if wanted not in known:
        raise Unreadable(f"no state {wanted}")
    return known[wanted]


def _repository_term(name: str, value: str) -> Test[Repository]:
    wanted = value.lower()
    tests: dict[str, Test[Repository]] = {
        "": lambda found: wanted in f"{found.full_name} {found.description or ''}".lower(),
        "repo": lambda found: found.full_name.lower() == wanted,
        "org": lambda found: found.owner.login.lower() == wanted,
        "user": lambda found: found.owner.login.lower() == wanted,
        "is": lambda found: wanted == ("private" if found.private else "public"),
        "in": lambda _found: True,
        "archived": lambda found: found.archived == (wanted == "true"),
    }
    if name not in tests:
        raise Unreadable(f"no qualifier {name}")
    return tests[name]


ROUTES = (
    Route("GET", "/search/issues", search_issues),
    Route("GET", "/search/repositories", search_repositories),
)
