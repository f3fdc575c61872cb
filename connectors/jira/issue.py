"""Jira issues: read, create, change, delete. Their status changes through transitions, in `issue_state`.

Source: Jira Cloud platform REST API v3, "Issues" and "Issue search".
"""

from datetime import date
from typing import Annotated

from pydantic import AliasPath, AwareDatetime, Field, JsonValue, model_validator

from connectors.jira import custom_field
from connectors.jira.connector import READ, WRITE, jira
from connectors.jira.issue_view import Issue, read_issue, with_custom
from connectors.jira.names import (
    ISSUE,
    OF_ISSUE,
    PROJECT,
    THE_ISSUE,
    AccountId,
    InProject,
    IssueKey,
    OfIssue,
    covers,
    project_of,
    same_names,
)
from connectors.jira.richtext import LONGEST, build, rendered, same_text
from connectors.jira.tracing import PROPERTY, SETTLE, is_before, properties
from connectors.sdk import (
    Done,
    Effect,
    Irreversible,
    Output,
    Reconcile,
    Undo,
    Upstream,
    UpstreamNotFound,
)

Summary = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\r\n]+$")]
_SUMMARY = "The title, one line of plain text."
_DUE = "The day when it is due."
Label = Annotated[str, Field(pattern=r"^[^\s]{1,255}$", description="Without spaces.")]
CustomFields = Annotated[
    dict[Annotated[str, Field(pattern=r"^customfield_[0-9]{1,12}$")], JsonValue],
    Field(
        max_length=50,
        description="Further fields by their ids: texts, numbers, the name of an option, Markdown for rich text. What"
        " the site has is shown with this action for a connection; `jira.issue.describe_fields` says what types need.",
    ),
]


class GetIssue(OfIssue):
    """The issue to read."""

    custom_fields: list[Annotated[str, Field(pattern=r"^customfield_[0-9]{1,12}$")]] = Field(
        default_factory=list[str], max_length=50, description="Ids of further fields, from `jira.field.list`."
    )


class CreateIssue(InProject):
    """The issue to create."""

    summary: Summary = Field(description=_SUMMARY)
    type: str = Field(
        min_length=1, max_length=255, description="Name of a type of the project, from `jira.issue_type.list`."
    )
    description: str = Field(default="", max_length=LONGEST, description="Markdown; a line end is a line break.")
    assignee: AccountId | None = Field(
        default=None, description="Account id, as `jira.user.search_assignable` gives it."
    )
    priority: str | None = Field(default=None, min_length=1, max_length=255, description="Its name, `High`.")
    labels: list[Label] = Field(default_factory=list[str], max_length=50, description="Unknown ones are created.")
    components: list[str] = Field(default_factory=list[str], max_length=50, description="Names.")
    fix_versions: list[str] = Field(default_factory=list[str], max_length=50, description="Names.")
    parent: IssueKey | None = Field(default=None, description="Of a subtask, or of an epic's story; same project.")
    due: date | None = Field(default=None, strict=False, description=_DUE)
    custom_fields: CustomFields = Field(default_factory=dict[str, JsonValue])

    @model_validator(mode="after")
    def _stays_in_its_project(self) -> "CreateIssue":
        if self.parent is not None and project_of(self.parent) != project_of(self.project):
            raise ValueError("`parent` must be an issue of the same project")
        return self


class CreatedIssue(Output):
    """What Jira tells of a new issue; `jira.issue.get` reads the rest."""

    key: str
    id: str


class UpdateIssue(OfIssue):
    """What to change; fields left out stay as they are."""

    summary: Summary | None = Field(default=None, description=_SUMMARY)
    description: str | None = Field(default=None, max_length=LONGEST, description="Markdown. Replaces the whole text.")
    type: str | None = Field(default=None, min_length=1, max_length=255, description="Name of another type.")
    priority: str | None = Field(default=None, min_length=1, max_length=255, description="Its name, `High`.")
    labels: list[Label] | None = Field(default=None, max_length=50, description="Replaces all labels.")
    add_labels: list[Label] = Field(default_factory=list[str], max_length=50, description="The others stay.")
    remove_labels: list[Label] = Field(default_factory=list[str], max_length=50, description="The others stay.")
    components: list[str] | None = Field(default=None, max_length=50, description="Replaces all, by name.")
    fix_versions: list[str] | None = Field(default=None, max_length=50, description="Replaces all, by name.")
    parent: IssueKey | None = Field(default=None, description="In the same project.")
    due: date | None = Field(default=None, strict=False, description=_DUE)
    custom_fields: CustomFields = Field(default_factory=dict[str, JsonValue])

    @model_validator(mode="after")
    def _changes_something(self) -> "UpdateIssue":
        if not (changed_fields(self) or self.add_labels or self.remove_labels):
            raise ValueError("name at least one field to change")
        if self.labels is not None and (self.add_labels or self.remove_labels):
            raise ValueError("give either `labels` or `add_labels` and `remove_labels`")
        if set(self.add_labels) & set(self.remove_labels):
            raise ValueError("a label cannot be both added and removed")
        if self.parent is not None and project_of(self.parent) != project_of(self.issue):
            raise ValueError("`parent` must be an issue of the same project")
        return self


