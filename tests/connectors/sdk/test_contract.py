"""The contract suite over a connector that keeps it, and over the same one with one thing broken for each check."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from pydantic import ConfigDict, Field

import connectors.sdk.contract.suite as suite
import gateway.body
import gateway.contract
from connectors.sdk import (
    Connector,
    Done,
    Input,
    Output,
    Page,
    Reconcile,
    Resource,
    Safe,
    SecretText,
    Throttled,
    Upstream,
    UpstreamConflict,
    UpstreamProblem,
)
from connectors.sdk.action import Action
from connectors.sdk.connector import DEFAULT_ERRORS
from connectors.sdk.contract import ALL, Finding
from connectors.sdk.contract.source import source_faults
from connectors.sdk.errors import ActionError, ConnectionUnhealthy
from gateway.contract import bench_of
from tests.connectors.sdk.toys import connector as good
from tests.connectors.sdk.toys.connector import NOTE, NOTES, Link, Note, Notes, OneNote, toys
from tests.connectors.sdk.toys.simulator import cases
from tests.connectors.sdk.toys.simulator.server import ToysSimulator

Patch = pytest.MonkeyPatch


@dataclass
class Breakage:
    """One thing that is broken: facts of an action, members of the connector, or anything else by `patch`."""

    check: str
    action: str
    says: str
    facts: dict[str, Any] = field(default_factory=dict)
    members: dict[str, Any] = field(default_factory=dict)
    patch: Callable[[Patch], object] = lambda patch: None


def broken(breakage: Breakage) -> Connector:
    made = Connector.__new__(Connector)
    made.__dict__.update(toys.__dict__)
    made.__dict__.update(breakage.members)
    real = toys.actions[breakage.action]
    facts = {name: getattr(real, name) for name in Action.__dataclass_fields__}
    made.actions = {breakage.action: Action(**{**facts, **breakage.facts})}
    return made


async def findings(connector: Connector, check: str) -> list[Finding]:
    chosen = [one for one in ALL if one.name == check]
    async with bench_of(connector) as bench:
        return (await suite.run_suite(bench, checks=chosen)).findings


async def terse(api: Upstream, what: good.ByNumber) -> Note:
    """Go."""
    return await good.get_note(api, what)


class Bare(Input):
    number: int = Field(ge=1)


class AnyBox(good.PageQuery):
    box: str = Field(max_length=40, description="Name of the box.")


class Loose(Input):
    model_config = ConfigDict(extra="ignore", strict=True)
    number: int = Field(ge=1, description="The note's number.")


async def twice(api: Upstream, what: OneNote) -> Link:
    """Publish a note and name neither of the two effects."""
    await api.patch(NOTE, what, json={"public": True})
    return api.read(Link, await api.post(NOTE + "/links", what, json={}))


async def forgiving(api: Upstream, what: OneNote) -> Done:
    """Delete a note, and take a conflict for a success."""
    try:
        return api.done(await api.delete(NOTE, what))
    except UpstreamConflict:
        return Done()


async def hopeful(api: Upstream, what: OneNote) -> Done:
    """Delete a note, and take any failure for a success."""
    try:
        return api.done(await api.delete(NOTE, what))
    except ActionError:
        return Done()


async def careless(api: Upstream, what: OneNote) -> Done:
    """Delete a note and believe whatever is answered."""
    await api.delete(NOTE, what)
    return Done()


async def stubborn(api: Upstream, what: OneNote) -> Done:
    """Delete a note, and hide that the credential is no longer any good."""
    try:
        return api.done(await api.delete(NOTE, what))
    except ConnectionUnhealthy as error:
        raise UpstreamConflict("Try again.") from error


async def first_page(api: Upstream, query: good.ListNotes) -> Page[Note]:
    """List the first page of notes and say that there are no others."""
    found = await good.list_notes(api, query)
    return Page[Note](items=found.items)


async def dicey(api: Upstream, new: good.NewNote) -> Note:
    """Write a note with a number that nobody has seen before."""
    return api.read(Note, await api.post(NOTES, new, json={"text": new.text, "lot": secrets.token_hex(4)}))


class Anything(Output):
    id: str = ""


async def credulous(api: Upstream, what: good.ByNumber) -> Anything:
    """Read a note of which every field may be missing."""
    return api.read(Anything, await api.get("/numbers/{number}", what))


class BareLink(Output):
    link: SecretText


async def publish_barely(api: Upstream, what: OneNote) -> BareLink:
    """Publish a note, and do not say what its link is for."""
    return BareLink(link=(await good.publish_note(api, what)).link)


async def half_published(api: Upstream, what: OneNote) -> Link | None:
    """Look at the first effect alone."""
    return Link(link="?") if api.read(Note, await api.get(NOTE, what)).public else None


async def tireless(api: Upstream, query: good.ListNotes) -> Page[Note]:
    """List all notes of a box, page by page and as long as the vendor has a next one."""
    items: list[Note] = []
    for page in count():
        response = await api.get(NOTES, query, params={"limit": 1, "after": page})
        found = api.read(Notes, response)
        items += found.notes
        if found.next is None:
            break
    return Page[Note](items=items)


def keyless(patch: Patch) -> None:
    """Let every repeat have a key of its own."""
    send, numbers = gateway.contract.ContractBench._post, count()

    async def other(self: Any, path: str, body: bytes, key: str, who: Any) -> Any:
        return await send(self, path, body, f"{key}-{next(numbers)}", who)

    patch.setattr(gateway.contract.ContractBench, "_post", other)


def by_hand(patch: Patch) -> None:
    """Let the connector's package be another, with a path that is put together."""
    code = "async def get(api, what):\n    return await api.get('/notes/' + what.note)\n"
    faults = {READ: source_faults(code)}
    patch.setattr("connectors.sdk.contract.declared.package_faults", lambda package: faults)


