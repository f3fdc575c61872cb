"""The toy shop's connector: one action for each fact that an action can declare and GitHub's do not."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, TypeAdapter

from connectors.sdk import (
    Account,
    Connector,
    ConstraintDenied,
    CursorQuery,
    CustomField,
    CustomFields,
    Done,
    Effect,
    FileRef,
    Input,
    Irreversible,
    Located,
    Native,
    NaturalKey,
    Output,
    Page,
    PageQuery,
    Quota,
    Reconcile,
    Resource,
    Response,
    Safe,
    Searched,
    SecretText,
    StaticToken,
    StoredFile,
    Unbound,
    Undo,
    Unknowable,
    Upstream,
    UpstreamNotFound,
    choice,
    strip_markers,
)
from connectors.sdk.errors import OutcomeUnknown

BOX = Resource("{box}", canonical=str.lower)
SETTLE = timedelta(seconds=5)


class OfBox(Input):
    box: str = Field(min_length=1)


class OfNote(OfBox):
    id: int


class NewNote(OfBox):
    text: str = ""
    owner: dict[str, Any] | None = None


class ChangedNote(OfNote):
    text: str | None = None
    pin: str | None = None


class Note(Output):
    id: int
    box: str
    text: str = ""
    owner: dict[str, Any] | None = None
    pin: SecretText | None = None


class PublicNote(Output):
    id: int
    box: str
    text: str = ""
    owner: dict[str, Any] | None = None


class ListNotes(PageQuery):
    box: str


class WalkNotes(CursorQuery):
    box: str

    @property
    def page_records(self) -> int:
        return 1


class SearchNotes(PageQuery):
    q: str
    trusting: bool = False


class OneId(Input):
    id: int


class Moved(Input):
    id: int
    text: str


class Tagged(OfBox):
    ids: list[int]
    tag: str = "x"


class NewOrder(Input):
    item: str


class Order(Output):
    id: int
    key: str = ""
    item: str = ""


class Built(NewOrder):
    kind: str = "crate"
    fields: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class _OwnField(Output):
    key: str
    label: str
    type: str
    choices: list[str] = Field(default_factory=list[str])


class NewMail(Input):
    to: list[str]
    cc: str | None = None
    text: str = ""


class Sent(Output):
    id: int


class Broadcast(Input):
    text: str


class NewPayment(Input):
    amount: str
    to_account: str = "1"


class Refund(Input):
    reason: str = ""


class Paid(Output):
    id: int
    amount: str = ""


class Named(Input):
    name: str


class Key(Output):
    id: int
    name: str
    secret: SecretText


class Link(Output):
    name: str
    url: str


class NewParcel(Input):
    name: str
    to: str


class Parcel(Output):
    id: int
    name: str
    attached: str | None = None


class Label(Output):
    id: int
    name: str
    color: str = ""


class NewLabel(Input):
    name: str
    color: str = "red"


class Copy(Output):
    id: int
    text: str


class NewCopy(Input):
    text: str


class Count(Input):
    count: int
    size: int = 10


class Size(Input):
    size: int


class Document(Output):
    text: str
    parts: dict[str, Any]


class Status(Input):
    status: int


class Attached(Input):
    file: FileRef
    name: str = "f"


class Who(Input):
    login: str
    password: str | None = None


Shouted = Annotated[str, AfterValidator(str.upper)]


class _Notes(Output):
    items: list[PublicNote]
    next: str | None = None


class _Uploads(Output):
    items: list[Parcel]


class _Copies(Output):
    items: list[Copy]


class _Me(Output):
    id: str
    name: str


async def account(api: Upstream, method: str) -> Account:
    del method
    me = api.read(_Me, await api.get("/me"))
    return Account(me.id, me.name)


def quota(response: Response) -> Sequence[Quota]:
    told = [response.headers.get(f"x-quota-{name}") for name in ("limit", "remaining", "reset")]
    if None in told:
        return ()
    limit, remaining, reset = (int(str(value)) for value in told)
    return (Quota("core", limit, remaining, float(reset)),)


def _narrowed(query: SearchNotes, patterns: Sequence[str]) -> SearchNotes:
    if "*" in patterns:
        return query
    if not patterns:
        raise ConstraintDenied("nothing may be searched")
    return query.model_copy(update={"q": query.q + "".join(f" box:{pattern}" for pattern in patterns)})


_OWN_TYPES: dict[str, Any] = {"text": Annotated[str, Field(max_length=20)], "number": int, "shout": Shouted}


async def _own_fields(api: Upstream, kind: str) -> Sequence[CustomField]:
    found = api.read(TypeAdapter(list[_OwnField]), await api.get("/own/{kind}", {"kind": kind}))
    return [CustomField(one.key, one.label, _OWN_TYPES.get(one.type) or choice(one.choices)) for one in found]


async def _box_of(api: Upstream, what: Any) -> str:
    return api.read(PublicNote, await api.get("/notes/{id}", what)).box


def toy_connector() -> Connector:
    """Return a fresh connector; its actions are declared in groups below."""
    toy = Connector(
        id="toy",
        title="Toy",
        version="1",
        base_url="https://api.toy.example",
        hosts=["api.toy.example"],
        download_hosts=["files.toy.example"],
        auth=[StaticToken()],
        scopes={
            f"toy:{resource}:{access}": f"{access} {resource}"
            for resource in ("note", "order", "mail", "payment", "key", "file", "label", "copy", "member", "odd")
            for access in ("read", "write", "delete")
        },
        account=account,
        quota=quota,
        max_response_bytes=4 * 1024 * 1024,
    )
    for group in (_notes, _places, _orders, _out_of_house, _files, _repeats, _odd):
        group(toy)
    toy.check_references()
    return toy


def _notes(toy: Connector) -> None:
    path = "/boxes/{box}/notes"

    @toy.action("note.get", scopes={"toy:note:read"}, effect=Effect.READ, resource=BOX, vendor_scopes={"notes"})
    async def get(api: Upstream, what: OfNote) -> Note:
        """Read a note."""
        return api.read(Note, await api.get(path + "/{id}", what))

    @toy.action("note.list", scopes={"toy:note:read"}, effect=Effect.READ, resource=BOX, vendor_scopes={"notes"})
    async def listed(api: Upstream, query: ListNotes) -> Page[PublicNote]:
        """List the notes of a box."""
        response = await api.get(path, query, params={"start": query.cursor, "size": query.limit})
        found = api.read(_Notes, response)
        return Page[PublicNote](items=found.items, next_cursor=found.next)

    @toy.action("note.walk", scopes={"toy:note:read"}, effect=Effect.READ, resource=BOX, vendor_scopes={"notes"})
    async def walked(api: Upstream, query: WalkNotes) -> Page[PublicNote]:
        """List the notes of a box, as many on a page as the shop likes."""
        found = api.read(_Notes, await api.get(path, query, params={"start": query.cursor, "size": 1}))
        return Page[PublicNote](items=found.items, next_cursor=found.next)

    @toy.action(
        "note.create",
        scopes={"toy:note:write"},
        effect=Effect.CREATE,
        resource=BOX,
        vendor_scopes={"notes"},
        idempotency=Unknowable("the shop cannot tell"),
        undo=Undo("toy.note.delete"),
        examples=[{"box": "red", "text": "Hello"}],
    )
    async def create(api: Upstream, new: NewNote) -> PublicNote:
        """Write a note."""
        sent = new.model_dump(include={"text", "owner"}, exclude_none=True)
        return api.read(PublicNote, await api.post(path, new, json=sent))

    @toy.action(
        "note.update",
        scopes={"toy:note:write"},
        effect=Effect.UPDATE,
        resource=BOX,
        vendor_scopes={"notes"},
        idempotency=Safe("the same text twice is the same text"),
        undo=Undo("toy.note.update"),
        sensitive={"pin"},
    )
    async def update(api: Upstream, changed: ChangedNote) -> PublicNote:
        """Change a note."""
        sent = changed.model_dump(include={"text", "pin"}, exclude_none=True)
        return api.read(PublicNote, await api.put(path + "/{id}", changed, json=sent))

    @toy.action(
        "note.delete",
        scopes={"toy:note:delete"},
        effect=Effect.DELETE,
        resource=BOX,
        vendor_scopes={"notes"},
        idempotency=Safe("gone is gone"),
        undo=Irreversible("it is gone"),
    )
    async def delete(api: Upstream, what: OfNote) -> Done:
        """Throw a note away."""
        try:
            await api.delete(path + "/{id}", what)
        except UpstreamNotFound:
            return Done()
        return Done()

    @toy.action(
        "note.tag",
        scopes={"toy:note:write"},
        effect=Effect.UPDATE,
        resource=BOX,
        vendor_scopes={"notes"},
        idempotency=Safe("tags are a set"),
        undo=Irreversible("tags stay"),
        records="ids",
    )
    async def tag(api: Upstream, what: Tagged) -> Done:
        """Tag several notes."""
        await api.post("/boxes/{box}/tags", what, json={"ids": what.ids, "tag": what.tag})
        return Done()


def _places(toy: Connector) -> None:
    @toy.action(
        "note.search",
        scopes={"toy:note:read"},
        effect=Effect.READ,
        resource=Searched(_narrowed, lambda note: note.box.lower(), str.lower),
        vendor_scopes={"notes"},
    )
    async def search(api: Upstream, query: SearchNotes) -> Page[PublicNote]:
        """Search notes in all boxes."""
        params = {"q": query.q, "trusting": "1" if query.trusting else None}
        return Page[PublicNote](items=api.read(_Notes, await api.get("/search", params=params)).items)

    @toy.action(
        "note.find",
        scopes={"toy:note:read"},
        effect=Effect.READ,
        resource=Located(_box_of, str.lower),
        vendor_scopes={"notes"},
    )
    async def find(api: Upstream, what: OneId) -> PublicNote:
        """Read a note by its id alone."""
        return api.read(PublicNote, await api.get("/notes/{id}", what))

    @toy.action(
        "note.rewrite",
        scopes={"toy:note:write"},
        effect=Effect.UPDATE,
        resource=Located(_box_of, str.lower),
        vendor_scopes={"notes"},
        idempotency=Safe("the same text twice is the same text"),
        undo=Irreversible("the old text is gone"),
    )
    async def rewrite(api: Upstream, what: Moved) -> PublicNote:
        """Rewrite a note by its id alone."""
        return api.read(PublicNote, await api.put("/notes/{id}/box", what, json={"text": what.text}))

    @toy.action(
        "note.count",
        scopes={"toy:note:read"},
        effect=Effect.READ,
        resource=Unbound("it concerns the shop"),
        vendor_scopes={"notes"},
    )
    async def count(api: Upstream, what: Count) -> Page[PublicNote]:
        """Give as many notes as are asked for."""
        found = api.read(_Notes, await api.get("/big", params={"count": what.count, "size": what.size}))
        return Page[PublicNote](items=found.items)


def _orders(toy: Connector) -> None:
    native = Native("Toy-Idempotency", window=timedelta(hours=24))

    @toy.action(
        "order.create",
        scopes={"toy:order:write"},
        effect=Effect.CREATE,
        resource=Unbound("an order"),
        vendor_scopes={"orders"},
        idempotency=native,
        undo=Irreversible("it is ordered"),
    )
    async def order(api: Upstream, new: NewOrder) -> Order:
        """Order something."""
        return api.read(Order, await api.post("/orders", json={"item": new.item}))

    @toy.action(
        "order.bill",
        scopes={"toy:order:write"},
        effect=Effect.CREATE,
        resource=Unbound("an order"),
        vendor_scopes={"orders"},
        idempotency=native,
        undo=Irreversible("it is ordered"),
    )
    async def bill(api: Upstream, new: NewOrder) -> Order:
        """Order something and have it billed: two effects."""
        made = api.read(Order, await api.post("/orders", json={"item": new.item}, step="order"))
        await api.post("/invoices", json={"order": made.id}, step="invoice")
        return made

    @toy.action(
        "order.build",
        scopes={"toy:order:write"},
        effect=Effect.CREATE,
        resource=Unbound("orders have no place"),
        vendor_scopes={"orders"},
        idempotency=Native("Toy-Idempotency", timedelta(hours=1)),
        undo=Irreversible("no"),
        custom=CustomFields(
            "fields", read=_own_fields, kind=lambda what: str(what.kind), vendor_scopes=frozenset({"own"})
        ),
    )
    async def build(api: Upstream, new: Built) -> Order:
        """Order something with fields of the shop's own."""
        return api.read(Order, await api.post("/orders", json={"item": new.item, "fields": new.fields}))


