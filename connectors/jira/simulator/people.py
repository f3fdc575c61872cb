"""People, and what the site is. Shapes: `User`, `ServerInformation`."""

from collections.abc import Sequence

from connectors.jira.simulator import render
from connectors.jira.simulator.ask import Ask, stamp
from connectors.jira.simulator.refusals import not_found, refusal
from connectors.jira.simulator.routing import PEOPLE, Route
from connectors.jira.simulator.world import User
from connectors.sdk.simulator import Answer


def get_myself(ask: Ask) -> Answer:
    """GET /myself."""
    return Answer.of(render.user(ask.user, ask))


def get_user(ask: Ask) -> Answer:
    """GET /user."""
    found = ask.world.users.get(ask.query.get("accountId", ""))
    if found is None:
        raise not_found("Specified user")
    return Answer.of(render.user(found, ask))


def search_users(ask: Ask) -> Answer:
    """GET /user/search: a bare array."""
    account, query = ask.query.get("accountId"), ask.query.get("query")
    if account is None and query is None:
        raise refusal(400, "The query parameter is required.")
    if account is not None:
        return _array(ask, [one for one in ask.world.users.values() if one.account_id == account])
    return _array(ask, _matching(ask, query or ""))


def search_assignable(ask: Ask) -> Answer:
    """GET /user/assignable/search: everybody who has an account of their own."""
    issue, project = ask.query.get("issueKey"), ask.query.get("project")
    if issue is None and project is None:
        raise refusal(400, "The project or issueKey parameter is required.")
    if issue is not None:
        ask.named(issue)
    else:
        ask.project(project or "")
    return _array(ask, _matching(ask, ask.query.get("query", "")))


def get_server(ask: Ask) -> Answer:
    """GET /serverInfo."""
    shown = {
        "baseUrl": ask.root,
        "version": "1001.0.0-SNAPSHOT",
        "versionNumbers": [1001, 0, 0],
        "deploymentType": "Cloud",
        "buildNumber": 100_000,
        "buildDate": stamp(ask.now),
        "serverTime": stamp(ask.now),
        "scmInfo": "0" * 40,
        "serverTitle": "Jira",
    }
    return Answer.of(shown)


def _matching(ask: Ask, query: str) -> list[User]:
    wanted = query.lower()
    return [
        one
        for one in ask.world.users.values()
        if any(word.startswith(wanted) for word in (*one.name.lower().split(), one.name.lower(), one.email))
    ]


def _array(ask: Ask, found: Sequence[User]) -> Answer:
    start, size = ask.span(1000)
    return Answer.of([render.user(one, ask) for one in found[start : start + size]])


ROUTES = (
    Route("GET", "/myself", get_myself, PEOPLE),
    Route("GET", "/user", get_user, PEOPLE),
    Route("GET", "/user/search", search_users, PEOPLE),
    Route("GET", "/user/assignable/search", search_assignable, PEOPLE),
    Route("GET", "/serverInfo", get_server, ""),
)
