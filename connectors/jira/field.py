"""The fields and labels of a site. Source: Jira Cloud platform REST API v3, "Issue fields" and "Labels"."""

from pydantic import AliasPath, Field, TypeAdapter

from connectors.jira.connector import READ, jira
from connectors.jira.issue_link import NoInput
from connectors.jira.paging import Position, page, paged
from connectors.sdk import Effect, Output, Page, PageQuery, Unbound, Upstream


class IssueField(Output):
    """A field that issues can have. `jql_names` are its names in searches."""

    id: str
    name: str
    custom: bool = False
    kind: str | None = Field(default=None, validation_alias=AliasPath("schema", "type"))
    jql_names: list[str] = Field(default_factory=list[str], validation_alias="clauseNames")


class Label(Output):
    """A label that some issue has."""

    name: str


class _Labels(Position):
    values: list[str]


_LIST = TypeAdapter(list[IssueField])
_SITE = Unbound("they belong to the site, not to a project")


@jira.action("field.list", scopes={"jira:field:read"}, effect=Effect.READ, resource=_SITE, vendor_scopes=READ)
async def list_fields(api: Upstream, what: NoInput) -> Page[IssueField]:
    """List all fields of the site, with the ids of custom ones and their names in JQL."""
    del what
    return Page[IssueField](items=api.read(_LIST, await api.get("/field")))


@jira.action("label.list", scopes={"jira:field:read"}, effect=Effect.READ, resource=_SITE, vendor_scopes=READ)
async def list_labels(api: Upstream, query: PageQuery) -> Page[Label]:
    """List all labels of the site. An issue's own labels come with `jira.issue.get`."""
    found = api.read(_Labels, await api.get("/label", params=paged(query)))
    shown = page(found, found.values)
    return Page[Label](items=[Label(name=name) for name in shown.items], next_cursor=shown.next_cursor)
