"""A model whose words are written down: given what came of its calls so far, it says what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

REQUEST = "Look at the ticket about the wrong invoice. If it is a fault of ours, file it and note it on the ticket."
TOOLS = (
    "zendesk.ticket.search",
    "zendesk.ticket.get",
    "zendesk.comment.create",
    "jira.issue.create",
    "github.issue.create",
)


@dataclass(frozen=True)
class Call:
    """An action that the model wants to run. `id` is its own, the same whenever it is asked again."""

    id: str
    action: str
    input: dict[str, Any]


@dataclass(frozen=True)
class Final:
    """The model's last words."""

    text: str


def next_step(results: Sequence[Any]) -> Call | Final:
    """Return the next step. `results` are the outputs of the calls before, in order."""
    step = len(results)
    if step == 0:
        return Call("call_search", "zendesk.ticket.search", {"query": "invoice"})
    ticket = results[0]["items"][0]["id"]
    if step == 1:
        return Call("call_ticket", "zendesk.ticket.get", {"ticket_id": ticket})
    subject, words = results[1]["subject"], results[1]["description"]
    if step == 2:
        bug = {"project": "OPS", "type": "Bug", "summary": subject, "description": words}
        return Call("call_bug", "jira.issue.create", bug)
    key = results[2]["key"]
    if step == 3:
        issue = {"owner": "acme", "repo": "web", "title": subject, "body": f"{words}\n\nJira: {key}"}
        return Call("call_issue", "github.issue.create", issue)
    url = results[3]["url"]
    if step == 4:
        note = f"Filed as {key} and {url}."
        return Call("call_note", "zendesk.comment.create", {"ticket_id": ticket, "body": note})
    return Final(f"The sum on the invoice is a fault of ours: {key}, {url}.")
