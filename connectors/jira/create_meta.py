"""What a new issue of a project can be and must have. Source: Jira REST API v3, "Get create metadata"."""

from typing import Annotated, Any, cast

from pydantic import AliasPath, BeforeValidator, Field

from connectors.jira.connector import READ, jira
from connectors.jira.names import PROJECT, Id, ProjectKey
from connectors.jira.paging import Position, page, paged
from connectors.sdk import Effect, Output, Page, PageQuery, Upstream

META = "/issue/createmeta/{project}/issuetypes"


def _name(value: object) -> object:
    """Allowed values are objects with a name (`High`) or a value (an option)."""
    one = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    found = next((one[member] for member in ("name", "value", "key", "id") if one.get(member)), None)
    return value if found is None else str(found)


def _names(value: object) -> object:
    return [_name(one) for one in cast("list[object]", value)[:100]] if isinstance(value, list) else value


class IssueType(Output):
    """A type of issue that the connected user can create in the project."""

    id: str
    name: str
    description: str | None = None
    is_subtask: bool = Field(default=False, validation_alias="subtask")


class FieldMeta(Output):
    """A field of a new issue. `kind` is `string`, `array`, `option`, `user` and so on."""

    id: str = Field(validation_alias="fieldId")
    name: str
    required: bool
    has_default: bool = Field(default=False, validation_alias="hasDefaultValue")
    kind: str | None = Field(default=None, validation_alias=AliasPath("schema", "type"))
    custom: str | None = Field(default=None, validation_alias=AliasPath("schema", "custom"))
    allowed: Annotated[list[str] | None, BeforeValidator(_names)] = Field(
        default=None, validation_alias="allowedValues", description="Names of the values, at most 100."
    )


class ListTypes(PageQuery):
    """Whose types to read."""

    project: ProjectKey


class DescribeFields(PageQuery):
    """Which fields to read."""

    project: ProjectKey
    type: Id = Field(description="Id of a type, from `jira.issue_type.list`.")


class _Types(Position):
    types: list[IssueType] = Field(validation_alias="issueTypes")


class _Fields(Position):
    fields: list[FieldMeta]


@jira.action(
    "issue_type.list",
    scopes={"jira:project:read"},
    effect=Effect.READ,
    resource=PROJECT,
    vendor_scopes=READ,
)
async def list_types(api: Upstream, query: ListTypes) -> Page[IssueType]:
    """List the types of issue that can be created in a project: `Task`, `Bug`, `Story`, subtasks."""
    found = api.read(_Types, await api.get(META, query, params=paged(query)))
    return page(found, found.types)


@jira.action(
    "issue.describe_fields",
    scopes={"jira:project:read"},
    effect=Effect.READ,
    resource=PROJECT,
    vendor_scopes=READ,
)
async def describe_fields(api: Upstream, query: DescribeFields) -> Page[FieldMeta]:
    """List the fields that a new issue of a type has in a project, which are required and what they may hold.

    Read it before `jira.issue.create` where a project has fields of its own; their values go into `custom_fields`.
    """
    found = api.read(_Fields, await api.get(META + "/{type}", query, params=paged(query)))
    return page(found, found.fields)
