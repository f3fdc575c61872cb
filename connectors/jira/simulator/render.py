"""People, projects and issues as Jira writes them."""

from connectors.jira.simulator.ask import Ask, stamp
from connectors.jira.simulator.world import (
    OPTIONS,
    PRIORITIES,
    RESOLUTIONS,
    Attachment,
    Issue,
    IssueType,
    Json,
    Link,
    LinkType,
    Project,
    Status,
    User,
)

_COLOURS = {"new": ("2", "blue-gray", "To Do"), "indeterminate": ("4", "yellow", "In Progress")}


def user(one: User, ask: Ask) -> Json:
    """Return a `User`, or the `UserDetails` inside of other things."""
    return {
        "self": f"{ask.api}/user?accountId={one.account_id}",
        "accountId": one.account_id,
        "accountType": one.kind,
        "displayName": one.name,
        "emailAddress": one.email,
        "active": one.active,
        "timeZone": "Europe/Madrid",
        "avatarUrls": {f"{size}x{size}": f"{ask.root}/avatar/{size}" for size in (16, 24, 32, 48)},
    }


def maybe_user(one: User | None, ask: Ask) -> Json | None:
    """Return a user, or null."""
    return None if one is None else user(one, ask)


def status(one: Status, ask: Ask) -> Json:
    """Return a `StatusDetails`."""
    number, colour, name = _COLOURS.get(one.category, ("3", "green", "Done"))
    category = {"self": f"{ask.api}/statuscategory/{number}", "id": int(number), "key": one.category}
    return {
        "self": f"{ask.api}/status/{one.id}",
        "id": one.id,
        "name": one.name,
        "description": "",
        "iconUrl": f"{ask.root}/status.png",
        "statusCategory": {**category, "colorName": colour, "name": name},
    }


def issue_type(one: IssueType, ask: Ask) -> Json:
    """Return an `IssueTypeDetails`."""
    return {
        "self": f"{ask.api}/issuetype/{one.id}",
        "id": one.id,
        "name": one.name,
        "description": f"A {one.name.lower()}",
        "iconUrl": f"{ask.root}/type.png",
        "subtask": one.subtask,
        "hierarchyLevel": -1 if one.subtask else 0,
    }


def link_type(one: LinkType, ask: Ask) -> Json:
    """Return an `IssueLinkType`."""
    url = f"{ask.api}/issueLinkType/{one.id}"
    return {"id": one.id, "name": one.name, "inward": one.inward, "outward": one.outward, "self": url}


def named(table: dict[str, str], name: str, kind: str, ask: Ask) -> Json:
    """Return one of a table: a priority, a resolution, a version or a component."""
    id = next((id for id, text in table.items() if text == name), "0")
    return {"self": f"{ask.api}/{kind}/{id}", "id": id, "name": name}


def short_project(one: Project, ask: Ask) -> Json:
    """Return the project that stands inside an issue."""
    return {"self": f"{ask.api}/project/{one.id}", "id": one.id, "key": one.key, "name": one.name}


def short_issue(one: Issue, ask: Ask) -> Json:
    """Return the `LinkedIssue` that stands inside another."""
    fields = {
        "summary": one.summary,
        "status": status(one.status, ask),
        "issuetype": issue_type(one.type, ask),
        "priority": named(PRIORITIES, one.priority, "priority", ask),
    }
    return {"id": one.id, "key": one.key, "self": f"{ask.api}/issue/{one.id}", "fields": fields}


def attachment(one: Attachment, ask: Ask) -> Json:
    """Return an `Attachment`."""
    return {
        "self": f"{ask.api}/attachment/{one.id}",
        "id": one.id,
        "filename": one.name,
        "author": user(one.author, ask),
        "created": stamp(one.created),
        "size": len(one.content),
        "mimeType": one.media_type,
        "content": f"{ask.api}/attachment/content/{one.id}",
    }


def link_of(one: Link, issue: Issue, ask: Ask) -> Json:
    """Return a link as it stands in one of its issues: with the other one."""
    outward = one.inward == issue.id
    other = ask.world.issues[one.outward if outward else one.inward]
    shown = {"id": one.id, "self": f"{ask.api}/issueLink/{one.id}", "type": link_type(one.type, ask)}
    return {**shown, "outwardIssue" if outward else "inwardIssue": short_issue(other, ask)}


def fields(one: Issue, ask: Ask) -> Json:
    """Return all fields of an issue."""
    world = ask.world
    parent = world.issues.get(one.parent or "")
    versions = [named(one.project.versions, name, "version", ask) for name in one.versions]
    components = [named(one.project.components, name, "component", ask) for name in one.components]
    return {
        "summary": one.summary,
        "description": ask.shown(one.description),
        "status": status(one.status, ask),
        "issuetype": issue_type(one.type, ask),
        "project": short_project(one.project, ask),
        "priority": named(PRIORITIES, one.priority, "priority", ask),
        "assignee": maybe_user(one.assignee, ask),
        "reporter": user(one.reporter, ask),
        "creator": user(one.creator, ask),
        "labels": list(one.labels),
        "components": components,
        "fixVersions": versions,
        **({"parent": short_issue(parent, ask)} if parent else {}),
        "subtasks": [short_issue(child, ask) for child in world.subtasks(one)],
        "created": stamp(one.created),
        "updated": stamp(one.updated),
        "duedate": one.due,
        "resolution": named(RESOLUTIONS, one.resolution, "resolution", ask) if one.resolution else None,
        "issuelinks": [link_of(link, one, ask) for link in world.links_of(one)],
        "attachment": [attachment(file, ask) for file in one.attachments],
        **{name: custom(name, one.custom.get(name), ask) for name in CUSTOM_NAMES},
    }


CUSTOM_NAMES = ("customfield_10010", "customfield_10011", "customfield_10012")


def custom(name: str, value: object, ask: Ask) -> object:
    """Return a custom field's value: an option with its id, or what it holds."""
    if name == "customfield_10010" and isinstance(value, str):
        number = str(10_020 + OPTIONS.index(value))
        return {"self": f"{ask.api}/customFieldOption/{number}", "value": value, "id": number}
    return ask.shown(value) if name == "customfield_10011" and isinstance(value, dict) else value  # pyright: ignore


def issue(one: Issue, ask: Ask, wanted: list[str], properties: list[str]) -> Json:
    """Return an `IssueBean` with the fields and properties that are wanted."""
    everything = fields(one, ask)
    shown = {name: value for name, value in everything.items() if _is_wanted(name, wanted)}
    bean: Json = {"id": one.id, "key": one.key, "self": f"{ask.api}/issue/{one.id}", "expand": "names,schema"}
    if wanted != ["id"]:
        bean["fields"] = shown
    if properties:
        every = "*all" in properties
        bean["properties"] = {key: value for key, value in one.properties.items() if every or key in properties}
    return bean


def _is_wanted(name: str, wanted: list[str]) -> bool:
    if f"-{name}" in wanted:
        return False
    return name in wanted or bool({"*all", "*navigable"} & set(wanted)) or all(one.startswith("-") for one in wanted)