def _out_of_house(toy: Connector) -> None:
    @toy.action(
        "mail.send",
        scopes={"toy:mail:write"},
        effect=Effect.SEND,
        resource=Unbound("mail"),
        vendor_scopes={"mail"},
        idempotency=Unknowable("mail is gone when it is gone"),
        undo=Irreversible("mail cannot be called back"),
        recipients=("to", "cc"),
    )
    async def send(api: Upstream, new: NewMail) -> Sent:
        """Send a mail."""
        return api.read(Sent, await api.post("/mails", json=new.model_dump(exclude_none=True)))

    @toy.action(
        "mail.broadcast",
        scopes={"toy:mail:write"},
        effect=Effect.SEND,
        resource=Unbound("mail"),
        vendor_scopes={"mail"},
        idempotency=Unknowable("mail is gone when it is gone"),
        undo=Irreversible("mail cannot be called back"),
    )
    async def broadcast(api: Upstream, new: Broadcast) -> Sent:
        """Send a mail to everybody."""
        return api.read(Sent, await api.post("/mails", json={"text": new.text}))

    @toy.action(
        "payment.create",
        scopes={"toy:payment:write"},
        effect=Effect.PAY,
        resource=Unbound("money"),
        vendor_scopes={"payments"},
        idempotency=Unknowable("the bank cannot tell"),
        undo=Irreversible("paid is paid"),
        amount="amount",
    )
    async def pay(api: Upstream, new: NewPayment) -> Paid:
        """Pay an amount."""
        return api.read(Paid, await api.post("/payments", json=new.model_dump()))

    @toy.action(
        "payment.refund",
        scopes={"toy:payment:write"},
        effect=Effect.PAY,
        resource=Unbound("money"),
        vendor_scopes={"payments"},
        idempotency=Unknowable("the bank cannot tell"),
        undo=Irreversible("paid is paid"),
    )
    async def refund(api: Upstream, new: Refund) -> Paid:
        """Pay back whatever was paid."""
        return api.read(Paid, await api.post("/payments", json=new.model_dump()))

    @toy.action(
        "key.create",
        scopes={"toy:key:write"},
        effect=Effect.PROVISION,
        resource=Unbound("keys"),
        vendor_scopes={"keys"},
        idempotency=Unknowable("a key is shown once"),
        undo=Irreversible("revoke it by hand"),
    )
    async def key(api: Upstream, new: Named) -> Key:
        """Make a key, shown once."""
        return api.read(Key, await api.post("/keys", json={"name": new.name}))

    @toy.action(
        "member.invite",
        scopes={"toy:member:write"},
        effect=Effect.PROVISION,
        resource=Unbound("members"),
        vendor_scopes={"members"},
        idempotency=Safe("a member is a member"),
        undo=Irreversible("by hand"),
        sensitive={"password"},
    )
    async def invite(api: Upstream, who: Who) -> Done:
        """Let somebody in."""
        await api.post("/mails", json={"text": who.login})
        return Done()


