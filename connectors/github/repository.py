"""Repositories. Source: GitHub REST API 2022-11-28, "Repositories" and "Search"."""

from collections.abc import Sequence
from typing import Literal

from pydantic import AliasPath, AwareDatetime, Field, TypeAdapter

from connectors.github.connector import github
from connectors.github.names import REPOSITORY, InRepository, Owner, canonical
from connectors.github.paging import next_page, paged
from connectors.github.searching import check_owner, places
from connectors.sdk import Effect, Output, Page, PageQuery, Searched, Upstream, UpstreamForbidden


class Repository(Output):
    """A repository, cut down to what an agent acts on."""

    full_name: str
    owner: str = Field(validation_alias=AliasPath("owner", "login"))
    description: str | None = None
    url: str = Field(validation_alias="html_url")
    private: bool
    archived: bool = False
    fork: bool = False
    default_branch: str | None = None
    open_issues: int | None = Field(default=None, description="Open issues and pull requests together.")
    language: str | None = None
    pushed_at: AwareDatetime | None = None


class ListRepositories(PageQuery):
    """Which repositories to read."""

    owner: Owner | None = Field(default=None, description="An organization; leave out for all within reach.")


class SearchRepositories(PageQuery):
    """What to look for."""

    q: str = Field(
        min_length=1,
        max_length=256,
        description="Words and qualifiers: `language:python`, `org:acme`, `in:readme`, `archived:false`.",
    )
    sort: Literal["stars", "forks", "updated"] | None = Field(default=None, description="Best match when left out.")
    order: Literal["asc", "desc"] = Field(default="desc", description="Highest or lowest first.")


class _Found(Output):
    items: list[Repository]


class _Installation(Output):
    repositories: list[Repository]


_LIST = TypeAdapter(list[Repository])


def _identity(repository: Repository) -> str:
    return canonical(repository.full_name)


@github.action(
    "repository.get",
    scopes={"github:repository:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"metadata:read"},
)
async def get_repository(api: Upstream, what: InRepository) -> Repository:
    """Read one repository: its default branch, whether it is private or archived, how many issues are open."""
    return api.read(Repository, await api.get("/repos/{owner}/{repo}", what))


def _narrow_list(query: ListRepositories, patterns: Sequence[str]) -> ListRepositories:
    if query.owner is not None:
        check_owner(query.owner, patterns)
    return query


@github.action(
    "repository.list",
    scopes={"github:repository:read"},
    effect=Effect.READ,
    resource=Searched(_narrow_list, _identity, canonical),
    vendor_scopes={"metadata:read"},
)
async def list_repositories(api: Upstream, query: ListRepositories) -> Page[Repository]:
    """List an organization's repositories, or all that the connection reaches.

    Use `github.repository.search` to look for words, or for a person's repositories (`user:NAME`).
    """
    if query.owner is not None:
        response = await api.get("/orgs/{owner}/repos", query, params=paged(query))
        return Page[Repository](items=api.read(_LIST, response), next_cursor=next_page(response))
    try:
        response = await api.get("/user/repos", params=paged(query))
        found = api.read(_LIST, response)
    except UpstreamForbidden:
        # An app's installation is no user: it has a list of its own.
        response = await api.get("/installation/repositories", params=paged(query))
        found = api.read(_Installation, response).repositories
    return Page[Repository](items=found, next_cursor=next_page(response))


def _narrow_search(query: SearchRepositories, patterns: Sequence[str]) -> SearchRepositories:
    # Several places widen a search for repositories; OR is not part of its language.
    return query.model_copy(update={"q": " ".join([query.q, *places(patterns)])})


@github.action(
    "repository.search",
    scopes={"github:repository:read"},
    effect=Effect.READ,
    resource=Searched(_narrow_search, _identity, canonical),
    vendor_scopes={"metadata:read"},
    budget="search",
)
async def search_repositories(api: Upstream, query: SearchRepositories) -> Page[Repository]:
    """Search repositories by words in name, description and topics, and by GitHub's qualifiers.

    Finds public ones all over GitHub unless `org:` or `user:` bounds it. At most 1,000 results; 30 searches a minute.
    """
    params = paged(query, q=query.q, sort=query.sort, order=query.order)
    response = await api.get("/search/repositories", params=params)
    return Page[Repository](items=api.read(_Found, response).items, next_cursor=next_page(response))
