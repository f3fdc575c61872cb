"""The way of issues through To Do, In Progress and Done. Shape: `Transitions`."""

from typing import cast

from connectors.jira.simulator import render
from connectors.jira.simulator.ask import Ask
from connectors.jira.simulator.edits import Change, Edits, apply
from connectors.jira.simulator.refusals import refusal
from connectors.jira.simulator.routing import WRITE, Route
from connectors.jira.simulator.world import RESOLUTIONS, TRANSITIONS, Issue, Json, Transition
from connectors.sdk.simulator import Answer


def _open(issue: Issue) -> list[Transition]:
    return [one for one in TRANSITIONS if issue.status.name in one.sources]


def shown(one: Transition, ask: Ask) -> Json:
    """Return an `IssueTransition`, with the fields of its screen where they are asked for."""
    value: Json = {
        "id": one.id,
        "name": one.name,
        "to": render.status(one.to, ask),
        "hasScreen": one.name == "Finish",
        "isGlobal": False,
        "isInitial": False,
        "isAvailable": True,
        "isConditional": False,
        "looped": False,
    }
    if "transitions.fields" in ask.all("expand"):
        value["fields"] = {"resolution": _resolution(ask)} if one.name == "Finish" else {}
    return value


def _resolution(ask: Ask) -> Json:
    allowed = [render.named(RESOLUTIONS, name, "resolution", ask) for name in RESOLUTIONS.values()]
    return {
        "required": False,
        "schema": {"type": "resolution", "system": "resolution"},
        "name": "Resolution",
        "key": "resolution",
        "hasDefaultValue": False,
        "operations": ["set"],
        "allowedValues": allowed,
    }


def list_transitions(ask: Ask) -> Answer:
    """GET /issue/{issue}/transitions: those that are possible now."""
    found = [shown(one, ask) for one in _open(ask.issue())]
    return Answer.of({"expand": "transitions", "transitions": found})


def do_transition(ask: Ask) -> Answer:
    """POST /issue/{issue}/transitions."""
    issue, body = ask.issue(), ask.fields()
    wanted = cast("Json", body.get("transition") or {}).get("id")
    if wanted is None:
        raise refusal(400, "Missing 'transition' identifier")
    step = next((one for one in _open(issue) if one.id == str(wanted)), None)
    if step is None:
        raise refusal(400, f"Transition id '{wanted}' is not valid for this issue.")
    fields = cast("Json", body.get("fields") or {})
    changes = Edits(ask, issue.project).of(fields, cast("Json", body.get("update") or {}))
    apply(ask, issue, [*changes, _to(step, given="resolution" in fields)])
    return ask.done()


def _to(step: Transition, *, given: bool) -> Change:
    def change(issue: Issue) -> None:
        issue.status = step.to
        if step.to.category != "done":
            issue.resolution = None
        elif not given:
            issue.resolution = "Done"

    return change


ROUTES = (
    Route("GET", "/issue/{issue}/transitions", list_transitions),
    Route("POST", "/issue/{issue}/transitions", do_transition, WRITE),
)
