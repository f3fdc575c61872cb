"""Issues: create, read, edit, delete, their properties and their history. Shapes: `IssueBean`, `CreatedIssue`."""

from typing import Any, cast

import orjson

from connectors.jira.simulator import render
from connectors.jira.simulator.ask import Ask, entity_properties
from connectors.jira.simulator.edits import Edits, apply
from connectors.jira.simulator.refusals import invalid, not_found, refusal
from connectors.jira.simulator.routing import WRITE, Route
from connectors.jira.simulator.world import TYPES, Issue, Json
from connectors.sdk.simulator import Answer, Refusal

MOST_AT_ONCE = 50


def get_issue(ask: Ask) -> Answer:
    """GET /issue/{issue}."""
    wanted = ask.all("fields") or ["*all"]
    return Answer.of(render.issue(ask.issue(), ask, wanted, ask.all("properties")))


def create_issue(ask: Ask) -> Answer:
    """POST /issue."""
    issue = _create(ask, ask.fields())
    return ask.applied(_created(issue, ask), 201)


def create_issues(ask: Ask) -> Answer:
    """POST /issue/bulk: what can be created is."""
    wanted = cast("list[Json]", ask.fields().get("issueUpdates") or [])
    if not 0 < len(wanted) <= MOST_AT_ONCE:
        raise refusal(400, f"The number of issues must be 1 to {MOST_AT_ONCE}.")
    issues: list[Json] = []
    errors: list[Json] = []
    for number, one in enumerate(wanted):
        try:
            issues.append(_created(_create(ask, one), ask))
        except Refusal as error:
            said = orjson.loads(error.answer.body)
            errors.append({"status": 400, "elementErrors": said, "failedElementNumber": number})
    if not issues:
        raise Refusal(Answer.of({"issues": [], "errors": errors}, 400))
    return ask.applied({"issues": issues, "errors": errors}, 201)


def _create(ask: Ask, body: Json) -> Issue:
    fields, update = _parts(body)
    project = _project(ask, fields.get("project"))
    if "summary" not in fields:
        raise invalid("summary", "You must specify a summary of the issue.")
    if "issuetype" not in fields:
        raise invalid("issuetype", "Specify an issue type")
    changes = Edits(ask, project).of(fields, update)
    properties = entity_properties(body)
    chosen = cast("Json", fields["issuetype"])
    subtask = any(one.subtask and chosen.get("name", chosen.get("id")) in {one.name, one.id} for one in TYPES)
    if subtask and "parent" not in fields:
        raise invalid("parent", "Issue type is a sub-task but parent issue key or id not specified.")
    issue = ask.world.add_issue(project, str(fields["summary"]), ask.user, ask.now)
    for change in changes:
        change(issue)
    issue.properties |= properties
    issue.watchers.append(ask.user)
    return issue


def _project(ask: Ask, value: object) -> Any:
    members = cast("Json", value) if isinstance(value, dict) else {}
    try:
        return ask.project(str(members.get("key") or members.get("id") or ""))
    except Refusal as error:
        raise invalid("project", "valid project is required") from error


def _parts(body: Json) -> tuple[Json, Json]:
    fields, update = body.get("fields") or {}, body.get("update") or {}
    if not isinstance(fields, dict) or not isinstance(update, dict):
        raise refusal(400, "fields and update must be objects")
    return cast("Json", fields), cast("Json", update)


def _created(issue: Issue, ask: Ask) -> Json:
    return {"id": issue.id, "key": issue.key, "self": f"{ask.api}/issue/{issue.id}"}


def edit_issue(ask: Ask) -> Answer:
    """PUT /issue/{issue}."""
    issue, body = ask.issue(), ask.fields()
    fields, update = _parts(body)
    if not fields and not update and "properties" not in body:
        raise refusal(400, "one of 'fields' or 'update' required")
    changes = Edits(ask, issue.project).of(fields, update)
    properties = entity_properties(body)
    apply(ask, issue, changes)
    issue.properties |= properties
    if ask.query.get("returnIssue") == "true":
        return ask.applied(render.issue(issue, ask, ["*all"], []))
    return ask.done()


