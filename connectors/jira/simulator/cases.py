"""A site with something of everything, and one valid input for every action of the Jira connector.

`arrange(simulator)` fills the simulated project `OPS` without leaving a trace in its record of effects, and returns
the inputs by action name. The contract suite runs every action with them.
"""

from typing import Any

from connectors.jira.simulator.seed import AGENT, ANA, BO, text
from connectors.jira.simulator.server import JiraSimulator
from connectors.jira.simulator.world import LINK_TYPES, Attachment, Comment, Link, Worklog


def arrange(simulator: JiraSimulator) -> dict[str, dict[str, Any]]:
    world = simulator.world
    """Fill the site, and return one valid input for every action."""
    ops = world.projects["OPS"]
    now = simulator.clock()
    # What was there before is older than any call.
    then = now - 3600
    first, second = world.find("OPS-1"), world.find("OPS-2")
    if first is None or second is None:
        raise LookupError("the seed has changed")
    first.created = second.created = then
    spare = world.add_issue(ops, "A spare one", AGENT, then)
    comment = Comment(world.next_id(), AGENT, text("A first comment."), then, then)
    first.comments.append(comment)
    worklog = Worklog(world.next_id(), AGENT, 600, "2026-01-05T09:00:00.000+0000", text("Looked."), then)
    first.worklogs.append(worklog)
    attachment = Attachment(world.next_id(), ANA, "a b.txt", "text/plain", b"hello", then)
    first.attachments.append(attachment)
    first.watchers.append(ANA)
    link = Link(world.next_id(), LINK_TYPES[1], first.id, second.id)
    world.links[link.id] = link
    first.changes.append(
        {
            "id": world.next_id(),
            "user": ANA,
            "at": "2026-01-05T09:00:00.000+0000",
            "items": [{"field": "status", "fieldtype": "jira", "from": "1", "fromString": "New", "to": "2"}],
        }
    )
    ops_1 = {"issue": "OPS-1"}
    return {
        "jira.attachment.create": {**ops_1, "text": "line\r\n--one--\r\n", "name": "error log.txt"},
        "jira.attachment.delete": {**ops_1, "attachment": attachment.id},
        "jira.attachment.download": {**ops_1, "attachment": attachment.id},
        "jira.attachment.list": dict(ops_1),
        "jira.comment.create": {**ops_1, "body": "Seen by **me**.\n\n- one\n- two"},
        "jira.comment.delete": {**ops_1, "comment": comment.id},
        "jira.comment.list": {**ops_1, "order": "newest"},
        "jira.comment.update": {**ops_1, "comment": comment.id, "body": "Seen *and* done."},
        "jira.component.list": {"project": "OPS"},
        "jira.field.list": {},
        "jira.issue.assign": {**ops_1, "assignee": ANA.account_id},
        "jira.issue.create": {
            "project": "OPS",
            "type": "Bug",
            "summary": "It is broken",
            "description": "# Steps\n\n1. Open `/login`\n2. See [the log](https://logs.acme.example/1)",
            "assignee": BO.account_id,
            "priority": "High",
            "labels": ["web"],
            "components": ["Backend"],
            "fix_versions": ["1.0"],
            "parent": "OPS-2",
            "due": "2026-12-24",
            "custom_fields": {"customfield_10010": {"value": "High"}, "customfield_10012": 3},
        },
        "jira.issue.create_many": {
            "project": "OPS",
            "issues": [
                {"project": "OPS", "type": "Task", "summary": "One"},
                {"project": "ops", "type": "Task", "summary": "Two", "labels": ["x"]},
            ],
        },
        "jira.issue.delete": {"issue": spare.key},
        "jira.issue.describe_fields": {"project": "OPS", "type": "10001"},
        "jira.issue.get": {**ops_1, "custom_fields": ["customfield_10010"]},
        "jira.issue.list_changes": dict(ops_1),
        "jira.issue.list_transitions": dict(ops_1),
        "jira.issue.search": {"jql": 'project = OPS AND (labels = security OR text ~ "slow") ORDER BY created DESC'},
        "jira.issue.transition": {
            **ops_1,
            "transition": "31",
            "to_status": "Done",
            "resolution": "Done",
            "comment": "Finished.",
        },
        "jira.issue.update": {
            **ops_1,
            "summary": "Rotate all certificates",
            "description": "They end in *May*.",
            "type": "Bug",
            "priority": "Highest",
            "add_labels": ["urgent"],
            "remove_labels": ["security"],
            "components": ["Backend"],
            "fix_versions": ["1.0"],
            "parent": "OPS-2",
            "due": "2026-12-31",
            "custom_fields": {"customfield_10010": {"value": "Low"}, "customfield_10012": 5},
        },
        "jira.issue_link.create": {"type": "Blocks", "inward_issue": "OPS-1", "outward_issue": "OPS-2"},
        "jira.issue_link.delete": {"link": link.id},
        "jira.issue_link_type.list": {},
        "jira.issue_type.list": {"project": "OPS"},
        "jira.label.list": {},
        "jira.project.get": {"project": "OPS"},
        "jira.project.list": {"query": "o", "keys": ["OPS", "WEB"]},
        "jira.user.get": {"account": ANA.account_id},
        "jira.user.search": {"query": "an"},
        "jira.user.search_assignable": {"project": "OPS", "query": "bo"},
        "jira.version.list": {"project": "OPS"},
        "jira.watcher.add": {**ops_1, "account": BO.account_id},
        "jira.watcher.list": dict(ops_1),
        "jira.watcher.remove": {**ops_1, "account": ANA.account_id},
        "jira.worklog.create": {
            **ops_1,
            "seconds": 1800,
            "started_at": "2026-11-20T10:00:00+01:00",
            "comment": "Read the logs.",
        },
        "jira.worklog.delete": {**ops_1, "worklog": worklog.id},
        "jira.worklog.list": dict(ops_1),
    }


def aliases(simulator: JiraSimulator) -> dict[str, list[dict[str, Any]]]:
    """Return other spellings that Jira takes for the same issue or project: it ignores the case of keys."""
    inputs = arrange(simulator)
    spelled: dict[str, list[dict[str, Any]]] = {}
    for name, value in inputs.items():
        other = {field: value[field].lower() for field in ("issue", "project") if isinstance(value.get(field), str)}
        if other:
            spelled[name] = [other]
    return spelled
