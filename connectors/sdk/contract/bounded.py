"""Checks of bounds: what a grant keeps out however it is spelled, what is too large, pages that go in a circle."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import orjson

from connectors.sdk.action import Action
from connectors.sdk.contract.check import EVER, Answered, Subject
from connectors.sdk.facts import Located, Resource
from connectors.sdk.path import fields_of

_LARGE = 1024 * 1024
_DEEP = 65
_MOST_PAGES = 8
_MOST_REQUESTS = 60
_REFUSALS = frozenset(
    {"constraint_denied", "invalid_input", "upstream_rejected", "upstream_not_found", "upstream_forbidden"}
)


def has_resource(action: Action) -> bool:
    """Whether a grant can name what the action concerns by its input."""
    return isinstance(action.resource, Resource | Located)


async def refuses_aliases(subject: Subject) -> Sequence[str]:
    """No spelling of a resource reaches it past a grant on another, and a grant on it reaches nothing else."""
    name = subject.action.name
    await subject.bench.bind("*")
    previewed = await subject.bench.preview(name, subject.value, key="contract-bound", who="bound")
    identity = previewed.body.get("resource")
    if not isinstance(identity, str):
        return [f"its preview names no resource: {previewed.status} {previewed.code}"]
    await subject.bench.bind(identity)
    subject = await subject.again()
    plain = await subject.run(who="bound")
    if plain.status != 200:
        return [f"a grant on {identity} answers {plain.status} {plain.code}: look at its `canonical`"]
    sent = _target(subject)
    wrong: list[str] = []
    for spelled in _spellings(subject, sent):
        wrong += await _through(subject, spelled, sent, identity)
    for known in subject.bench.aliases().get(name, ()):
        wrong += await _known(subject, known, identity)
    return wrong


async def _through(subject: Subject, spelled: Mapping[str, Any], sent: str, identity: str) -> Sequence[str]:
    """Try a spelling that the vendor may take for something else."""
    wrong = await _walled(subject, spelled)
    again = await subject.again()
    answered = await again.bench.run(again.action.name, {**again.value, **spelled}, who="bound")
    # Where the resource is read at the vendor, under this very spelling, the vendor has said where it leads.
    declared = isinstance(again.action.resource, Resource)
    if declared and answered.status == 200 and _target(again).casefold() != sent.casefold():
        wrong.append(
            f"{_shown(spelled)} passes a grant on {identity}, and {_target(again)} was asked: let `canonical` join "
            "only what the vendor takes for the same"
        )
    if answered.status != 200 and (answered.code not in _REFUSALS or again.simulator.applied):
        wrong.append(f"{_shown(spelled)} answers {answered.status} {answered.code}: bound the field with a pattern")
    return wrong


async def _known(subject: Subject, spelled: Mapping[str, Any], identity: str) -> Sequence[str]:
    """Try a spelling that the vendor is known to take for the same."""
    wrong = await _walled(subject, spelled)
    again = await subject.again()
    answered = await again.bench.run(again.action.name, {**again.value, **spelled}, who="bound")
    if answered.status != 200:
        wrong.append(f"{_shown(spelled)} is {identity}, and answers {answered.code}: let `canonical` know it")
    return wrong


async def _walled(subject: Subject, spelled: Mapping[str, Any]) -> list[str]:
    again = await subject.again()
    answered = await again.bench.run(again.action.name, {**again.value, **spelled}, who="walled")
    if again.simulator.applied or (answered.status == 200 and not _empty(answered)):
        return [f"{_shown(spelled)} passes a grant on another resource: look at its `resource`"]
    if isinstance(again.action.resource, Resource) and again.simulator.received:
        return [f"{_shown(spelled)} was sent under a grant on another resource: look at its `resource`"]
    return []


def _spellings(subject: Subject, sent: str) -> Iterator[Mapping[str, Any]]:
    """Yield the input's fields that name the resource, each spelled otherwise."""
    fact = subject.action.resource
    named = fields_of(fact.template) if isinstance(fact, Resource) else tuple(subject.value)
    parts = {part.casefold() for part in unquote(sent).split("/")}
    for name in named:
        value = subject.value.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int):
            continue
        if isinstance(fact, Resource) or str(value).casefold() in parts:
            yield from ({name: other} for other in _others(value))


