"""Turns a handler's result into what the caller gets, and a failure into its problem document."""

from collections.abc import Mapping
from typing import Any

import orjson

from connectors.sdk import CursorQuery, PageQuery, Searched
from connectors.sdk.errors import ActionError, UpstreamInvalidResponse
from gateway.call import Answer, Bounded, Judged, Opened, Typed
from gateway.clock import Clock, stamp
from gateway.cursor import Cursors
from gateway.parse import cursor_binding
from gateway.trail import Circle, Trail, joined
from gateway.upstream.recording import mask_tree
from scopes.constraint import drop_fields, redact_fields, resource_matches
from scopes.grant import Combined


class Answers:
    """Shapes answers. Outputs are cut to the grants, sealed, masked and redacted before anything is recorded."""

    def __init__(self, clock: Clock, cursors: Cursors) -> None:
        self._clock = clock
        self._cursors = cursors

    def output(self, bounded: Bounded, result: Any) -> Any:
        """Return a typed result as JSON."""
        target = bounded.typed.target
        dumped = target.action.output_adapter.dump_python(result, mode="json")
        if target.action.paged and dumped.get("next_cursor") is not None:
            dumped["next_cursor"] = self._onward(bounded.typed, dumped)
        fact = target.action.resource
        if isinstance(fact, Searched) and bounded.patterns is not None:
            dumped["items"] = [
                item
                for item, typed in zip(dumped["items"], result.items, strict=True)
                if _within(bounded.patterns, fact.canonical(fact.of(typed)))
            ]
        return redacted(mask_tree(dumped, target.action.secrets), bounded.rules)

    def _onward(self, typed: Typed, page: Mapping[str, Any]) -> str:
        """Seal the vendor's next cursor. Raises `UpstreamInvalidResponse` where it leads back to a page before."""
        following: str = page["next_cursor"]
        used = typed.input.cursor if isinstance(typed.input, PageQuery | CursorQuery) else None
        items = orjson.dumps(page["items"]) if page["items"] else b""
        try:
            trail = (typed.trail or Trail()).onward(used, following, items)
        except Circle:
            raise UpstreamInvalidResponse(
                f"{typed.target.connector.title} gave a page that was read before: its pages go in a circle.",
                hint="What was read so far is all that can be had this way; narrow the query.",
            ) from None
        return self._cursors.seal(joined(trail, following), cursor_binding(typed.target, typed.value))

    def finished(self, judged: Judged, output: Any, *, status: str, attempts: int) -> Answer:
        """Return the answer of a call that ended well."""
        call = judged.call
        body: dict[str, Any] = {
            "id": call.id,
            "action": judged.target.action.name,
            "status": status,
            "run": call.run,
            "connection": judged.target.connection.name,
            "output": output,
            "decision": decision_shown(judged),
            "attempts": attempts,
            "replayed": False,
            "created_at": stamp(call.created_at),
            "duration_ms": self.elapsed(call),
        }
        return Answer(200, body, call=call.id)

    def waiting(self, judged: Judged, status: str, extra: Mapping[str, Any] | None = None) -> Answer:
        """Return the answer of a call that has not ended."""
        call = judged.call
        body: dict[str, Any] = {
            "id": call.id,
            "action": judged.target.action.name,
            "status": status,
            "run": call.run,
            "connection": judged.target.connection.name,
            "decision": decision_shown(judged),
            "replayed": False,
            "created_at": stamp(call.created_at),
            **(extra or {}),
        }
        return Answer(202, body, call=call.id, location=f"/v1/calls/{call.id}")

    def running(self, call: Opened) -> Answer:
        """Return the answer of a call that goes on behind its caller's back."""
        body = {
            "id": call.id,
            "action": call.action or call.asked.action,
            "status": "running",
            "run": call.run,
            "replayed": False,
            "created_at": stamp(call.created_at),
        }
        return Answer(202, body, call=call.id, location=f"/v1/calls/{call.id}")

    def failed(self, call: Opened, error: ActionError) -> Answer:
        """Return the problem of a call that ended otherwise."""
        return Answer(
            error.status,
            problem(error, call=call.id),
            call=call.id,
            retry_after=error.retry_after_ms / 1000 if error.retry_after_ms else None,
        )

    def elapsed(self, call: Opened) -> float:
        """Return the milliseconds since the call came in."""
        return round((self._clock.monotonic() - call.started) * 1000, 1)


def problem(error: ActionError, *, call: str | None = None) -> dict[str, Any]:
    """Return an error as an RFC 9457 problem document."""
    body: dict[str, Any] = {
        "type": f"urn:gatehouse:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "retryable": error.retryable,
    }
    if call is not None:
        body["call"] = call
    if error.retry_after_ms is not None:
        body["retry_after_ms"] = error.retry_after_ms
    if error.issues:
        body["errors"] = [
            {"pointer": issue.pointer, "message": issue.message}
            if issue.pointer is not None
            else {"parameter": issue.parameter, "message": issue.message}
            for issue in error.issues
        ]
    if error.upstream is not None:
        said = error.upstream
        members = {"status": said.status, "code": said.code, "message": said.message, "request_id": said.request_id}
        body["upstream"] = {name: value for name, value in members.items() if value is not None}
    if error.hint is not None:
        body["hint"] = error.hint
    return body | error.members


def decision_shown(judged: Judged) -> dict[str, Any]:
    """Return the decision as callers see it."""
    return {
        "effect": judged.decision.effect,
        "reasons": list(judged.decision.reasons),
        "risk": judged.risk.shown(),
        "grants": [grant.id for grant in judged.bounded.grants],
    }


def redacted(output: Any, rules: Combined) -> Any:
    """Remove denied and mask redacted fields of an output."""
    if rules.denied_fields:
        output = drop_fields(output, rules.denied_fields)
    if rules.redacted_fields:
        output = redact_fields(output, rules.redacted_fields)
    return output


def _within(patterns: tuple[str, ...], identity: str) -> bool:
    return any(resource_matches(pattern, identity) for pattern in patterns)
