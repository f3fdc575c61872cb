"""Typed input and output of actions. Inputs forbid unknown fields; outputs ignore them.

What validates a model is built when the first value is validated: most actions of a connector are never called.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

ItemT = TypeVar("ItemT")


class Input(BaseModel):
    """What an action takes. An agent's typo is an error, so unknown fields are refused; types are strict."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Output(BaseModel):
    """What an action gives. A vendor's new field is no error. Fields are named as agents see them; the vendor's
    names stand in `validation_alias`.
    """

    model_config = ConfigDict(
        extra="ignore", frozen=True, validate_by_name=True, validate_by_alias=True, defer_build=True
    )


class PageQuery(Input):
    """An input that reads a list. The cursor is what the last page gave, sealed by the gateway."""

    limit: int = Field(default=30, ge=1, le=100, description="At most this many items on a page.")
    cursor: str | None = Field(
        default=None,
        max_length=2048,
        description="`next_cursor` of the page before; leave out for the first.",
    )


class CursorQuery(Input):
    """An input that reads a list whose vendor decides how long a page is. The cursor is as for `PageQuery`.

    `page_records` is how many records a page may bring, for limits that count records.
    """

    cursor: str | None = Field(
        default=None,
        max_length=2048,
        description="`next_cursor` of the page before; leave out for the first.",
    )

    @property
    def page_records(self) -> int:
        """At most so many."""
        return 2_000


class Page(Output, Generic[ItemT]):
    """One page of a list. `next_cursor` is null on the last page."""

    items: list[ItemT]
    next_cursor: str | None = None


class Done(Output):
    """The answer of an action whose vendor answers nothing."""

    done: bool = True


class FileRef(Input):
    """A file that was uploaded to `POST /v1/files` before."""

    file: str = Field(pattern=r"^file_[0-9a-z]{26}$", description="Id of an uploaded file.")


class StoredFile(Output):
    """A binary result, kept 24 h at `GET /v1/files/{file}`."""

    file: str
    media_type: str
    size: int = Field(description="Bytes.")
    sha256: str


@dataclass(frozen=True, slots=True)
class Secret:
    """Marks an output field whose value is masked before anything is recorded: `Annotated[str, Secret()]`."""


SecretText = Annotated[str, Secret()]
MASK = "[masked]"


def secret_fields(model: Any) -> frozenset[str]:
    """Return the names of the fields of a model, and of models inside it, that are marked `Secret`."""
    found: set[str] = set()
    seen: set[type[BaseModel]] = set()

    def visit(kind: Any) -> None:
        for argument in getattr(kind, "__args__", ()):
            visit(argument)
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)) or kind in seen:
            return
        seen.add(kind)
        for name, field in kind.model_fields.items():
            if any(isinstance(mark, Secret) for mark in field.metadata) or _marked(field.annotation):
                found.add(name)
            visit(field.annotation)

    visit(model)
    return frozenset(found)


def _marked(kind: Any) -> bool:
    """Whether a mark stands inside a type, as in `SecretText | None` and `list[SecretText]`."""
    if any(isinstance(mark, Secret) for mark in getattr(kind, "__metadata__", ())):
        return True
    return any(_marked(argument) for argument in getattr(kind, "__args__", ()))
