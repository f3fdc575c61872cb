"""Search by JQL: pages by token, no totals, and an index that may lag. Shape: `SearchAndReconcileResults`."""

import base64
from typing import Any, cast

from connectors.jira.simulator import render
from connectors.jira.simulator.ask import Ask
from connectors.jira.simulator.jql import Query, Unreadable
from connectors.jira.simulator.refusals import refusal
from connectors.jira.simulator.routing import Route
from connectors.jira.simulator.world import Issue, Json
from connectors.sdk.simulator import Answer

MOST = 5000


def search_get(ask: Ask) -> Answer:
    """GET /search/jql."""
    query: Json = {
        "jql": ask.query.get("jql"),
        "nextPageToken": ask.query.get("nextPageToken"),
        "maxResults": int(ask.query.get("maxResults", 50)),
        "fields": ask.all("fields"),
        "properties": ask.all("properties"),
        "reconcileIssues": [int(one) for one in ask.all("reconcileIssues")],
    }
    return _search(ask, query)


def search_post(ask: Ask) -> Answer:
    """POST /search/jql. Changes nothing."""
    return _search(ask, ask.fields())


def count(ask: Ask) -> Answer:
    """POST /search/approximate-count."""
    return Answer.of({"count": len(_found(ask, ask.fields()))})


def removed(ask: Ask) -> Answer:
    """The search of before, which Atlassian has removed."""
    del ask
    raise refusal(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")


def _search(ask: Ask, query: Json) -> Answer:
    found = _found(ask, query)
    start = _start(query.get("nextPageToken"), str(query.get("jql")))
    size = min(max(int(query.get("maxResults") or 50), 1), MOST)
    wanted = cast("list[str]", query.get("fields") or ["id"])
    properties = cast("list[str]", query.get("properties") or [])
    if len(properties) > 5:
        raise refusal(400, "A maximum of 5 properties can be requested.")
    shown = [render.issue(issue, ask, wanted, properties) for issue in found[start : start + size]]
    end = start + size
    answer: Json = {"issues": shown, "isLast": end >= len(found)}
    if end < len(found):
        answer["nextPageToken"] = base64.urlsafe_b64encode(f"{end}\0{query.get('jql')}".encode()).decode()
    return Answer.of(answer)


def _found(ask: Ask, query: Json) -> list[Issue]:
    jql = query.get("jql")
    try:
        read: Any = Query(str(jql or ""), ask)
    except Unreadable as error:
        raise refusal(400, f"Error in the JQL Query: {error}") from error
    if not read.bounded:
        raise refusal(400, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
    reconciled = {str(one) for one in cast("list[int]", query.get("reconcileIssues") or [])}
    known = [
        issue
        for issue in ask.world.issues.values()
        if ask.sees(issue) and (issue.created + ask.index_lag <= ask.now or issue.id in reconciled)
    ]
    result: list[Issue] = read.run(known)
    return result


def _start(token: object, jql: str) -> int:
    if not token:
        return 0
    try:
        start, _, told = base64.urlsafe_b64decode(str(token).encode()).decode().partition("\0")
    except ValueError as error:
        raise refusal(400, "The nextPageToken is invalid.") from error
    if told != jql or not start.isdigit():
        raise refusal(400, "The nextPageToken is invalid.")
    return int(start)


ROUTES = (
    Route("GET", "/search/jql", search_get),
    Route("POST", "/search/jql", search_post),
    Route("POST", "/search/approximate-count", count),
    Route("GET", "/search", removed),
    Route("POST", "/search", removed),
)
