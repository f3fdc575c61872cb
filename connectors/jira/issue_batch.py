"""Many issues at once. Source: Jira Cloud platform REST API v3, "Bulk create issue"."""

from typing import Any, cast

from pydantic import Field, model_validator

from connectors.jira import custom_field
from connectors.jira.connector import WRITE, jira
from connectors.jira.issue import CreatedIssue, CreateIssue, new_fields, recent_markers
from connectors.jira.names import PROJECT, InProject, project_of
from connectors.jira.tracing import SETTLE, properties
from connectors.sdk import Effect, Output, Reconcile, Undo, Upstream


class CreateIssues(InProject):
    """The issues to create, all in one project."""

    issues: list[CreateIssue] = Field(min_length=1, max_length=50, description="As for `jira.issue.create`.")

    @model_validator(mode="after")
    def _stays_in_its_project(self) -> "CreateIssues":
        if any(project_of(issue.project) != project_of(self.project) for issue in self.issues):
            raise ValueError("all issues must be of the same project")
        return self


class NotCreated(Output):
    """An issue that Jira refused. `index` counts from 0 in the order that was given."""

    index: int
    reason: str


class CreatedIssues(Output):
    """What was created, and what was refused."""

    issues: list[CreatedIssue]
    refused: list[NotCreated] = Field(default_factory=list[NotCreated])


class _Created(Output):
    issues: list[CreatedIssue]
    errors: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])


async def find_all_created(api: Upstream, new: CreateIssues) -> CreatedIssues | None:
    """Return the issues if all of them are there, each with this call's marker and its number, else None."""
    found = dict(await recent_markers(api, new.project))
    wanted = [f"{api.marker}.{index}" for index in range(len(new.issues))]
    if not all(marker in found for marker in wanted):
        return None
    return CreatedIssues(issues=[found[marker] for marker in wanted])


@jira.action(
    "issue.create_many",
    scopes={"jira:issue:write"},
    effect=Effect.CREATE,
    resource=PROJECT,
    vendor_scopes=WRITE,
    # As for `issue.create`; and where some are missing, Jira may have refused those.
    idempotency=Reconcile(find_all_created, settle=SETTLE, consistent=False),
    custom=custom_field.OF_ISSUES,
    undo=Undo("jira.issue.delete", note="One by one; people who watch the project were notified."),
    records="issues",
    examples=[{"project": "OPS", "issues": [{"project": "OPS", "type": "Task", "summary": "First step"}]}],
)
async def create_issues(api: Upstream, new: CreateIssues) -> CreatedIssues:
    """Create up to 50 issues in one project at once.

    Jira creates what it can: look at `refused` for the others. Subtasks need a parent that is there already.
    """
    sent: list[dict[str, object]] = []
    for index, issue in enumerate(new.issues):
        marks = properties(api, f".{index}")
        sent.append({"fields": new_fields(issue), **({"properties": marks} if marks else {})})
    answer = api.read(_Created, await api.post("/issue/bulk", json={"issueUpdates": sent}))
    return CreatedIssues(issues=answer.issues, refused=[_refusal(error) for error in answer.errors])


def _refusal(error: dict[str, Any]) -> NotCreated:
    said = cast("dict[str, Any]", error.get("elementErrors") or {})
    texts = [*map(str, said.get("errorMessages") or []), *(f"{k}: {v}" for k, v in (said.get("errors") or {}).items())]
    return NotCreated(index=int(error.get("failedElementNumber") or 0), reason="; ".join(texts)[:500] or "refused")
