"""Projects, their versions and components. Source: Jira Cloud platform REST API v3, "Projects"."""

from collections.abc import Sequence
from datetime import date

from pydantic import Field

from connectors.jira.connector import READ, jira
from connectors.jira.jql import projects
from connectors.jira.names import PROJECT, InProject, Person, ProjectKey, project_of
from connectors.jira.paging import Position, page, paged
from connectors.sdk import ConstraintDenied, Effect, Output, Page, PageQuery, Repeated, Searched, Upstream

# Jira takes no more keys at once.
_MOST_KEYS = 50


class Project(Output):
    """A project."""

    key: str
    id: str
    name: str
    kind: str | None = Field(
        default=None, validation_alias="projectTypeKey", description="`software`, `service_desk` or `business`."
    )
    description: str | None = None
    lead: Person | None = None
    archived: bool = False


class ListProjects(PageQuery):
    """Which projects to read."""

    query: str | None = Field(default=None, min_length=1, max_length=255, description="Part of a key or a name.")
    keys: list[ProjectKey] = Field(default_factory=list[str], max_length=_MOST_KEYS, description="Only these projects.")


class ListOfProject(PageQuery):
    """Whose things to read."""

    project: ProjectKey


class Version(Output):
    """A version, which issues name as fixed in."""

    id: str
    name: str
    description: str | None = None
    released: bool = False
    archived: bool = False
    release_date: date | None = Field(default=None, validation_alias="releaseDate")


class Component(Output):
    """A component, a part of a project."""

    id: str
    name: str
    description: str | None = None
    lead: Person | None = None


class _Projects(Position):
    values: list[Project]


class _Versions(Position):
    values: list[Version]


class _Components(Position):
    values: list[Component]


def _narrow(query: ListProjects, patterns: Sequence[str]) -> ListProjects:
    """Ask for the granted projects alone, unless they are too many: then only the answer is cut."""
    granted = projects(patterns)
    if granted is None:
        return query
    asked = {project_of(key) for key in query.keys}
    keys = [key for key in granted if key in asked] if asked else granted
    if not keys:
        raise ConstraintDenied("None of these projects is among those that the grants name.")
    return query.model_copy(update={"keys": keys}) if len(keys) <= _MOST_KEYS else query


def _identity(project: Project) -> str:
    return project_of(project.key)


@jira.action(
    "project.list",
    scopes={"jira:project:read"},
    effect=Effect.READ,
    resource=Searched(_narrow, _identity, project_of),
    vendor_scopes=READ,
)
async def list_projects(api: Upstream, query: ListProjects) -> Page[Project]:
    """List the projects that the connected user sees, by key; or those whose key or name holds a text."""
    params = paged(query, query=query.query, keys=Repeated(query.keys), orderBy="key", expand="description,lead")
    found = api.read(_Projects, await api.get("/project/search", params=params))
    return page(found, found.values)


@jira.action(
    "project.get",
    scopes={"jira:project:read"},
    effect=Effect.READ,
    resource=PROJECT,
    vendor_scopes=READ,
)
async def get_project(api: Upstream, what: InProject) -> Project:
    """Read one project. Its types of issues are in `jira.issue_type.list`."""
    return api.read(Project, await api.get("/project/{project}", what))


@jira.action(
    "version.list",
    scopes={"jira:project:read"},
    effect=Effect.READ,
    resource=PROJECT,
    vendor_scopes=READ,
)
async def list_versions(api: Upstream, query: ListOfProject) -> Page[Version]:
    """List a project's versions: what `fix_versions` of an issue can name."""
    found = api.read(_Versions, await api.get("/project/{project}/version", query, params=paged(query)))
    return page(found, found.values)


@jira.action(
    "component.list",
    scopes={"jira:project:read"},
    effect=Effect.READ,
    resource=PROJECT,
    vendor_scopes=READ,
)
async def list_components(api: Upstream, query: ListOfProject) -> Page[Component]:
    """List a project's components: what `components` of an issue can name."""
    found = api.read(_Components, await api.get("/project/{project}/component", query, params=paged(query)))
    return page(found, found.values)