class DeleteIssue(OfIssue):
    """The issue to delete."""

    with_subtasks: bool = Field(default=False, description="An issue with subtasks is refused without this.")


def changed_fields(given: CreateIssue | UpdateIssue) -> dict[str, object]:
    """Return the fields that an input sets, in Jira's form."""
    named = {"priority": given.priority, "issuetype": given.type}
    found: dict[str, object] = {name: {"name": value} for name, value in named.items() if value is not None}
    if given.summary is not None:
        found["summary"] = given.summary
    if given.description is not None:
        found["description"] = build(given.description) if given.description else None
    if given.labels is not None:
        found["labels"] = given.labels
    for name, names in (("components", given.components), ("fixVersions", given.fix_versions)):
        if names is not None:
            found[name] = [{"name": one} for one in names]
    if given.parent is not None:
        found["parent"] = {"key": given.parent}
    if given.due is not None:
        found["duedate"] = given.due.isoformat()
    return {**found, **given.custom_fields}


def new_fields(new: CreateIssue) -> dict[str, object]:
    """Return the fields of an issue to create, without the empty ones."""
    set_ones = {name: value for name, value in changed_fields(new).items() if value not in (None, [])}
    own: dict[str, object] = {"project": {"key": new.project}}
    return own | set_ones | ({"assignee": {"accountId": new.assignee}} if new.assignee else {})


@jira.action(
    "issue.get",
    scopes={"jira:issue:read"},
    effect=Effect.READ,
    resource=THE_ISSUE,
    vendor_scopes=READ,
)
async def get_issue(api: Upstream, what: GetIssue) -> Issue:
    """Read one issue by its key: its text as Markdown, status, people, links and attached files.

    Comments are read with `jira.comment.list`, what may happen next with `jira.issue.list_transitions`. Fails with
    `upstream_not_found` where the issue was moved to another project.
    """
    return await read_issue(api, what.issue, what.custom_fields)


class _NewIssue(CreatedIssue):
    created_at: AwareDatetime = Field(validation_alias=AliasPath("fields", "created"))
    properties: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class _NewIssues(Output):
    issues: list[_NewIssue]
    token: str | None = Field(default=None, validation_alias="nextPageToken")


async def recent_markers(api: Upstream, project: str) -> list[tuple[str, CreatedIssue]]:
    """Return the markers of the issues that this account has created in a project since the call, newest first."""
    jql = f'project = "{project}" AND creator = currentUser() ORDER BY created DESC'
    found: list[tuple[str, CreatedIssue]] = []
    token: str | None = None
    while True:
        params = {"jql": jql, "fields": "created", "properties": PROPERTY, "maxResults": 100, "nextPageToken": token}
        page = api.read(_NewIssues, await api.get("/search/jql", params=params))
        for issue in page.issues:
            if is_before(api, issue.created_at):
                return found
            found.append((str(issue.properties.get(PROPERTY)), CreatedIssue(key=issue.key, id=issue.id)))
        token = page.token
        if not token:
            return found


async def find_created(api: Upstream, new: CreateIssue) -> CreatedIssue | None:
    """Return the issue that carries this call's marker, or None."""
    return next((issue for marker, issue in await recent_markers(api, new.project) if marker == api.marker), None)


