"""Names that many inputs share: owners, repositories, numbers, and how a repository is identified."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, cast

from pydantic import BeforeValidator, Field

from connectors.sdk import Input, Output, Resource

Owner = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$",
        description="Login of the user or organization that owns the repository, `acme` in `acme/web`.",
    ),
]
Repo = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._-]{1,100}$", description="Name of the repository without its owner."),
]
Number = Annotated[int, Field(ge=1, description="The number shown after `#`, not the id.")]
Branch = Annotated[str, Field(min_length=1, max_length=255, description="Name of a branch, without `refs/heads/`.")]
Login = Annotated[str, Field(min_length=1, max_length=100)]
Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]


class InRepository(Input):
    """An input about one repository."""

    owner: Owner
    repo: Repo


class OfIssue(InRepository):
    """An input about one issue, or the conversation of one pull request."""

    number: Number


def _member(item: object, name: str) -> object:
    return cast("dict[str, object]", item).get(name) if isinstance(item, dict) else item


def _picked(member: str) -> BeforeValidator:
    """Take one member out of every object of a list; texts stay."""

    def pick(value: object) -> object:
        if not isinstance(value, list):
            return value
        return [_member(item, member) for item in cast("list[object]", value)]

    return BeforeValidator(pick)


Names = Annotated[list[str], _picked("name")]
Logins = Annotated[list[str], _picked("login")]


class Named(Output):
    """Something that matters by its name alone."""

    name: str


def canonical(identity: str) -> str:
    """Return the one spelling of `owner/repo`: GitHub ignores case, and a `.git` at the end."""
    return identity.lower().removesuffix(".git")


REPOSITORY = Resource("{owner}/{repo}", canonical=canonical)


def same_names(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """Whether two lists name the same, whatever the case and the order."""
    return {name.lower() for name in wanted} == {name.lower() for name in found}


def holds_names(found: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether all wanted names are among the found ones, whatever the case."""
    return {name.lower() for name in wanted} <= {name.lower() for name in found}


def iso(at: datetime) -> str:
    """Return a time as GitHub's parameters take it, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