def _files(toy: Connector) -> None:
    @toy.action(
        "file.link", scopes={"toy:file:read"}, effect=Effect.READ, resource=Unbound("files"), vendor_scopes={"files"}
    )
    async def link(api: Upstream, what: Named) -> Link:
        """Return a signed link to a file."""
        return api.read(Link, await api.get("/links/{name}", what))

    @toy.action(
        "file.get", scopes={"toy:file:read"}, effect=Effect.READ, resource=Unbound("files"), vendor_scopes={"files"}
    )
    async def download(api: Upstream, what: Named) -> StoredFile:
        """Download a file, which the shop keeps behind a redirect."""
        response = await api.get("/files/{name}", what, download=True)
        return await api.save(response.body, response.headers.get("content-type", "application/octet-stream"))

    @toy.action(
        "file.put",
        scopes={"toy:file:write"},
        effect=Effect.CREATE,
        resource=Unbound("files"),
        vendor_scopes={"files"},
        idempotency=Unknowable("the shop cannot tell"),
        undo=Irreversible("it stays"),
    )
    async def put(api: Upstream, what: Attached) -> Sent:
        """Upload a file."""
        content = await api.load(what.file)
        headers = {"content-type": content.media_type}
        return api.read(
            Sent, await api.post("/mails", json=None, body=b'{"n":%d}' % len(content.content), headers=headers)
        )

    @toy.action(
        "file.document",
        scopes={"toy:file:read"},
        effect=Effect.READ,
        resource=Unbound("files"),
        vendor_scopes={"files"},
    )
    async def document(api: Upstream, what: Size) -> Document:
        """Return a long text."""
        return api.read(Document, await api.get("/document", params={"size": what.size}))

    async def find_parcel(api: Upstream, new: NewParcel) -> Parcel | None:
        found = api.read(_Uploads, await api.get("/uploads")).items
        return next((one for one in found if (one.name, one.attached) == (new.name, new.to)), None)

    @toy.action(
        "parcel.send",
        scopes={"toy:file:write"},
        effect=Effect.CREATE,
        resource=Unbound("files"),
        vendor_scopes={"files"},
        idempotency=Reconcile(find_parcel, settle=SETTLE, consistent=True),
        undo=Irreversible("it is away"),
    )
    async def parcel(api: Upstream, new: NewParcel) -> Parcel:
        """Upload, then attach: two effects."""
        made = api.read(Parcel, await api.post("/uploads", json={"name": new.name}, step="upload"))
        path = "/uploads/{id}/attach"
        return api.read(Parcel, await api.post(path, {"id": made.id}, json={"to": new.to}, step="attach"))


