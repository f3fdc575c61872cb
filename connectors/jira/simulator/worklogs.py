"""Work logged on issues. Shape: `Worklog`."""

from connectors.jira.simulator import render
from connectors.jira.simulator.ask import Ask, entity_properties, stamp
from connectors.jira.simulator.refusals import invalid, not_found
from connectors.jira.simulator.routing import WRITE, Route
from connectors.jira.simulator.world import Issue, Json, Worklog
from connectors.sdk.simulator import Answer


def shown(worklog: Worklog, issue: Issue, ask: Ask) -> Json:
    """Return a `Worklog`, with its properties where they are asked for."""
    hours, minutes = divmod(worklog.seconds // 60, 60)
    value: Json = {
        "self": f"{ask.api}/issue/{issue.id}/worklog/{worklog.id}",
        "id": worklog.id,
        "issueId": issue.id,
        "author": render.user(worklog.author, ask),
        "updateAuthor": render.user(worklog.author, ask),
        "created": stamp(worklog.created),
        "updated": stamp(worklog.created),
        "started": worklog.started,
        "timeSpent": f"{hours}h {minutes}m",
        "timeSpentSeconds": worklog.seconds,
    }
    if worklog.comment is not None:
        value["comment"] = ask.shown(worklog.comment)
    if "properties" in ask.all("expand"):
        value["properties"] = [{"key": key, "value": held} for key, held in worklog.properties.items()]
    return value


def list_worklogs(ask: Ask) -> Answer:
    """GET /issue/{issue}/worklog, oldest first."""
    issue = ask.issue()
    return ask.cut(issue.worklogs, lambda worklog: shown(worklog, issue, ask), "worklogs", most=5000)


def create_worklog(ask: Ask) -> Answer:
    """POST /issue/{issue}/worklog."""
    issue, fields = ask.issue(), ask.fields()
    seconds = fields.get("timeSpentSeconds")
    if not isinstance(seconds, int) or seconds < 60:
        raise invalid("timeLogged", "You must indicate the time spent working.")
    comment = ask.rich("comment", fields.get("comment"))
    started = str(fields.get("started") or stamp(ask.now))
    properties = entity_properties(fields)
    made = Worklog(ask.world.next_id(), ask.user, seconds - seconds % 60, started, comment, ask.now, properties)
    issue.worklogs.append(made)
    issue.updated = ask.now
    return ask.applied(shown(made, issue, ask), 201)


def get_worklog(ask: Ask) -> Answer:
    """GET /issue/{issue}/worklog/{worklog}."""
    issue = ask.issue()
    return Answer.of(shown(_find(ask, issue), issue, ask))


def delete_worklog(ask: Ask) -> Answer:
    """DELETE /issue/{issue}/worklog/{worklog}."""
    issue = ask.issue()
    issue.worklogs.remove(_find(ask, issue))
    return ask.done()


def get_property(ask: Ask) -> Answer:
    """GET /issue/{issue}/worklog/{worklog}/properties/{key}."""
    properties, key = _find(ask, ask.issue()).properties, ask.value("key")
    if key not in properties:
        raise not_found(f"The property {key}")
    return Answer.of({"key": key, "value": properties[key]})


def _find(ask: Ask, issue: Issue) -> Worklog:
    found = next((one for one in issue.worklogs if one.id == ask.value("worklog")), None)
    if found is None:
        raise not_found(f"The worklog {ask.value('worklog')}")
    return found


_WORKLOG = "/issue/{issue}/worklog/{worklog}"
ROUTES = (
    Route("GET", "/issue/{issue}/worklog", list_worklogs),
    Route("POST", "/issue/{issue}/worklog", create_worklog, WRITE),
    Route("GET", _WORKLOG, get_worklog),
    Route("DELETE", _WORKLOG, delete_worklog, WRITE),
    Route("GET", f"{_WORKLOG}/properties/{{key}}", get_property),
)
