"""Comments on issues. Shape: `Comment`."""

from connectors.jira.simulator import render
from connectors.jira.simulator.ask import Ask, entity_properties, stamp
from connectors.jira.simulator.refusals import invalid, not_found, refusal
from connectors.jira.simulator.routing import WRITE, Route
from connectors.jira.simulator.world import Comment, Issue, Json
from connectors.sdk.simulator import Answer


def shown(comment: Comment, issue: Issue, ask: Ask) -> Json:
    """Return a `Comment`, with its properties where they are asked for."""
    value: Json = {
        "self": f"{ask.api}/issue/{issue.id}/comment/{comment.id}",
        "id": comment.id,
        "author": render.user(comment.author, ask),
        "updateAuthor": render.user(comment.author, ask),
        "body": ask.shown(comment.body),
        "created": stamp(comment.created),
        "updated": stamp(comment.updated),
        "jsdPublic": True,
    }
    if "properties" in ask.all("expand"):
        value["properties"] = [{"key": key, "value": held} for key, held in comment.properties.items()]
    return value


def add(ask: Ask, issue: Issue, body: Json, properties: Json) -> Comment:
    """Add a comment."""
    comment = Comment(ask.world.next_id(), ask.user, body, ask.now, ask.now, properties)
    issue.comments.append(comment)
    issue.updated = ask.now
    return comment


def list_comments(ask: Ask) -> Answer:
    """GET /issue/{issue}/comment."""
    issue, order = ask.issue(), ask.query.get("orderBy", "created")
    if order.lstrip("+-") != "created":
        raise refusal(400, f"Cannot order by {order}.")
    found = issue.comments[::-1] if order.startswith("-") else issue.comments
    return ask.cut(found, lambda comment: shown(comment, issue, ask), "comments")


def create_comment(ask: Ask) -> Answer:
    """POST /issue/{issue}/comment."""
    issue, body = ask.issue(), _body(ask)
    comment = add(ask, issue, body, entity_properties(ask.fields()))
    return ask.applied(shown(comment, issue, ask), 201)


def get_comment(ask: Ask) -> Answer:
    """GET /issue/{issue}/comment/{comment}."""
    issue = ask.issue()
    return Answer.of(shown(_find(ask, issue), issue, ask))


def update_comment(ask: Ask) -> Answer:
    """PUT /issue/{issue}/comment/{comment}."""
    issue = ask.issue()
    comment, body = _find(ask, issue), _body(ask)
    comment.body, comment.updated = body, ask.now
    comment.properties |= entity_properties(ask.fields())
    return ask.applied(shown(comment, issue, ask))


def delete_comment(ask: Ask) -> Answer:
    """DELETE /issue/{issue}/comment/{comment}."""
    issue = ask.issue()
    issue.comments.remove(_find(ask, issue))
    return ask.done()


def get_property(ask: Ask) -> Answer:
    """GET /comment/{comment}/properties/{key}."""
    id, key = ask.value("comment"), ask.value("key")
    for issue in ask.world.issues.values():
        for comment in issue.comments:
            if comment.id == id and ask.sees(issue) and key in comment.properties:
                return Answer.of({"key": key, "value": comment.properties[key]})
    raise not_found(f"The property {key}")


def _find(ask: Ask, issue: Issue) -> Comment:
    found = next((one for one in issue.comments if one.id == ask.value("comment")), None)
    if found is None:
        raise refusal(404, f"Can not find a comment for the id: {ask.value('comment')}.")
    return found


def _body(ask: Ask) -> Json:
    body = ask.rich("comment", ask.fields().get("body"))
    if body is None or not body["content"]:
        raise invalid("comment", "Comment body can not be empty!")
    return body


_COMMENT = "/issue/{issue}/comment/{comment}"
ROUTES = (
    Route("GET", "/issue/{issue}/comment", list_comments),
    Route("POST", "/issue/{issue}/comment", create_comment, WRITE),
    Route("GET", _COMMENT, get_comment),
    Route("PUT", _COMMENT, update_comment, WRITE),
    Route("DELETE", _COMMENT, delete_comment, WRITE),
    Route("GET", "/comment/{comment}/properties/{key}", get_property),
)