@jira.action(
    "issue.create",
    scopes={"jira:issue:write"},
    effect=Effect.CREATE,
    resource=PROJECT,
    vendor_scopes=WRITE,
    # Only the search index lists issues by project, and it lags. `reconcileIssues` would see every write, but takes
    # the ids of issues that are known, and there is nothing else that lists new ones. So absence proves nothing.
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=False),
    custom=custom_field.OF_ISSUE,
    undo=Undo("jira.issue.delete", note="People who watch the project were notified."),
    examples=[
        {
            "project": "OPS",
            "type": "Task",
            "summary": "Login page answers 500",
            "description": "Steps:\n\n1. Open **/login**",
            "labels": ["web"],
        }
    ],
)
async def create_issue(api: Upstream, new: CreateIssue) -> CreatedIssue:
    """Create an issue in a project. People may be notified.

    Search first if the matter may be known already; to add to an issue use `jira.comment.create`. Which types a
    project has is in `jira.issue_type.list`, which fields a type needs in `jira.issue.describe_fields`. A subtask is
    an issue of a subtask type with its `parent`.
    """
    sent: dict[str, object] = {"fields": new_fields(new)}
    marks = properties(api)
    return api.read(CreatedIssue, await api.post("/issue", json={**sent, "properties": marks} if marks else sent))


async def find_updated(api: Upstream, update: UpdateIssue) -> Issue | None:
    """Return the issue if every field that was sent is there as sent, else None."""
    issue = await read_issue(api, update.issue, list(update.custom_fields))
    sent = {name: rendered(value) for name, value in update.custom_fields.items()}
    wanted = (
        update.summary in {None, issue.summary},
        update.description is None or same_text(update.description, issue.description or ""),
        update.type in {None, issue.type},
        update.priority in {None, issue.priority},
        update.labels is None or same_names(update.labels, issue.labels),
        set(update.add_labels) <= set(issue.labels) and not set(update.remove_labels) & set(issue.labels),
        update.components is None or same_names(update.components, issue.components),
        update.fix_versions is None or same_names(update.fix_versions, issue.fix_versions),
        update.parent is None or update.parent.upper() == issue.parent,
        update.due in {None, issue.due},
        covers(sent, issue.custom_fields),
    )
    return issue if all(wanted) else None


@jira.action(
    "issue.update",
    scopes={"jira:issue:write"},
    effect=Effect.UPDATE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    idempotency=Reconcile(find_updated, settle=SETTLE, consistent=True),
    custom=custom_field.OF_ISSUE,
    undo=Undo("jira.issue.update", note="Send the former values; read them before."),
    examples=[{"issue": "OPS-1", "summary": "Login page answers 502", "add_labels": ["incident"]}],
)
async def update_issue(api: Upstream, update: UpdateIssue) -> Issue:
    """Change an issue's fields; watchers are notified. The status is changed with `jira.issue.transition`.

    `labels`, `components` and `fix_versions` replace the whole set: `add_labels` and `remove_labels` change single
    ones. The last writer wins; read the issue first if others may edit it. To assign use `jira.issue.assign`.
    """
    sent: dict[str, object] = {"fields": changed_fields(update)}
    verbs = [{"add": label} for label in update.add_labels] + [{"remove": label} for label in update.remove_labels]
    if verbs:
        sent["update"] = {"labels": verbs}
    custom = list(update.custom_fields)
    response = await api.put(ISSUE, update, json=sent, params={"returnIssue": True})
    if not response.body:
        return await read_issue(api, update.issue, custom)
    return with_custom(api.read(Issue, response), response, custom)


async def find_deleted(api: Upstream, what: DeleteIssue) -> Done | None:
    """Return `Done` if the issue is gone from a project that can be read, else None."""
    try:
        await api.get(ISSUE, what, params={"fields": "project"})
    except UpstreamNotFound:
        await api.get("/project/{project}", {"project": project_of(what.issue)})
        return Done()
    return None


@jira.action(
    "issue.delete",
    scopes={"jira:issue:delete"},
    effect=Effect.DELETE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    # Keys are never given twice: an issue that is there was not deleted.
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=True),
    undo=Irreversible("Jira has no bin for issues: comments, work and files are lost with it."),
    examples=[{"issue": "OPS-12"}],
)
async def delete_issue(api: Upstream, what: DeleteIssue) -> Done:
    """Delete an issue with its comments, worklogs and files, for good.

    To close an issue move it with `jira.issue.transition` instead. With `with_subtasks` its subtasks go too.
    """
    return api.done(await api.delete(ISSUE, what, params={"deleteSubtasks": what.with_subtasks}))