def delete_issue(ask: Ask) -> Answer:
    """DELETE /issue/{issue}."""
    issue = ask.issue()
    children = ask.world.subtasks(issue)
    if children and ask.query.get("deleteSubtasks") != "true":
        raise refusal(
            400,
            f"The issue '{issue.key}' has subtasks.  You must specify the 'deleteSubtasks' parameter to delete this"
            " issue and all its subtasks.",
        )
    for one in (*children, issue):
        ask.world.delete(one)
    return ask.done()


def assign_issue(ask: Ask) -> Answer:
    """PUT /issue/{issue}/assignee; `-1` is the project's lead."""
    issue, account = ask.issue(), ask.fields().get("accountId")
    value = {"accountId": issue.project.lead.account_id if account == "-1" else account}
    apply(ask, issue, Edits(ask, issue.project).of({"assignee": value}, {}))
    return ask.done()


def list_changes(ask: Ask) -> Answer:
    """GET /issue/{issue}/changelog, oldest first."""

    def shown(one: Json) -> Json:
        return {"id": one["id"], "author": render.user(one["user"], ask), "created": one["at"], "items": one["items"]}

    return ask.page(ask.issue().changes, shown)


def get_property(ask: Ask) -> Answer:
    """GET /issue/{issue}/properties/{key}."""
    properties = ask.issue().properties
    key = ask.value("key")
    if key not in properties:
        raise not_found(f"The property {key}")
    return Answer.of({"key": key, "value": properties[key]})


def set_property(ask: Ask) -> Answer:
    """PUT /issue/{issue}/properties/{key}."""
    issue, key = ask.issue(), ask.value("key")
    known = key in issue.properties
    issue.properties |= entity_properties({"properties": [{"key": key, "value": ask.body()}]})
    return ask.applied({}, 200 if known else 201)


def list_watchers(ask: Ask) -> Answer:
    """GET /issue/{issue}/watchers."""
    issue = ask.issue()
    shown = {
        "self": f"{ask.api}/issue/{issue.key}/watchers",
        "isWatching": ask.user in issue.watchers,
        "watchCount": len(issue.watchers),
        "watchers": [render.user(one, ask) for one in issue.watchers],
    }
    return Answer.of(shown)


def add_watcher(ask: Ask) -> Answer:
    """POST /issue/{issue}/watchers with an account id as a JSON text."""
    issue = ask.issue()
    account = ask.body() if ask.call.body else ask.user.account_id
    user = ask.world.users.get(str(account))
    if user is None:
        raise not_found("The user")
    if user not in issue.watchers:
        issue.watchers.append(user)
        ask.call.applied()
    return Answer(204)


def remove_watcher(ask: Ask) -> Answer:
    """DELETE /issue/{issue}/watchers."""
    issue, account = ask.issue(), ask.query.get("accountId")
    if account is None or account not in ask.world.users:
        raise not_found("The user")
    issue.watchers = [one for one in issue.watchers if one.account_id != account]
    return ask.done()


_ISSUE = "/issue/{issue}"
ROUTES = (
    Route("POST", "/issue", create_issue, WRITE),
    Route("POST", "/issue/bulk", create_issues, WRITE),
    Route("GET", _ISSUE, get_issue),
    Route("PUT", _ISSUE, edit_issue, WRITE),
    Route("DELETE", _ISSUE, delete_issue, WRITE),
    Route("PUT", f"{_ISSUE}/assignee", assign_issue, WRITE),
    Route("GET", f"{_ISSUE}/changelog", list_changes),
    Route("GET", f"{_ISSUE}/properties/{{key}}", get_property),
    Route("PUT", f"{_ISSUE}/properties/{{key}}", set_property, WRITE),
    Route("GET", f"{_ISSUE}/watchers", list_watchers),
    Route("POST", f"{_ISSUE}/watchers", add_watcher, WRITE),
    Route("DELETE", f"{_ISSUE}/watchers", remove_watcher, WRITE),
)
