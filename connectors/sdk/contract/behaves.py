"""Checks of an action that goes well: what it answers, what it sends, what it leaves."""

from collections.abc import Sequence
from typing import Any, cast

import orjson
from pydantic import ValidationError

from connectors.sdk.contract.check import Subject
from connectors.sdk.model import MASK
from connectors.sdk.upstream import MARKER_PREFIX

_MOST_PAGES = 200


async def succeeds(subject: Subject) -> Sequence[str]:
    """A valid input succeeds; a write is applied once, a read leaves nothing; no marker shows."""
    answered = await subject.bench.run(subject.action.name, subject.value)
    if answered.status != 200:
        return [f"its case answers {answered.status} {answered.code}: {answered.body.get('detail')}"]
    wrong: list[str] = []
    events = await subject.bench.record(answered)
    sent = [event["data"] for event in events if event["type"] == "upstream_request" and event["data"]["effect"]]
    steps = {data.get("step", "") for data in sent}
    if len(steps) != len(sent):
        wrong.append(f"it sends {len(sent)} effects under {len(steps)} names: give each a `step=` of its own")
    applied = len(subject.simulator.applied)
    if applied != len(sent) or (applied == 0) == subject.action.writes:
        wrong.append(
            f"the simulator recorded {applied} effects of {len(sent)} that were sent; see that it calls "
            "`call.applied()` once per change, and that reads by POST say `effect=False`"
        )
    if MARKER_PREFIX.encode() in orjson.dumps(answered.body.get("output")):
        wrong.append("its output shows the gateway's marker: type answers with `api.read`")
    try:
        subject.action.output_adapter.validate_python(answered.body["output"])
    except ValidationError as error:
        wrong.append(f"its output does not fit its own schema: {str(error).splitlines()[0]}")
    return wrong


async def refuses_unknown_fields(subject: Subject) -> Sequence[str]:
    """An unknown field is refused with its pointer, and nothing is sent."""
    answered = await subject.bench.run(subject.action.name, {**subject.value, "not_a_field": 1})
    pointers = [fault.get("pointer") for fault in answered.body.get("errors", [])]
    if answered.code != "invalid_input" or "/not_a_field" not in pointers:
        return ["an unknown field is not refused: derive its input from `Input`"]
    return _nothing_sent(subject)


async def previews_what_it_sends(subject: Subject) -> Sequence[str]:
    """What preview renders is byte for byte what is sent under the same key."""
    key = "contract-preview"
    previewed = await subject.bench.preview(subject.action.name, subject.value, key=key)
    if previewed.status != 200:
        return [f"preview answers {previewed.status} {previewed.code}"]
    if subject.simulator.applied:
        return ["preview had an effect"]
    before = len(subject.simulator.received)
    answered = await subject.bench.run(subject.action.name, subject.value, key=key)
    shown = previewed.body["requests"]
    if answered.status != 200 or not shown:
        return [] if not shown else [f"after its preview the call answers {answered.status} {answered.code}"]
    # What follows the first request depends on the vendor's answers: a preview shows no more than it can know.
    for seen, sent in zip(shown, list(subject.simulator.received)[before:], strict=False):
        target = str(seen["url"]).removeprefix(subject.simulator.url)
        if (sent.method, sent.path) != (seen["method"], target):
            return [f"preview shows {seen['method']} {target}, and {sent.method} {sent.path} was sent"]
        if seen.get("body_sha256", sent.body_sha256) != sent.body_sha256:
            return ["the body that was sent is not the one that preview shows: build bodies from the input alone"]
    return []


async def pages_to_the_end(subject: Subject) -> Sequence[str]:
    """One item a page leads to the last page, with every item once."""
    bounds = subject.action.input_schema["properties"].get("limit")
    if bounds is None:
        answered = await subject.bench.run(subject.action.name, subject.value)
        ended = answered.status != 200 or answered.body["output"]["next_cursor"] is None
        return [] if ended else ["it gives a next_cursor and takes none: derive its input from `PageQuery`"]
    most = bounds["maximum"]
    whole = await subject.bench.run(subject.action.name, {**subject.value, "limit": most})
    if whole.status != 200:
        return [f"with a limit of {most} it answers {whole.status} {whole.code}"]
    wanted, found, cursor = whole.body["output"]["items"], list[Any](), None
    for _ in range(_MOST_PAGES):
        page: dict[str, Any] = {**subject.value, "limit": 1} | ({"cursor": cursor} if cursor else {})
        answered = await subject.bench.run(subject.action.name, page)
        if answered.status != 200:
            return [f"page {len(found) + 1} answers {answered.status} {answered.code}"]
        found += answered.body["output"]["items"]
        cursor = answered.body["output"]["next_cursor"]
        if cursor is None:
            break
    if cursor is not None:
        return [f"after {_MOST_PAGES} pages there is still a next_cursor"]
    if sorted(map(orjson.dumps, found)) != sorted(map(orjson.dumps, wanted)):
        return [f"page by page it gives {len(found)} items, at once {len(wanted)}"]
    return []


async def keeps_to_its_resources(subject: Subject) -> Sequence[str]:
    """A grant on another resource refuses the call, or leaves a search nothing to find; no effect gets through."""
    answered = await subject.bench.run(subject.action.name, subject.value, who="walled")
    if subject.simulator.applied:
        return ["a grant on another resource did not keep it from having its effect: look at its `resource`"]
    if answered.status == 200 and answered.body["output"].get("items") == []:
        return []
    if answered.code in {"constraint_denied", "upstream_rejected", "upstream_not_found"}:
        return []
    return [f"a grant on another resource answers {answered.status} {answered.code}: look at its `resource`"]


async def masks_secrets(subject: Subject) -> Sequence[str]:
    """Output fields that are marked secret come masked, are described, and leave no trace in the record."""
    answered = await subject.bench.run(subject.action.name, subject.value)
    shown = [value for name, value in _members(answered.body.get("output")) if name in subject.action.secrets]
    wrong = ["a secret field is shown"] if any(value not in (None, MASK) for value in shown) else []
    for name in sorted(subject.action.secrets - _described(subject.action.output_schema)):
        wrong.append(f"secret output field {name}: give it Field(description=...) that says what it opens")
    for event in await subject.bench.record(answered):
        if event["type"] == "upstream_response" and event["data"].keys() & {"body", "body_base64"}:
            wrong.append("an answer with a secret is on record")
    return wrong


def _described(schema: object) -> set[str]:
    """Return the names of all properties of a schema that have a description."""
    found: set[str] = set()
    if isinstance(schema, dict):
        parts = cast("dict[str, Any]", schema)
        for name, field in parts.get("properties", {}).items():
            found |= {name} if "description" in field else set()
        for part in parts.values():
            found |= _described(part)
    return found


def _nothing_sent(subject: Subject) -> Sequence[str]:
    sent = len(subject.simulator.received)
    return [f"{sent} requests were sent for an input that is refused"] if sent else []


def _members(value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [pair for name, item in value.items() for pair in [(str(name), item), *_members(item)]]
    if isinstance(value, list):
        return [pair for item in value for pair in _members(item)]
    return []
