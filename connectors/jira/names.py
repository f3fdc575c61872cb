"""Names that many inputs share: keys, people, and which project an issue belongs to.

Jira goes on knowing an issue that was moved under its old key, for reads and for writes. So a key does not prove a
project: where a grant names projects, the issue is read first (`Located`) and its present project is what counts.
"""

from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field

from connectors.sdk import Input, Located, Output, Resource, Upstream, UpstreamNotFound

IssueKey = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_]{1,254}-[1-9][0-9]{0,17}$",
        description="Key of the issue, `OPS-12`; ids are not taken.",
    ),
]
ProjectKey = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{1,254}$", description="Key of the project, `OPS` in `OPS-12`."),
]
AccountId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9:_-]{1,128}$",
        description="Account id of a person, from `jira.user.search` or `jira.user.search_assignable`.",
    ),
]
Id = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,18}$")]

ISSUE = "/issue/{issue}"


class OfIssue(Input):
    """An input about one issue."""

    issue: IssueKey


class InProject(Input):
    """An input about one project."""

    project: ProjectKey


class Person(Output):
    """Somebody on the site, or an app."""

    account_id: str = Field(validation_alias="accountId")
    name: str = Field(default="", validation_alias="displayName")


class _Key(Output):
    key: str


def project_of(identity: str) -> str:
    """Return the canonical key of a project, from its own key or an issue's: upper case, without the number.

    A link between projects has both, `OPS/WEB`, in order.
    """
    return "/".join(sorted({part.partition("-")[0].upper() for part in identity.split("/")}))


async def where_is(api: Upstream, key: str) -> str:
    """Return the project that an issue is in now. Raises `UpstreamNotFound`."""
    response = await api.get(ISSUE, {"issue": key}, params={"fields": "project"})
    return project_of(api.read(_Key, response).key)


async def _located(api: Upstream, what: OfIssue) -> str:
    return await where_is(api, what.issue)


PROJECT = Resource("{project}", canonical=project_of)
THE_ISSUE = Resource("{issue}", canonical=project_of)
OF_ISSUE = Located(_located, canonical=project_of)


def stayed(asked: str, found: str) -> None:
    """Refuse an answer about an issue that was moved out of the project which was asked for.

    Raises `UpstreamNotFound`, without saying where the issue went.
    """
    if project_of(asked) != project_of(found):
        raise UpstreamNotFound(
            f"{asked} is no longer in project {project_of(asked)}: it was moved.",
            hint="`jira.issue.search` for it by its former key finds it, if it may be seen.",
        )


def _member(item: object, name: str) -> object:
    return cast("dict[str, object]", item).get(name) if isinstance(item, dict) else item


def _picked(value: object) -> object:
    """Take the names out of a list of objects; texts stay."""
    return [_member(item, "name") for item in cast("list[object]", value)] if isinstance(value, list) else value or []


Names = Annotated[list[str], BeforeValidator(_picked)]


def same_names(wanted: list[str], found: list[str]) -> bool:
    """Whether two lists name the same, whatever the order."""
    return set(wanted) == set(found)


def covers(sent: Any, found: Any) -> bool:
    """Whether what Jira has holds all that was sent: it adds ids and links to the objects that it is given."""
    if isinstance(sent, dict) and isinstance(found, dict):
        members = cast("dict[str, Any]", found)
        return all(name in members and covers(value, members[name]) for name, value in sent.items())
    if isinstance(sent, list) and isinstance(found, list):
        ours: list[Any] = sent
        theirs: list[Any] = found
        return len(ours) == len(theirs) and all(map(covers, ours, theirs))
    return bool(sent == found)
