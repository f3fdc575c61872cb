"""People. Jira names them by account id; e-mail addresses are mostly hidden.

Source: Jira Cloud platform REST API v3, "Users" and "User search".
"""

from pydantic import Field, TypeAdapter

from connectors.jira.connector import PEOPLE, jira
from connectors.jira.names import PROJECT, AccountId, Person, ProjectKey
from connectors.jira.paging import start_of, unbounded
from connectors.sdk import Effect, Input, Page, PageQuery, Unbound, Upstream


class User(Person):
    """Somebody on the site. `kind` is `atlassian`, `app` or `customer`."""

    email: str | None = Field(default=None, validation_alias="emailAddress")
    active: bool = True
    kind: str | None = Field(default=None, validation_alias="accountType")


class SearchUsers(PageQuery):
    """Whom to look for."""

    query: str = Field(min_length=1, max_length=255, description="The beginning of a name or of an address.")


class SearchAssignable(PageQuery):
    """Whom to look for."""

    project: ProjectKey
    query: str | None = Field(default=None, min_length=1, max_length=255, description="The beginning of a name.")


class OneUser(Input):
    """One person."""

    account: AccountId


_LIST = TypeAdapter(list[User])
_SITE = Unbound("people belong to the site, not to a project")


@jira.action("user.search", scopes={"jira:user:read"}, effect=Effect.READ, resource=_SITE, vendor_scopes=PEOPLE)
async def search_users(api: Upstream, query: SearchUsers) -> Page[User]:
    """Find people on the whole site by name, for their account ids.

    To assign an issue use `jira.user.search_assignable`, which names only those who can be. A page can be short and
    still have a `next_cursor`.
    """
    params = {"query": query.query, "startAt": start_of(query), "maxResults": query.limit}
    return unbounded(query, api.read(_LIST, await api.get("/user/search", params=params)))


@jira.action(
    "user.search_assignable",
    scopes={"jira:user:read"},
    effect=Effect.READ,
    resource=PROJECT,
    vendor_scopes=PEOPLE,
)
async def search_assignable(api: Upstream, query: SearchAssignable) -> Page[User]:
    """Find the people to whom a project's issues can be assigned, by the beginning of their name."""
    params = {
        "project": query.project,
        "query": query.query,
        "startAt": start_of(query),
        "maxResults": query.limit,
    }
    return unbounded(query, api.read(_LIST, await api.get("/user/assignable/search", params=params)))


@jira.action("user.get", scopes={"jira:user:read"}, effect=Effect.READ, resource=_SITE, vendor_scopes=PEOPLE)
async def get_user(api: Upstream, what: OneUser) -> User:
    """Read one person by account id."""
    return api.read(User, await api.get("/user", params={"accountId": what.account}))
