"""Searching issues and pull requests across repositories. Source: GitHub REST API 2022-11-28, "Search"."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from connectors.github.connector import github
from connectors.github.issue import Issue
from connectors.github.names import canonical
from connectors.github.paging import next_page, paged
from connectors.github.searching import grouped, within
from connectors.sdk import Effect, Output, Page, PageQuery, Searched, Upstream


def _full_name(url: object) -> object:
    """`https://api.github.com/repos/acme/web` ends in the repository's name."""
    return "/".join(url.rstrip("/").split("/")[-2:]) if isinstance(url, str) else url


class FoundIssue(Issue):
    """An issue or pull request, and the repository it is in."""

    repository: Annotated[str, BeforeValidator(_full_name)] = Field(validation_alias="repository_url")


class SearchIssues(PageQuery):
    """What to look for."""

    q: str = Field(
        min_length=1,
        max_length=256,
        description='Words, "quoted words" and qualifiers: `repo:acme/web`, `label:bug`, `is:open`, `author:hubert`.',
    )
    kind: Literal["issue", "pull_request"] = Field(default="issue", description="Issues or pull requests.")
    sort: Literal["created", "updated", "comments"] | None = Field(
        default=None, description="Best match when left out."
    )
    order: Literal["asc", "desc"] = Field(default="desc", description="Highest or lowest first.")


class _Results(Output):
    items: list[FoundIssue]


def _narrow(query: SearchIssues, patterns: Sequence[str]) -> SearchIssues:
    return query.model_copy(update={"q": within(query.q, patterns)})


def _identity(issue: FoundIssue) -> str:
    return canonical(issue.repository)


@github.action(
    "issue.search",
    scopes={"github:issue:read"},
    effect=Effect.READ,
    resource=Searched(_narrow, _identity, canonical),
    vendor_scopes={"issues:read"},
    budget="search",
)
async def search_issues(api: Upstream, query: SearchIssues) -> Page[FoundIssue]:
    """Search issues (or pull requests, by `kind`) by words and GitHub's qualifiers, across repositories.

    Use `github.issue.list` to read one repository by state, label or assignee: it is exact, while the search index
    lags some seconds behind, so never search for what was just written. At most 1,000 results; 30 searches a minute.
    """
    kind = "is:pull-request" if query.kind == "pull_request" else "is:issue"
    params = paged(
        query,
        q=f"{grouped(query.q)} {kind}",
        sort=query.sort,
        order=query.order,
        advanced_search="true",
    )
    response = await api.get("/search/issues", params=params)
    return Page[FoundIssue](items=api.read(_Results, response).items, next_cursor=next_page(response))
