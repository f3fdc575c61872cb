"""Searching issues by JQL. Source: Jira Cloud platform REST API v3, "Issue search"."""

from collections.abc import Sequence

from pydantic import Field

from connectors.jira.connector import READ, jira
from connectors.jira.issue_view import SHORT_FIELDS, FoundIssue
from connectors.jira.jql import within
from connectors.jira.names import project_of
from connectors.sdk import Effect, Output, Page, PageQuery, Searched, Upstream


class SearchIssues(PageQuery):
    """What to look for."""

    jql: str = Field(
        max_length=10_000,
        description='A restriction and an order: `project = OPS AND status != Done AND text ~ "login" ORDER BY'
        " created DESC`. Quote values with spaces; people are named by account id or `currentUser()`.",
    )


class _Found(Output):
    issues: list[FoundIssue]
    token: str | None = Field(default=None, validation_alias="nextPageToken")
    last: bool = Field(default=False, validation_alias="isLast")


def _narrow(query: SearchIssues, patterns: Sequence[str]) -> SearchIssues:
    return query.model_copy(update={"jql": within(query.jql, patterns)})


def _identity(issue: FoundIssue) -> str:
    return project_of(issue.key)


@jira.action(
    "issue.search",
    scopes={"jira:issue:read"},
    effect=Effect.READ,
    resource=Searched(_narrow, _identity, project_of),
    vendor_scopes=READ,
)
async def search_issues(api: Upstream, query: SearchIssues) -> Page[FoundIssue]:
    """Search issues with JQL, Jira's query language; texts come with `jira.issue.get`.

    A query must have a restriction, an order alone is refused. The index lags some seconds behind: never search for
    what was just written, read it by its key. A page can hold fewer than `limit` issues and still have a
    `next_cursor`.
    """
    body: dict[str, object] = {"jql": query.jql, "maxResults": query.limit, "fields": SHORT_FIELDS.split(",")}
    if query.cursor is not None:
        body["nextPageToken"] = query.cursor
    found = api.read(_Found, await api.post("/search/jql", json=body, effect=False))
    return Page[FoundIssue](items=found.issues, next_cursor=None if found.last else found.token)