def _repeats(toy: Connector) -> None:
    async def find_label(api: Upstream, new: NewLabel) -> Label | None:
        try:
            found = api.read(Label, await api.get("/labels/{name}", new))
        except UpstreamNotFound:
            return None
        if found.color == "repainted":
            raise OutcomeUnknown("Somebody has painted the label since.")
        return found if found.color == new.color else None

    @toy.action(
        "label.create",
        scopes={"toy:label:write"},
        effect=Effect.CREATE,
        resource=Unbound("labels"),
        vendor_scopes={"labels"},
        idempotency=NaturalKey(("name",), find_label),
        undo=Irreversible("labels stay"),
    )
    async def label(api: Upstream, new: NewLabel) -> Label:
        """Make a label; names are unique."""
        return api.read(Label, await api.post("/labels", json=new.model_dump()))

    async def find_copy(api: Upstream, new: NewCopy) -> Copy | None:
        response = await api.get("/copies")
        for item in response.json()["items"]:
            if api.comment in item["text"]:
                return Copy(id=item["id"], text=strip_markers(item["text"]))
        return None

    def copies(name: str, *, consistent: bool) -> None:
        @toy.action(
            name,
            scopes={"toy:copy:write"},
            effect=Effect.CREATE,
            resource=Unbound("copies"),
            vendor_scopes={"copies"},
            idempotency=Reconcile(find_copy, settle=SETTLE, consistent=consistent),
            undo=Irreversible("copies stay"),
        )
        async def copy(api: Upstream, new: NewCopy) -> Copy:
            """Copy a text."""
            return api.read(Copy, await api.post("/copies", json={"text": api.mark(new.text)}))

    copies("copy.create", consistent=True)
    copies("copy.queue", consistent=False)


