"""A vendor and its connector for the conformance suite: one action for each kind of tool that the suite calls."""

from datetime import timedelta
from typing import Any

from pydantic import Field

from connectors.sdk import (
    Account,
    Connector,
    Effect,
    Input,
    Irreversible,
    Output,
    StaticToken,
    StoredFile,
    Unbound,
    Unknowable,
    Upstream,
)
from connectors.sdk.simulator import Answer, Call, Refusal, Routes, Simulator

_PICTURE = bytes.fromhex(  # one red pixel
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)
TOKEN = "check-token-5e1f"


class Nothing(Input):
    pass


class Slow(Input):
    seconds: float = Field(default=1, ge=0, le=60)
    label: str = ""


class Named(Input):
    name: str = ""
    filename: str = ""


class Text(Output):
    text: str


class Shown(Output):
    text: str
    files: list[StoredFile]


def check_connector() -> Connector:
    """Return the connector."""
    check = Connector(
        id="check",
        title="Check",
        version="1",
        base_url="https://api.check.example",
        hosts=["api.check.example"],
        auth=[StaticToken()],
        scopes={
            "check:text:read": "Read texts.",
            "check:extra:read": "Read what is granted later.",
            "check:letter:write": "Send letters.",
        },
        account=_account,
    )

    def read(name: str, path: str, times: int = 1, scope: str = "check:text:read") -> None:
        @check.action(name, scopes={scope}, effect=Effect.READ, resource=Unbound("text"), vendor_scopes={"t"})
        async def get(api: Upstream, what: Nothing) -> Text:
            """Read a text."""
            del what
            found = [await api.get(path) for _ in range(times)]
            return api.read(Text, found[-1])

    read("text.get", "/text")
    read("extra.get", "/text", scope="check:extra:read")
    read("steps.get", "/text", times=3)
    read("failure.get", "/failure")

    @check.action(
        "slow.get",
        scopes={"check:text:read"},
        effect=Effect.READ,
        resource=Unbound("text"),
        vendor_scopes={"t"},
        deadline=timedelta(minutes=2),
    )
    async def slow(api: Upstream, what: Slow) -> Text:
        """Read a text that takes its time."""
        return api.read(Text, await api.get("/slow", params={"seconds": what.seconds}))

    def show(name: str, *paths: str) -> None:
        @check.action(
            name, scopes={"check:text:read"}, effect=Effect.READ, resource=Unbound("text"), vendor_scopes={"t"}
        )
        async def get(api: Upstream, what: Nothing) -> Shown:
            """Read files."""
            del what
            found = [await api.get(path) for path in paths]
            kept = [await api.save(one.body, one.headers["content-type"]) for one in found]
            return Shown(text="What the files show.", files=kept)

    show("picture.get", "/picture")
    show("sound.get", "/sound")
    show("document.get", "/document")
    show("album.get", "/picture", "/document")

    @check.action(
        "greeting.get", scopes={"check:text:read"}, effect=Effect.READ, resource=Unbound("text"), vendor_scopes={"t"}
    )
    async def greet(api: Upstream, whom: Named) -> Text:
        """Read a greeting."""
        del whom
        return api.read(Text, await api.get("/text"))

    @check.action(
        "letter.send",
        scopes={"check:letter:write"},
        effect=Effect.SEND,
        resource=Unbound("letter"),
        vendor_scopes={"l"},
        idempotency=Unknowable("letters have no keys"),
        undo=Irreversible("what was sent is read"),
    )
    async def send(api: Upstream, letter: Named) -> Text:
        """Send a letter."""
        return api.read(Text, await api.post("/letters", json={"name": letter.name or letter.filename}))

    check.check_references()
    return check


async def _account(api: Upstream, method: str) -> Account:
    del method
    found = api.read(Text, await api.get("/text"))
    return Account("1", found.text)


class CheckVendor(Simulator):
    """The vendor. What is slow takes the same time, however much is asked for."""

    def seed(self) -> None:
        self.faults.add({"match": "GET /slow", "fault": "late", "delay_ms": 1500, "times": 1_000_000})

    def respond(self, call: Call) -> Answer:
        if call.headers.get("authorization", "") != f"Bearer {TOKEN}":
            raise Refusal(Answer.of({"message": "bad credential"}, 401))
        found = _ROUTES.find(call.method, call.path)
        if found is None:
            raise Refusal(Answer.of({"message": "nothing here"}, 404))
        handler, call.values = found
        answer: Answer = handler(self, call)
        return answer

    def text(self, call: Call) -> Answer:
        return Answer.of({"text": "This is a simple text response for testing."})

    def greeting(self, call: Call) -> Answer:
        return Answer.of({"text": f"Hello, {call.query['name']}!"})

    def picture(self, call: Call) -> Answer:
        return Answer(200, _PICTURE, {"content-type": "image/png"})

    def sound(self, call: Call) -> Answer:
        return Answer(200, b"RIFF$\0\0\0WAVEfmt ", {"content-type": "audio/wav"})

    def document(self, call: Call) -> Answer:
        return Answer(200, b"The text of a document.", {"content-type": "text/plain"})

    def failure(self, call: Call) -> Answer:
        return Answer.of({"message": "This tool intentionally returns an error for testing"}, 422)

    def letter(self, call: Call) -> Answer:
        call.applied()
        return Answer.of({"text": f"state-ok: sent to {call.fields().get('name')}"})


_ROUTES: Routes[Any] = Routes(
    [
        ("GET", "/text", CheckVendor.text),
        ("GET", "/picture", CheckVendor.picture),
        ("GET", "/sound", CheckVendor.sound),
        ("GET", "/document", CheckVendor.document),
        ("GET", "/greeting", CheckVendor.greeting),
        ("GET", "/failure", CheckVendor.failure),
        ("GET", "/slow", CheckVendor.text),
        ("POST", "/letters", CheckVendor.letter),
    ]
)