def unstable(patch: Patch) -> None:
    """Let every world's case name another note than the one before."""
    arrange, numbers = cases.arrange, count()

    def other(simulator: ToysSimulator) -> dict[str, dict[str, Any]]:
        return arrange(simulator) | {DELETE: {"box": "team", "note": f"n{1 + next(numbers) % 3}"}}

    patch.setattr(cases, "arrange", other)


READ, NEW, DELETE, PUBLISH, LIST = (f"toys.note.{verb}" for verb in ("get", "create", "delete", "publish", "list"))
ONCE_MORE = {"idempotency": Safe("so I believe")}
BREAKAGES = [
    Breakage("documented", READ, "say in a sentence", {"handler": terse}),
    Breakage("scoped", NEW, "declare a write", {"scopes": frozenset({"toys:note:read"})}),
    Breakage("typed", READ, "give it Field(description", {"input": Bare}),
    Breakage("examples", NEW, "is no valid input", {"examples": ({"nope": 1},)}),
    Breakage("source", READ, "write the path as a template", patch=by_hand),
    Breakage("succeeds", PUBLISH, "give each a `step=`", {"handler": twice}),
    Breakage(
        "succeeds",
        NEW,
        "call.applied()",
        patch=lambda p: p.setattr("connectors.sdk.simulator.Call.applied", lambda self: None),
    ),
    Breakage("unknown fields", READ, "derive its input from `Input`", {"input": Loose}),
    Breakage("mapped errors", DELETE, "a 409 answers 200", {"handler": forgiving}),
    Breakage("mapped errors", READ, "read its error body", members={"_problem": lambda r: UpstreamProblem(r.status)}),
    Breakage("paging", LIST, "page by page it gives 1 items", {"handler": first_page}),
    Breakage(
        "throttling",
        NEW,
        "tell it in the connector's `throttled`",
        members={"_throttled": lambda r, now: None, "_errors": {**DEFAULT_ERRORS, 429: UpstreamConflict}},
    ),
    Breakage(
        "waits",
        NEW,
        "asks for 7 s, and 2.0 s were waited",
        members={"_throttled": lambda r, now: Throttled(2, "too many") if r.status == 429 else None},
    ),
    Breakage("repeats", NEW, "was sent again", patch=keyless),
    Breakage("credential", DELETE, "let `ConnectionUnhealthy` through", {"handler": stubborn}),
    Breakage(
        "credential",
        DELETE,
        "return one from `consent`",
        patch=lambda p: p.setattr(ToysSimulator, "consent", lambda self: None),
    ),
    Breakage("preview", NEW, "build bodies from the input alone", {"handler": dicey}),
    Breakage(
        "resources",
        NEW,
        "look at its `resource`",
        {"resource": Resource("{box}", canonical=lambda identity: "zz-elsewhere")},
    ),
    Breakage(
        "aliases",
        NEW,
        "passes a grant on another resource",
        {"resource": Resource("{box}", canonical=lambda identity: "zz-elsewhere")},
    ),
    Breakage("aliases", LIST, "let `canonical` know it", {"resource": Resource("{box}")}),
    Breakage(
        "aliases",
        LIST,
        "join only what the vendor takes for the same",
        {"input": AnyBox, "resource": Resource("{box}", canonical=lambda identity: identity.lower().strip(" ."))},
    ),
    Breakage(
        "oversize", NEW, "instead of malformed_request", patch=lambda p: p.setattr(gateway.body, "MAX_DEPTH", 1000)
    ),
    Breakage("secrets", PUBLISH, "give it Field(description", {"handler": publish_barely, "output": BareLink}),
    Breakage("lost request", DELETE, "answered as done and not applied", {"handler": hopeful}),
    Breakage("lost answer", PUBLISH, "it was applied", ONCE_MORE),
    Breakage("each step", PUBLISH, "1 of 2 effects", {"idempotency": Reconcile(half_published, good.SETTLE, True)}),
    Breakage("half an answer", PUBLISH, "it was applied", ONCE_MORE),
    Breakage("server error", DELETE, "answered as done and not applied", {"handler": hopeful}),
    Breakage("web page", DELETE, "a web page was taken for success", {"handler": careless}),
    Breakage("misfit", READ, "give its model the fields", {"handler": credulous, "output": Anything}),
    Breakage("endless answer", PUBLISH, "it was applied", ONCE_MORE),
    Breakage("circle", LIST, "bound its walk", {"handler": tireless}),
    Breakage("redirect", DELETE, "a redirect was taken for success", {"handler": forgiving}),
    Breakage("lost answer", DELETE, "make the same world every time", patch=unstable),
]


async def test_the_toy_connector_keeps_the_whole_contract() -> None:
    report = await gateway.contract.check(toys)

    assert [f"{f.action}: {f.check}: {f.message}" for f in report.findings] == []
    assert report.tier == "gold"


def test_every_check_is_broken_by_one_of_the_tests_here() -> None:
    assert {check.name for check in ALL} == {breakage.check for breakage in BREAKAGES}


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda b: f"{b.check}-{b.action}".replace(" ", "_"))
async def test_the_suite_finds_what_is_broken_and_says_what_to_write(breakage: Breakage, monkeypatch: Patch) -> None:
    breakage.patch(monkeypatch)

    found = await findings(broken(breakage), breakage.check)

    assert [(f.action.partition(":")[0], f.check) for f in found[:1]] == [(breakage.action, breakage.check)]
    assert breakage.says in "; ".join(f.message for f in found)