def _odd(toy: Connector) -> None:
    @toy.action(
        "odd.wait",
        scopes={"toy:odd:read"},
        effect=Effect.READ,
        resource=Unbound("odd"),
        vendor_scopes={"odd"},
        deadline=timedelta(seconds=0.4),
    )
    async def wait(api: Upstream, what: Named) -> _Me:
        """Read with little patience."""
        del what
        return api.read(_Me, await api.get("/me"))

    @toy.action(
        "odd.hurry",
        scopes={"toy:odd:write"},
        effect=Effect.CREATE,
        resource=Unbound("odd"),
        vendor_scopes={"odd"},
        idempotency=Unknowable("the shop cannot tell"),
        undo=Irreversible("no"),
        deadline=timedelta(seconds=0.4),
    )
    async def hurry(api: Upstream, what: Named) -> Sent:
        """Write with little patience."""
        return api.read(Sent, await api.post("/mails", json={"name": what.name}))

    @toy.action("odd.fail", scopes={"toy:odd:read"}, effect=Effect.READ, resource=Unbound("odd"), vendor_scopes={"odd"})
    async def fail(api: Upstream, what: Status) -> Done:
        """Be answered with a status."""
        await api.get("/fail/{status}", what)
        return Done()

    @toy.action(
        "odd.refuse",
        scopes={"toy:odd:write"},
        effect=Effect.UPDATE,
        resource=Unbound("odd"),
        vendor_scopes={"odd"},
        idempotency=Safe("it never works"),
        undo=Irreversible("no"),
    )
    async def refuse(api: Upstream, what: Status) -> Done:
        """Have a write answered with a status."""
        await api.post("/fail/{status}", what, json={})
        return Done()

    @toy.action(
        "odd.stumble",
        scopes={"toy:odd:write"},
        effect=Effect.CREATE,
        resource=Unbound("odd"),
        vendor_scopes={"odd"},
        idempotency=Unknowable("the shop cannot tell"),
        undo=Irreversible("no"),
    )
    async def stumble(api: Upstream, what: Named) -> Sent:
        """Send, then fail by a fault of the connector."""
        answer = await api.post("/mails", json={"name": what.name})
        return Sent(id=answer.json()["not there"])

    @toy.action(
        "odd.trip",
        scopes={"toy:odd:write"},
        effect=Effect.CREATE,
        resource=Unbound("odd"),
        vendor_scopes={"odd"},
        idempotency=Unknowable("the shop cannot tell"),
        undo=Irreversible("no"),
    )
    async def trip(api: Upstream, what: Named) -> Sent:
        """Fail by a fault of the connector before anything is sent."""
        del api
        raise KeyError(what.name)
