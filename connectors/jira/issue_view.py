"""Issues as agents see them: what is read of one, and how.

Source: Jira Cloud platform REST API v3, "Get issue".
"""

from datetime import date
from typing import Annotated, Any, cast

from pydantic import AliasPath, AwareDatetime, BeforeValidator, Field, JsonValue

from connectors.jira.names import ISSUE, Names, Person, stayed
from connectors.jira.richtext import Markdown, rendered
from connectors.sdk import Output, Response, Upstream

SHORT_FIELDS = (
    "summary,status,issuetype,project,priority,assignee,reporter,labels,components,fixVersions,parent,created,"
    "updated,duedate,resolution"
)
FIELDS = f"{SHORT_FIELDS},description,issuelinks,attachment"


def _linked(value: object) -> object:
    """Cut links to what is no secret of another project: the other issue's key, not its text."""
    return [_link(one) for one in cast("list[object]", value)] if isinstance(value, list) else value


def _link(value: object) -> object:
    link = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    end = next((name for name in ("outward", "inward") if f"{name}Issue" in link), None)
    if end is None:
        return value
    kind = cast("dict[str, Any]", link.get("type") or {})
    other = cast("dict[str, Any]", link[f"{end}Issue"])
    return {"id": link.get("id"), "type": kind.get("name"), "words": kind.get(end), "issue": other.get("key")}


class Linked(Output):
    """A link, read from this issue: `OPS-1 blocks OPS-2` has the words `blocks` and the issue `OPS-2`."""

    id: str
    type: str
    words: str
    issue: str


class Attachment(Output):
    """A file of an issue."""

    id: Annotated[str, BeforeValidator(str)]
    name: str = Field(validation_alias="filename")
    media_type: str | None = Field(default=None, validation_alias="mimeType")
    size: int = Field(description="Bytes.")
    author: Person | None = None
    created_at: AwareDatetime = Field(validation_alias="created")


class FoundIssue(Output):
    """An issue, cut down to what an agent chooses by."""

    key: str
    id: str
    summary: str = Field(validation_alias=AliasPath("fields", "summary"))
    status: str = Field(validation_alias=AliasPath("fields", "status", "name"))
    status_category: str | None = Field(
        default=None,
        validation_alias=AliasPath("fields", "status", "statusCategory", "key"),
        description="`new`, `indeterminate` (in progress) or `done`.",
    )
    type: str = Field(validation_alias=AliasPath("fields", "issuetype", "name"))
    project: str = Field(validation_alias=AliasPath("fields", "project", "key"))
    priority: str | None = Field(default=None, validation_alias=AliasPath("fields", "priority", "name"))
    assignee: Person | None = Field(default=None, validation_alias=AliasPath("fields", "assignee"))
    reporter: Person | None = Field(default=None, validation_alias=AliasPath("fields", "reporter"))
    labels: Names = Field(default_factory=list[str], validation_alias=AliasPath("fields", "labels"))
    components: Names = Field(default_factory=list[str], validation_alias=AliasPath("fields", "components"))
    fix_versions: Names = Field(default_factory=list[str], validation_alias=AliasPath("fields", "fixVersions"))
    parent: str | None = Field(default=None, validation_alias=AliasPath("fields", "parent", "key"))
    due: date | None = Field(default=None, validation_alias=AliasPath("fields", "duedate"))
    resolution: str | None = Field(default=None, validation_alias=AliasPath("fields", "resolution", "name"))
    created_at: AwareDatetime = Field(validation_alias=AliasPath("fields", "created"))
    updated_at: AwareDatetime = Field(validation_alias=AliasPath("fields", "updated"))


class Issue(FoundIssue):
    """An issue with its text, its links and its files. `custom_fields` holds the ones that were asked for."""

    description: Markdown | None = Field(
        default=None, validation_alias=AliasPath("fields", "description"), description="Markdown."
    )
    links: Annotated[list[Linked], BeforeValidator(_linked)] = Field(
        default_factory=list[Linked], validation_alias=AliasPath("fields", "issuelinks")
    )
    attachments: list[Attachment] = Field(
        default_factory=list[Attachment], validation_alias=AliasPath("fields", "attachment")
    )
    custom_fields: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


async def read_issue(api: Upstream, key: str, custom: list[str]) -> Issue:
    """Read an issue with some custom fields. Raises `UpstreamNotFound` where it was moved out of its project."""
    fields = ",".join([FIELDS, *custom])
    response = await api.get(ISSUE, {"issue": key}, params={"fields": fields})
    issue = api.read(Issue, response)
    stayed(key, issue.key)
    return with_custom(issue, response, custom)


def with_custom(issue: Issue, response: Response, custom: list[str]) -> Issue:
    """Return an issue with the custom fields of an answer, rich texts as Markdown."""
    values = cast("dict[str, Any]", response.json()["fields"])
    return issue.model_copy(update={"custom_fields": {name: rendered(values.get(name)) for name in custom}})
