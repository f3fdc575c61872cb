"""Links between issues. Shapes: `IssueLink`, `IssueLinkTypes`."""

from typing import cast

from connectors.jira.simulator import render
from connectors.jira.simulator.ask import Ask
from connectors.jira.simulator.refusals import not_found, refusal
from connectors.jira.simulator.routing import WRITE, Route
from connectors.jira.simulator.world import LINK_TYPES, Json, Link
from connectors.sdk.simulator import Answer


def list_types(ask: Ask) -> Answer:
    """GET /issueLinkType."""
    return Answer.of({"issueLinkTypes": [render.link_type(one, ask) for one in LINK_TYPES]})


def create_link(ask: Ask) -> Answer:
    """POST /issueLink. A link that is there is answered as if it had been made."""
    fields = ask.fields()
    wanted = cast("Json", fields.get("type") or {})
    kind = next((one for one in LINK_TYPES if wanted.get("name") == one.name or wanted.get("id") == one.id), None)
    if kind is None:
        raise refusal(404, f"No issue link type with name '{wanted.get('name')}' found.")
    inward, outward = (
        ask.named(str(end.get("key") or end.get("id")))
        for end in (cast("Json", fields.get(name) or {}) for name in ("inwardIssue", "outwardIssue"))
    )
    if inward is outward:
        raise refusal(400, "You cannot link an issue to itself.")
    same = (kind, inward.id, outward.id)
    if all((one.type, one.inward, one.outward) != same for one in ask.world.links.values()):
        made = Link(ask.world.next_id(), kind, inward.id, outward.id)
        ask.world.links[made.id] = made
        ask.call.applied()
    return Answer(201)


def get_link(ask: Ask) -> Answer:
    """GET /issueLink/{link}."""
    link = _find(ask)
    inward, outward = ask.world.issues[link.inward], ask.world.issues[link.outward]
    shown = {
        "id": link.id,
        "self": f"{ask.api}/issueLink/{link.id}",
        "type": render.link_type(link.type, ask),
        "inwardIssue": render.short_issue(inward, ask),
        "outwardIssue": render.short_issue(outward, ask),
    }
    return Answer.of(shown)


def delete_link(ask: Ask) -> Answer:
    """DELETE /issueLink/{link}."""
    del ask.world.links[_find(ask).id]
    return ask.done()


def _find(ask: Ask) -> Link:
    found = ask.world.links.get(ask.value("link"))
    if found is None or not all(ask.sees(ask.world.issues[id]) for id in (found.inward, found.outward)):
        raise not_found(f"The issue link with id '{ask.value('link')}'")
    return found


ROUTES = (
    Route("GET", "/issueLinkType", list_types),
    Route("POST", "/issueLink", create_link, WRITE),
    Route("GET", "/issueLink/{link}", get_link),
    Route("DELETE", "/issueLink/{link}", delete_link, WRITE),
)
