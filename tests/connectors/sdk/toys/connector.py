"""Boxes of notes: OAuth and pasted tokens, paging, a secret output, an action of two effects, a located resource."""

from datetime import timedelta

from pydantic import Field

from connectors.sdk import (
    Account,
    Connector,
    Done,
    Effect,
    Input,
    Irreversible,
    Located,
    Native,
    OAuthUser,
    Output,
    Page,
    PageQuery,
    Reconcile,
    Resource,
    SecretText,
    StaticToken,
    Upstream,
    UpstreamNotFound,
)

NOTES = "/boxes/{box}/notes"
NOTE = NOTES + "/{note}"
SETTLE = timedelta(seconds=30)


class Me(Output):
    id: str


async def account(api: Upstream, method: str) -> Account:
    del method
    me = api.read(Me, await api.get("/me"))
    return Account(me.id, me.id)


toys = Connector(
    id="toys",
    title="Toys",
    version="0.1.0",
    base_url="https://api.toys.example",
    hosts=["api.toys.example"],
    auth=[StaticToken(), OAuthUser("{origin}/authorize", "{origin}/token")],
    scopes={"toys:note:read": "Read notes", "toys:note:write": "Write notes"},
    account=account,
)

BOX = Resource("{box}", canonical=str.lower)


class InBox(Input):
    box: str = Field(pattern=r"^[A-Za-z0-9-]{1,20}$", description="Name of the box.")


class OneNote(InBox):
    note: str = Field(pattern=r"^n[1-9][0-9]{0,5}$", description="Id of the note.")


class ListNotes(PageQuery):
    box: str = Field(pattern=r"^[A-Za-z0-9-]{1,20}$", description="Name of the box.")


class NewNote(InBox):
    text: str = Field(min_length=1, max_length=1000, description="What it says.")


class ByNumber(Input):
    number: int = Field(ge=1, description="The note's number, whatever box it is in.")


class Note(Output):
    id: str
    text: str
    public: bool


class Notes(Output):
    notes: list[Note]
    next: str | None


class Link(Output):
    link: SecretText = Field(description="Opens the note for everybody who has it.")


class _Placed(Output):
    box: str


async def box_of(api: Upstream, what: ByNumber) -> str:
    return api.read(_Placed, await api.get("/numbers/{number}", what)).box


@toys.action("note.list", scopes={"toys:note:read"}, effect=Effect.READ, resource=BOX, vendor_scopes={"notes.read"})
async def list_notes(api: Upstream, query: ListNotes) -> Page[Note]:
    """List the notes of a box, oldest first."""
    found = api.read(Notes, await api.get(NOTES, query, params={"limit": query.limit, "after": query.cursor}))
    return Page[Note](items=found.notes, next_cursor=found.next)


@toys.action(
    "note.get", scopes={"toys:note:read"}, effect=Effect.READ, resource=Located(box_of), vendor_scopes={"notes.read"}
)
async def get_note(api: Upstream, what: ByNumber) -> Note:
    """Read one note by its number, whatever box it is in."""
    return api.read(Note, await api.get("/numbers/{number}", what))


@toys.action(
    "note.create",
    scopes={"toys:note:write"},
    effect=Effect.CREATE,
    resource=BOX,
    vendor_scopes={"notes.write"},
    idempotency=Native("Idempotency-Key", window=timedelta(hours=24)),
    undo=Irreversible("A note that was read was read."),
    examples=[{"box": "team", "text": "Buy milk"}],
)
async def create_note(api: Upstream, new: NewNote) -> Note:
    """Write a note into a box, where everybody reads it."""
    return api.read(Note, await api.post(NOTES, new, json={"text": new.text}))


async def find_deleted(api: Upstream, what: OneNote) -> Done | None:
    try:
        await api.get(NOTE, what)
    except UpstreamNotFound:
        return Done()
    return None


@toys.action(
    "note.delete",
    scopes={"toys:note:write"},
    effect=Effect.DELETE,
    resource=BOX,
    vendor_scopes={"notes.write"},
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=True),
    undo=Irreversible("A note that is deleted is gone."),
    examples=[{"box": "team", "note": "n1"}],
)
async def delete_note(api: Upstream, what: OneNote) -> Done:
    """Delete one note from its box."""
    return api.done(await api.delete(NOTE, what))


async def find_published(api: Upstream, what: OneNote) -> Link | None:
    note = api.read(Note, await api.get(NOTE, what))
    links = (await api.get(NOTE + "/links", what)).json()["links"]
    return Link(link=links[0]) if note.public and links else None


@toys.action(
    "note.publish",
    scopes={"toys:note:write"},
    effect=Effect.UPDATE,
    resource=BOX,
    vendor_scopes={"notes.write"},
    idempotency=Reconcile(find_published, settle=SETTLE, consistent=True),
    undo=Irreversible("A link that is out stays out."),
    examples=[{"box": "team", "note": "n1"}],
)
async def publish_note(api: Upstream, what: OneNote) -> Link:
    """Make a note public, and make a link to it."""
    api.read(Note, await api.patch(NOTE, what, json={"public": True}, step="public"))
    return api.read(Link, await api.post(NOTE + "/links", what, json={}, step="link"))
