"""Notes in a space: list, get, create."""

from datetime import timedelta

from pydantic import Field

from connectors.sdk import Effect, Input, Irreversible, Native, Output, Page, PageQuery, Resource, Upstream
from gatehouse_acme_notes.connector import acme_notes

# Where the vendor takes several spellings for one space, `canonical` gives the one: see docs/connector-guide.md.
SPACE = Resource("{space}")
NOTES = "/v1/spaces/{space}/notes"


class Note(Output):
    """A note."""

    id: str
    text: str


class _Notes(Output):
    notes: list[Note]
    next: str | None


class ListNotes(PageQuery):
    """Which notes to list."""

    space: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Id of the space.")


class OneNote(Input):
    """Which note to read."""

    space: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Id of the space.")
    note: str = Field(pattern=r"^n[0-9]{1,18}$", description="Id of the note.")


class CreateNote(Input):
    """The note to write."""

    space: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Id of the space.")
    text: str = Field(min_length=1, max_length=10_000, description="What the note says.")


@acme_notes.action(
    "note.list",
    scopes={"acme_notes:note:read"},
    effect=Effect.READ,
    resource=SPACE,
    vendor_scopes={"notes.read"},
)
async def list_notes(api: Upstream, query: ListNotes) -> Page[Note]:
    """List the notes of a space, oldest first."""
    params = {"limit": query.limit, "after": query.cursor}
    found = api.read(_Notes, await api.get(NOTES, query, params=params))
    return Page(items=found.notes, next_cursor=found.next)


@acme_notes.action(
    "note.get",
    scopes={"acme_notes:note:read"},
    effect=Effect.READ,
    resource=SPACE,
    vendor_scopes={"notes.read"},
)
async def get_note(api: Upstream, what: OneNote) -> Note:
    """Read one note of a space by its id."""
    return api.read(Note, await api.get(NOTES + "/{note}", what))


@acme_notes.action(
    "note.create",
    scopes={"acme_notes:note:write"},
    effect=Effect.CREATE,
    resource=SPACE,
    vendor_scopes={"notes.write"},
    idempotency=Native("Idempotency-Key", window=timedelta(hours=24)),
    undo=Irreversible("There is no action yet that deletes a note."),
    examples=[{"space": "team", "text": "Buy milk"}],
)
async def create_note(api: Upstream, new: CreateNote) -> Note:
    """Write a note into a space, where everybody who sees the space can read it."""
    return api.read(Note, await api.post(NOTES, new, json={"text": new.text}))
