"""The protocol's endpoint in the API's document: the messages themselves are the specification's."""

from typing import Any

_MESSAGE: dict[str, Any] = {
    "type": "object",
    "required": ["jsonrpc"],
    "properties": {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["string", "integer", "null"]},
        "method": {"type": "string"},
        "params": {"type": "object", "additionalProperties": True},
        "result": {"type": "object", "additionalProperties": True},
        "error": {"type": "object", "additionalProperties": True},
    },
}
_MESSAGES: dict[str, Any] = {"anyOf": [_MESSAGE, {"type": "array", "maxItems": 50, "items": _MESSAGE}]}
# What is wrong with one message of a batch is answered in its place, so any object or list of things is taken.
_TAKEN: dict[str, Any] = {"anyOf": [{"type": "object"}, {"type": "array"}]}
_STATUSES = (400, 401, 403, 404, 406, 413, 415, 422, 423, 429, 500, 503)
_DESCRIPTION = (
    "Streamable HTTP in the revisions 2026-07-28, 2025-11-25, 2025-06-18 and 2025-03-26, one endpoint for all. What"
    " keeps a request out is a JSON-RPC error with the problem document in `error.data`."
)


def mcp_paths() -> list[tuple[str, dict[str, Any]]]:
    """Return both paths."""
    place = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in ("tenant", "environment")
    ]
    return [
        ("/mcp", _operation("mcp", [])),
        ("/mcp/{tenant}/{environment}", _operation("mcp.place", place)),
    ]


def _operation(id: str, place: list[dict[str, Any]]) -> dict[str, Any]:
    tools = {"name": "tools", "in": "query", "required": False, "schema": {"enum": ["direct", "discover"]}}
    answer = {"application/json": {"schema": _MESSAGES}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses: dict[str, Any] = {
        "200": {
            "description": "The answer, at once or as a stream of events.",
            "content": answer | {"text/event-stream": {"schema": {"type": "string"}}},
        },
        "202": {"description": "A notification was taken."},
        **{
            str(status): {"description": "A JSON-RPC error, or a problem of the edge.", "content": answer | problem}
            for status in _STATUSES
        },
    }
    operation = {
        "operationId": id,
        "summary": "Speak the Model Context Protocol",
        "description": _DESCRIPTION,
        "parameters": [*place, tools],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _TAKEN}}},
        "responses": responses,
    }
    preflight = {
        "operationId": f"{id}.preflight",
        "summary": "Whether a web page may ask",
        "security": [],
        "parameters": place,
        "responses": {
            "204": {"description": "The headers say which pages may."},
            "403": {"description": "This page may not.", "content": problem},
            "429": {"description": "A limit of the edge.", "content": problem},
        },
    }
    return {"post": operation, "options": preflight}
