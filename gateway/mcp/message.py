"""JSON-RPC 2.0 messages, as the Model Context Protocol sends them: one in a body, or several in revision 2025-03-26."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from mcp_types.jsonrpc import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    PARSE_ERROR,
    UNSUPPORTED_PROTOCOL_VERSION,
    URL_ELICITATION_REQUIRED,
)

from connectors.sdk.errors import ActionError, MalformedRequest
from gateway import body
from gateway.answers import problem

MOST_IN_A_BATCH = 50
REFUSED = -32000  # implementation-defined: the problem document is in `data`
_LONGEST_ID = 256
# What the HTTP status of an error is from 2026-07-28 on; others, and earlier revisions, answer 200.
_STATUS = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    MISSING_REQUIRED_CLIENT_CAPABILITY: 400,
    UNSUPPORTED_PROTOCOL_VERSION: 400,
    METHOD_NOT_FOUND: 404,
}

Id = int | str


class Fault(Exception):
    """A JSON-RPC error. `status` is set where the HTTP status does not follow from the code."""

    def __init__(
        self,
        code: int,
        message: str,
        data: object = None,
        *,
        status: int | None = None,
        retry_after_ms: float | None = None,
    ) -> None:
        """Take what the client is told."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.retry_after_ms = retry_after_ms
        self._status = status

    def status(self, *, modern: bool) -> int:
        """Return the HTTP status."""
        return self._status or (_STATUS.get(self.code, 200) if modern else 200)


@dataclass(frozen=True, slots=True)
class Message:
    """A request, or a notification where there is no `id`. `answer` says that it is neither, but a client's answer."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: Id | None = None
    answer: bool = False

    @property
    def meta(self) -> Mapping[str, Any]:
        """Its `_meta`, empty where there is none."""
        found = self.params.get("_meta")
        return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def parse(raw: bytes) -> Any:
    """Return the JSON of a body. Raises `Fault`."""
    try:
        return body.parse(raw)
    except MalformedRequest as error:
        raise Fault(PARSE_ERROR, error.detail, problem(error), status=400) from error


def read(value: object) -> Message:
    """Return one message. Raises `Fault`."""
    if not isinstance(value, dict):
        raise _invalid("a message is a JSON object")
    said = cast("dict[str, Any]", value)
    if said.get("jsonrpc") != "2.0":
        raise _invalid('`jsonrpc` must be "2.0"')
    if "id" in said and ("result" in said or "error" in said):
        return Message("", id=None, answer=True)
    method, params = said.get("method"), said.get("params", {})
    if not isinstance(method, str):
        raise _invalid("`method` must be a string")
    id = said.get("id")
    if "id" in said and not _is_id(id):
        raise _invalid("`id` must be a string or a whole number")
    if not isinstance(params, dict):
        raise _invalid("`params` must be an object")
    return Message(method, params, id)


def id_of(value: object) -> Id | None:
    """Return the id of what may be no message, to answer it by."""
    found = cast("dict[str, Any]", value).get("id") if isinstance(value, dict) else None
    return found if _is_id(found) else None


def answered(id: Id, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a request."""
    return {"jsonrpc": "2.0", "id": id, "result": result}


def failed(id: Id | None, fault: Fault) -> dict[str, Any]:
    """Return the error that answers a request."""
    error: dict[str, Any] = {"code": fault.code, "message": fault.message}
    if fault.data is not None:
        error["data"] = fault.data
    return {"jsonrpc": "2.0", "id": id, "error": error}


def notification(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notification."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def fault_of(error: ActionError) -> Fault:
    """Return a problem as a JSON-RPC error, for what is no tool's result."""
    mistake = error.status in {400, 404, 422}
    ours = error.status == 500
    code = INVALID_PARAMS if mistake else INTERNAL_ERROR if ours else REFUSED
    return Fault(
        code,
        error.detail,
        problem(error),
        status=None if mistake else error.status,
        retry_after_ms=error.retry_after_ms,
    )


def event(message: Mapping[str, Any]) -> bytes:
    """Return a message as a server-sent event."""
    return b"event: message\r\ndata: " + orjson.dumps(message) + b"\r\n\r\n"


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_ID
    return isinstance(value, int) and not isinstance(value, bool)


def _invalid(why: str) -> Fault:
    return Fault(INVALID_REQUEST, f"This is no JSON-RPC 2.0 message: {why}.", status=400)


__all__ = [
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    "MOST_IN_A_BATCH",
    "REFUSED",
    "URL_ELICITATION_REQUIRED",
    "Fault",
    "Id",
    "Message",
    "answered",
    "event",
    "failed",
    "fault_of",
    "id_of",
    "notification",
    "parse",
    "read",
]
