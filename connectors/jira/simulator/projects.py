"""Projects, their versions, components and what a new issue of theirs can be. Shape: `Project`."""

from connectors.jira.simulator import render
from connectors.jira.simulator.ask import Ask
from connectors.jira.simulator.refusals import not_found
from connectors.jira.simulator.routing import Route
from connectors.jira.simulator.world import OPTIONS, PRIORITIES, TYPES, Json, Project
from connectors.sdk.simulator import Answer


def shown(project: Project, ask: Ask) -> Json:
    """Return a `Project`."""
    return {
        **render.short_project(project, ask),
        "projectTypeKey": "software",
        "simplified": False,
        "style": "classic",
        "isPrivate": False,
        "archived": False,
        "description": f"The project {project.name}",
        "lead": render.user(project.lead, ask),
        "avatarUrls": {"48x48": f"{ask.root}/project.png"},
    }


def search_projects(ask: Ask) -> Answer:
    """GET /project/search."""
    keys, query = {key.upper() for key in ask.all("keys")}, ask.query.get("query", "").lower()
    found = [
        one
        for one in ask.projects()
        if (not keys or one.key in keys) and (query in one.key.lower() or query in one.name.lower())
    ]
    return ask.page(found, lambda project: shown(project, ask), most=50)


def list_projects(ask: Ask) -> Answer:
    """GET /project, the older list."""
    return Answer.of([shown(project, ask) for project in ask.projects()])


def get_project(ask: Ask) -> Answer:
    """GET /project/{project}."""
    project = ask.project(ask.value("project"))
    return Answer.of({**shown(project, ask), "issueTypes": [render.issue_type(one, ask) for one in TYPES]})


def list_versions(ask: Ask) -> Answer:
    """GET /project/{project}/version."""
    project = ask.project(ask.value("project"))

    def version(name: str) -> Json:
        more = {"archived": False, "released": False, "projectId": int(project.id), "description": ""}
        return {**render.named(project.versions, name, "version", ask), **more}

    return ask.page(list(project.versions.values()), version)


def list_components(ask: Ask) -> Answer:
    """GET /project/{project}/component."""
    project = ask.project(ask.value("project"))

    def component(name: str) -> Json:
        more = {"project": project.key, "projectId": int(project.id), "description": "", "issueCount": 0}
        return {**render.named(project.components, name, "component", ask), **more}

    return ask.page(list(project.components.values()), component)


def list_types(ask: Ask) -> Answer:
    """GET /issue/createmeta/{project}/issuetypes."""
    ask.project(ask.value("project"))
    return ask.cut(TYPES, lambda one: render.issue_type(one, ask), "issueTypes", most=200)


def list_fields(ask: Ask) -> Answer:
    """GET /issue/createmeta/{project}/issuetypes/{type}."""
    ask.project(ask.value("project"))
    if all(one.id != ask.value("type") for one in TYPES):
        raise not_found("The issue type")
    priorities = [render.named(PRIORITIES, name, "priority", ask) for name in PRIORITIES.values()]
    options = [render.custom("customfield_10010", option, ask) for option in OPTIONS]
    text = "com.atlassian.jira.plugin.system.customfieldtypes"
    fields: list[Json] = [
        _field("summary", "Summary", {"type": "string", "system": "summary"}, required=True),
        _field("description", "Description", {"type": "string", "system": "description"}),
        _field("labels", "Labels", {"type": "array", "items": "string", "system": "labels"}),
        {**_field("priority", "Priority", {"type": "priority", "system": "priority"}), "allowedValues": priorities},
        {
            **_field("customfield_10010", "Impact", {"type": "option", "custom": f"{text}:select"}),
            "allowedValues": options,
        },
        _field("customfield_10011", "Steps", {"type": "string", "custom": f"{text}:textarea"}),
        _field("customfield_10012", "Points", {"type": "number", "custom": f"{text}:float"}),
    ]
    return ask.cut(fields, lambda one: one, "fields", most=200)


def _field(id: str, name: str, schema: Json, *, required: bool = False) -> Json:
    return {
        "fieldId": id,
        "key": id,
        "name": name,
        "required": required,
        "hasDefaultValue": id == "priority",
        "operations": ["set"],
        "schema": schema,
    }


_META = "/issue/createmeta/{project}/issuetypes"
ROUTES = (
    Route("GET", "/project/search", search_projects),
    Route("GET", "/project", list_projects),
    Route("GET", "/project/{project}", get_project),
    Route("GET", "/project/{project}/version", list_versions),
    Route("GET", "/project/{project}/component", list_components),
    Route("GET", _META, list_types),
    Route("GET", f"{_META}/{{type}}", list_fields),
)
