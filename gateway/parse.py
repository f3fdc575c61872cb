"""Stage: parse and type the input, and open a sealed cursor."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from connectors.sdk.errors import InvalidInput, Issue, MalformedRequest
from connectors.sdk.model import CursorQuery, PageQuery
from gateway import body
from gateway.call import Resolved, Typed
from gateway.cursor import Cursors
from gateway.idempotency import Idempotency
from gateway.trail import parted


class Parser:
    """Turns raw bodies into typed inputs."""

    def __init__(self, cursors: Cursors, idempotency: Idempotency) -> None:
        self._cursors = cursors
        self._idempotency = idempotency

    def parse(self, target: Resolved) -> Typed:
        """Return the typed input. Raises `MalformedRequest`, `InvalidInput` with pointers, `InvalidCursor`."""
        raw = target.call.asked.raw
        value = body.parse(raw)
        if not isinstance(value, dict):
            raise MalformedRequest("The body is not a JSON object.", hint="Send the action's input as an object.")
        target.call.value = value
        try:
            given = target.action.input.model_validate_json(raw)
        except ValidationError as error:
            raise refused_input(error) from error
        digest = body.digest(target.action.name, target.connection.id, value)
        target.call.digest = digest
        key = target.call.asked.options.key
        typed = Typed(target, value, given, digest, key, "")
        typed.marker = self._idempotency.marker(target.call.agent, key) if key else ""
        if isinstance(given, PageQuery | CursorQuery) and given.cursor is not None:
            typed.trail, plain = parted(self._cursors.open(given.cursor, cursor_binding(target, value)))
            typed.input = given.model_copy(update={"cursor": plain})
        return typed


def cursor_binding(target: Resolved, value: dict[str, Any]) -> str:
    """Return what a cursor is bound to: who asks, over which connection, for which query."""
    query = {name: item for name, item in value.items() if name != "cursor"}
    agent = target.call.agent
    return body.digest(
        agent.tenant,
        agent.environment,
        agent.id,
        target.connection.id,
        target.connection.version,
        target.action.name,
        query,
    )


def refused_input(error: ValidationError) -> InvalidInput:
    """Return the problem of an input that does not fit, with a pointer for each fault."""
    issues = issues_of(error)
    first = issues[0]
    return InvalidInput(
        f"{first.pointer}: {first.message}",
        issues=issues,
        hint="`GET /v1/actions/{action}` shows the schema of the input.",
    )


def issues_of(error: ValidationError) -> list[Issue]:
    """Return the faults of what does not fit a model, at most 50, each with a pointer."""
    return [_issue(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors(include_url=False)[:50]]


def _issue(loc: Sequence[int | str], kind: str, message: str) -> Issue:
    pointer = "".join("/" + body.escape(str(part)[:80]) for part in loc) or "/"
    if kind == "extra_forbidden":
        message = "this field is not known here"
    return Issue(message=message[:300], pointer=pointer)
