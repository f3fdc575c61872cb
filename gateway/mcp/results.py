"""What a tool's call is answered with: the output twice, as text and as structure, or the problem as a result.

A tool that declares an output schema is answered by the output itself, and what is known of the call beside it stands
in `_meta`; every other tool by the whole call. Where the promised output is missing (the call failed, waits, was only
shadowed) the result is an error, because clients check good results against the schema.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from connectors.sdk.errors import ActionError
from gateway.answers import problem
from gateway.call import Answer
from gateway.output import inline

CALL, PROBLEM = "gatehouse/call", "gatehouse/problem"
# A model reads this; the rest is paged through.
MOST_BYTES = 64 * 1024
_SAYS = {
    "pending_approval": "This call waits for a person's approval and has not run. Look again with get_call.",
    "queued": "This call waits for its turn. Look again with get_call.",
    "running": "This call goes on. Look again with get_call.",
    "shadowed": "This agent only shadows: nothing was sent. What would have been sent stands under `shadow`.",
}


def of_answer(answer: Answer, *, promised: bool) -> dict[str, Any]:
    """Return the result of an action's call. `promised` says that its tool declares an output schema."""
    if answer.status >= 400:
        return of_problem(answer.body)
    body = inline(answer.body, MOST_BYTES)
    status, output = str(body["status"]), body.get("output")
    notes = [_SAYS[status]] if status in _SAYS else []
    if "truncated" in body:
        notes.append(_how_to_read_on(body))
    if not promised:
        return _result(body, notes)
    known = {name: value for name, value in body.items() if name != "output"}
    if output is None:
        return _result(None, notes, text=known, error=True, meta={CALL: known})
    return _result(output, notes, meta={CALL: known})


def of_value(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of one of the gateway's own tools."""
    body = inline(value, MOST_BYTES) if "output" in value and "id" in value else value
    status = str(body.get("status"))
    notes = [_SAYS[status]] if status in _SAYS else []
    return _result(body, notes + ([_how_to_read_on(body)] if "truncated" in body else []))


def of_error(error: ActionError) -> dict[str, Any]:
    """Return the result of a call that was refused before it was one."""
    return of_problem(problem(error))


def of_problem(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a problem document as a result: a model reads it and does better."""
    return _result(None, [], text=body, error=True, meta={PROBLEM: body})


def _result(
    structured: Any,
    notes: list[str],
    *,
    text: object = None,
    error: bool = False,
    meta: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    said = [orjson.dumps(structured if structured is not None else text).decode(), *notes]
    result: dict[str, Any] = {
        "content": [{"type": "text", "text": part} for part in said],
        "isError": error,
        "resultType": "complete",
    }
    if structured is not None:
        result["structuredContent"] = structured
    return result | ({"_meta": dict(meta)} if meta else {})


def _how_to_read_on(body: Mapping[str, Any]) -> str:
    cut = body["truncated"]
    if "total" in cut:
        shown = f"These are {cut['returned']} of {cut['total']} items."
    else:
        shown = f"The output has {cut['bytes']} bytes, which is too much to show at once."
    arguments = orjson.dumps({"call": body["id"], "pointer": cut["pointer"]}).decode()
    return f"{shown} Read all page by page with get_call {arguments}."