def _others(value: str | int) -> Iterator[object]:
    """Yield what a careless reader takes for the same value."""
    text = str(value)
    if isinstance(value, int):
        yield from (text, f"0{text}", float(value))
        return
    wide = chr(ord(text[0]) + 0xFEE0) if "!" <= text[0] <= "~" else text[0]
    found = {
        text.upper(),
        text.lower(),
        text.swapcase(),
        f"%{ord(text[0]):02X}{text[1:]}",
        f"{text}.",
        f"{text}/",
        f"{text}/.",
        f"./{text}",
        f"{text}%2F",
        f"{text} ",
        f" {text}",
        f"{text}\u200b",
        f"{text}%00",
        f"{wide}{text[1:]}",
        f"0{text}",
    }
    yield from sorted(found - {text})


def _target(subject: Subject) -> str:
    """Return the path of what decides where a call goes: its effect, or else its last request, decoded."""
    applied, received = subject.simulator.applied, subject.simulator.received
    if applied:
        return unquote(applied[0].path)
    return unquote(received[-1].path.partition("?")[0]) if received else ""


def _empty(answered: Answered) -> bool:
    return bool(answered.body["output"].get("items") == [])


def _shown(spelled: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in spelled.items())


async def refuses_oversize(subject: Subject) -> Sequence[str]:
    """An input over 1 MiB or 64 levels is refused before anything is sent."""
    wrong: list[str] = []
    deep = b'{"x":' + b"[" * _DEEP + b"]" * _DEEP + b"}"
    large = orjson.dumps({**subject.value, "padding": "a" * _LARGE})
    for body, code in ((large, "payload_too_large"), (deep, "malformed_request")):
        answered = await subject.bench.send(subject.action.name, body)
        if answered.code != code:
            wrong.append(f"an oversize input answers {answered.status} {answered.code} instead of {code}")
    if subject.simulator.received:
        wrong.append("an oversize input was sent")
    return wrong


async def ends_a_circle(subject: Subject) -> Sequence[str]:
    """Pages that go in a circle end with an error, for the agent that follows them and for a handler that does."""
    subject.fault("loop", times=EVER)
    page: dict[str, Any] = dict(subject.value)
    if "limit" in subject.action.input.model_fields:
        page["limit"] = 1
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        asked = page if cursor is None else {**page, "cursor": cursor}
        answered = await subject.bench.run(subject.action.name, asked)
        if len(subject.simulator.received) > _MOST_REQUESTS:
            return ["it reads pages that go in a circle without end: bound its walk"]
        if answered.status != 200:
            ended = answered.code == "upstream_invalid_response"
            return [] if ended else [f"pages in a circle end with {answered.status} {answered.code}"]
        cursor = answered.body["output"].get("next_cursor")
        if cursor is None:
            return []
    return [f"it gave {_MOST_PAGES} pages of a circle: return the vendor's own cursor as `next_cursor`, unchanged"]


async def refuses_a_misfit(subject: Subject) -> Sequence[str]:
    """An answer of another shape is `upstream_invalid_response` with a pointer, and the raw one is on record."""
    subject.fault("misfit")
    answered = await subject.run()
    if answered.status == 200:
        done = subject.action.writes and len(subject.simulator.applied) >= max(len(subject.effects), 1)
        if done or answered.body["output"] == {"done": True}:
            return []
        return ["an answer of another shape was taken for the output: give its model the fields that the vendor owes"]
    if answered.code != "upstream_invalid_response":
        return [f"an answer of another shape answers {answered.code}: type it with `api.read`"]
    if not answered.body.get("errors"):
        return ["an answer of another shape is refused without a pointer: type it with `api.read`"]
    return await _raw_is_kept(subject, answered)


async def _raw_is_kept(subject: Subject, answered: Answered) -> Sequence[str]:
    events = await subject.bench.record(answered)
    kept = [event["data"] for event in events if event["type"] == "upstream_response"]
    if any("unfitting" in str(data.get("body")) or "body_withheld" in data for data in kept):
        return []
    return ["the answer that could not be read is not on record"]
