"""The API's document, OpenAPI 3.1, generated from the code: every action is a typed path."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import orjson

from connectors.sdk import Action
from connectors.sdk.errors import ActionError, concrete
from connectors.sdk.model import StoredFile
from gateway.http.admin.document import admin_paths
from gateway.http.challenge import WELL_KNOWN
from gateway.http.runs import CloseRun, NoteEvent, OpenRun
from gateway.mcp.description import mcp_paths
from gateway.registry import Registry

Schema = dict[str, Any]
_REF = "#/components/schemas/{model}"
_CALL_ID = {"type": "string", "pattern": "^call_[0-9a-z]{26}$"}
_RUN_ID = {"type": "string", "pattern": "^run_[0-9a-z]{26}$"}
_CREDENTIAL = (
    "An agent key, `ghk_...`, or a token of an issuer that is registered. Where a token is good in several"
    " environments, the header `Gatehouse-Environment` names one: `tenant/environment`."
)
_TIME = {"type": "string", "format": "date-time"}
_PROBLEM_HEADERS = {"Gatehouse-Trace": {"schema": {"type": "string"}, "description": "Trace id of this request."}}


def document_bytes(registry: Registry) -> bytes:
    """Return the document as it is served and kept in `openapi/`."""
    return orjson.dumps(document(registry), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def document(registry: Registry) -> Schema:
    """Return the document."""
    components = _Components()
    paths: dict[str, Schema] = dict([*_fixed_paths(components), *mcp_paths()])
    for action in registry.actions():
        paths |= _action_paths(action, components)
    paths |= admin_paths(components.of)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Gatehouse",
            "version": version("gatehouse"),
            "description": "One typed action API over the systems where companies keep their work.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"agent_key": []}],
        "tags": [
            *_tags(registry),
            {"name": "admin", "description": "For admins."},
        ],
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "responses": {"Problem": _problem_response("The request failed; `code` says how.")},
            "securitySchemes": {
                "agent_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": _CREDENTIAL,
                },
                "admin_token": {"type": "http", "scheme": "bearer", "description": "An admin token, `gha_...`."},
            },
        },
    }


class _Components:
    """Schemas that are referred to by name. Models of actions carry the action's name, so none collide."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {
            "Problem": _problem_schema(),
            "Call": _call_schema({}),
            "WaitingCall": _waiting_schema(),
        }

    def of(self, model: Any, name: str, schema: Schema | None = None) -> Schema:
        """Take in a schema with its definitions and return a reference to it."""
        schema = dict(schema or model.model_json_schema())
        definitions: Mapping[str, Schema] = schema.pop("$defs", {})
        for inner, definition in definitions.items():
            self.schemas[f"{name}.{inner}"] = _renamed(definition, name)
        self.schemas[name] = _renamed(schema, name)
        return {"$ref": _REF.format(model=name)}


def _action_paths(action: Action, components: _Components) -> dict[str, Schema]:
    given = components.of(None, f"{action.name}.input", action.input_schema)
    output = components.of(None, f"{action.name}.output", action.output_schema)
    components.schemas[f"{action.name}.call"] = _call_schema(output)
    call = {"$ref": _REF.format(model=f"{action.name}.call")}
    body = {"required": True, "content": {"application/json": _with_examples({"schema": given}, action)}}
    run: Schema = {
        "operationId": action.name,
        "summary": action.title,
        "description": action.description,
        "tags": [action.connector],
        "x-gatehouse-effect": action.effect.value,
        "x-gatehouse-scopes": sorted(action.scopes),
        "x-gatehouse-idempotency": type(action.idempotency).__name__,
        "parameters": _run_parameters(),
        "requestBody": body,
        "responses": {
            "200": _json("The call ended well.", call, headers=True),
            "202": _json("The call waits or still runs.", {"$ref": _REF.format(model="WaitingCall")}, headers=True),
            **_problems(400, 401, 403, 404, 409, 410, 413, 415, 422, 423, 424, 429, 500, 502, 503, 504),
        },
    }
    preview: Schema = {
        "operationId": f"{action.name}.preview",
        "summary": f"Preview: {action.title}",
        "description": "Validates, authorises, decides and renders the exact requests. Has no effect.",
        "tags": [action.connector],
        "parameters": _run_parameters(),
        "requestBody": body,
        "responses": {
            "200": _json("What would be sent, and what would be decided.", _preview_schema()),
            **_problems(400, 401, 403, 404, 409, 413, 415, 422, 423, 424, 429, 500, 502, 503, 504),
        },
    }
    return {f"/v1/actions/{action.name}": {"post": run}, f"/v1/actions/{action.name}/preview": {"post": preview}}


def _fixed_paths(components: _Components) -> list[tuple[str, Schema]]:
    call = {"$ref": _REF.format(model="Call")}
    described = {"type": "object", "required": ["name", "title", "effect", "scopes"], "additionalProperties": True}
    any_object = {"type": "object", "additionalProperties": True}
    run = _run_schema()
    file = components.of(StoredFile, "File", _file_schema())
    return [
        ("/v1/actions", _get("actions.list", "List the actions that this agent may call now", _listing(any_object), [
            _query("connector", {"type": "string"}),
            _query("effect", {"enum": ["read", "create", "update", "delete", "send", "pay", "provision"]}),
            _query("connection", {"type": "string"}),
            _query("q", {"type": "string", "maxLength": 200}),
            _query("fields", {"enum": ["summary", "full"]}),
            _query("format", {"enum": ["gatehouse", "openai", "anthropic", "mcp"]}),
            *_paging(),
        ])),
        ("/v1/actions/{action}", _get("actions.get", "Describe one action", described, [
            _path("action", {"type": "string"}),
            _query("connection", {"type": "string"}),
            _query("kind", {"type": "string", "maxLength": 255}),
        ])),
        ("/v1/calls/{id}", _get("calls.get", "See how a call stands", call, [
            _path("id", _CALL_ID), _query("wait", {"type": "integer", "minimum": 0, "maximum": 60})])),
        ("/v1/calls/{id}/cancel", _post("calls.cancel", "Take back a call before it is sent", None, call, "200", [
            _path("id", _CALL_ID)])),
        ("/v1/calls/{id}/output", _get("calls.output", "Page through a result", _listing({}), [
            _path("id", _CALL_ID), _query("pointer", {"type": "string"}), *_paging()])),
        ("/v1/files", _post("files.create", "Upload a file, raw", None, file, "201", [], raw=True)),
        ("/v1/files/{id}", _download()),
        ("/v1/runs", _post("runs.create", "Open a run", components.of(OpenRun, "OpenRun"), run, "201", [],
            empty=True)),
        ("/v1/runs/{run}", _get("runs.get", "See a run's timeline", run, [_path("run", _RUN_ID), *_paging()])),
        ("/v1/runs/{run}/events", _post("runs.note", "Add a link to a run", components.of(NoteEvent, "NoteEvent"),
            any_object, "201", [_path("run", _RUN_ID)])),
        ("/v1/runs/{run}/outcome", _post("runs.close", "Close a run with its outcome",
            components.of(CloseRun, "CloseRun"), run, "200", [_path("run", _RUN_ID)])),
        ("/openapi.json", _open("openapi", "This document")),
        ("/healthz", _open("health", "Whether the process is up")),
        ("/readyz", _open("ready", "Whether each dependency is there", "503")),
        (WELL_KNOWN, _resource_metadata("resource", "Who gives tokens for the API")),
        (f"{WELL_KNOWN}/mcp", _resource_metadata("resource.mcp", "Who gives tokens for MCP")),
        (f"{WELL_KNOWN}/mcp/{{tenant}}/{{environment}}", _resource_metadata("resource.environment",
            "Who gives tokens for MCP in an environment", "tenant", "environment")),
    ]  # fmt: skip


def _run_parameters() -> list[Schema]:
    return [
        _header("Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
                "One key per intended effect, kept over all retries; required for everything but reads."),
        _header("Gatehouse-Run", _visible(64), "The run that this call belongs to."),
        _header("Gatehouse-Connection", _visible(128),
                "The connection, where the agent has several of the connector."),
        _header("Gatehouse-Actor", _visible(256), "For whom the agent acts; asserted, where no token proves it."),
        _header("Gatehouse-Confidence", {"type": "number", "minimum": 0, "maximum": 1}, "How sure the agent is."),
        _header("Gatehouse-Reason", _visible(1024), "Why the agent does this."),
        _header("Gatehouse-Timeout", {"type": "number", "minimum": 0.001, "maximum": 600}, "Seconds the caller waits."),
        _header("Prefer", _visible(1024), "`respond-async`, `wait=N`."),
        _header("traceparent", {"type": "string"}, "W3C trace context; one that is none begins a new trace."),
    ]  # fmt: skip


def _visible(most: int) -> Schema:
    return {"type": "string", "maxLength": most, "pattern": "^[ -~]*$"}


def _call_schema(output: Schema) -> Schema:
    shadow = {"type": "object", "additionalProperties": True}
    properties: Schema = {
        "id": _CALL_ID,
        "action": {"type": "string"},
        "status": {"enum": ["succeeded", "shadowed", "failed", "denied", "outcome_unknown", "cancelled", "expired",
                            "pending_approval", "queued", "running"]},
        "run": _RUN_ID,
        "connection": {"type": ["string", "null"]},
        "output": {"anyOf": [output, {"type": "null"}]} if output else {},
        "decision": _decision_schema(),
        "attempts": {"type": "integer", "minimum": 0},
        "replayed": {"type": "boolean"},
        "created_at": _TIME,
        "finished_at": {"type": ["string", "null"]},
        "duration_ms": {"type": "number"},
        "truncated": {"type": "object", "additionalProperties": True},
        "shadow": shadow,
        "error": {"$ref": _REF.format(model="Problem")},
    }  # fmt: skip
    return {"type": "object", "required": ["id", "action", "status", "run", "created_at"], "properties": properties}


def _waiting_schema() -> Schema:
    base = _call_schema({})
    approval = {"type": "object", "additionalProperties": True}
    return {**base, "properties": {**base["properties"], "approval": approval}}


def _decision_schema() -> Schema:
    risk = {
        "type": "object",
        "required": ["score", "facts"],
        "properties": {
            "score": {"type": "integer", "minimum": 0, "maximum": 100},
            "facts": {"type": "array", "items": {"type": "string"}},
        },
    }
    strings = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "required": ["effect", "risk", "grants"],
        "properties": {
            "effect": {"enum": ["allow", "ask", "shadow", "deny"]},
            "reasons": strings,
            "risk": risk,
            "grants": strings,
        },
    }


def _preview_schema() -> Schema:
    requests = {"type": "array", "items": {"type": "object", "additionalProperties": True}}
    return {
        "type": "object",
        "required": ["action", "connection", "decision", "requests"],
        "properties": {
            "action": {"type": "string"},
            "connection": {"type": "string"},
            "decision": _decision_schema(),
            "resource": {"type": ["string", "null"]},
            "requests": requests,
            "predicted_change": requests,
        },
    }


def _run_schema() -> Schema:
    return {
        "type": "object",
        "required": ["id", "agent", "status", "opened_at"],
        "properties": {
            "id": _RUN_ID,
            "agent": {"type": "string"},
            "actor": {"type": ["string", "null"]},
            "status": {"enum": ["open", "closed"]},
            "outcome": {"type": ["object", "null"]},
            "opened_at": _TIME,
            "closed_at": {"type": ["string", "null"]},
            "items": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
            "next_cursor": {"type": ["string", "null"]},
        },
    }


def _file_schema() -> Schema:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["id", "file", "media_type", "size", "sha256"],
        "properties": {"id": text, "file": text, "media_type": text, "size": {"type": "integer"}, "sha256": text,
                       "expires_at": _TIME},
    }  # fmt: skip


def _problem_schema() -> Schema:
    codes = sorted(concrete(ActionError))
    return {
        "type": "object",
        "description": "RFC 9457. Clients treat an unknown code by `retryable`.",
        "required": ["type", "title", "status", "detail", "code", "retryable"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "examples": codes},
            "call": {"type": "string"},
            "retryable": {"type": "boolean"},
            "retry_after_ms": {"type": "integer"},
            "errors": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
            "upstream": {"type": "object", "additionalProperties": True},
            "hint": {"type": "string"},
        },
    }


def _problem_response(description: str) -> Schema:
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {"description": description, "headers": _PROBLEM_HEADERS, "content": content}


def _problems(*statuses: int) -> dict[str, Schema]:
    return {str(status): {"$ref": "#/components/responses/Problem"} for status in statuses}


def _listing(item: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["items", "next_cursor"],
        "properties": {"items": {"type": "array", "items": item}, "next_cursor": {"type": ["string", "null"]}},
    }


def _json(description: str, schema: Schema, *, headers: bool = False) -> Schema:
    response: Schema = {"description": description, "content": {"application/json": {"schema": schema}}}
    if headers:
        response["headers"] = {"Gatehouse-Call": {"schema": {"type": "string"}}, **_PROBLEM_HEADERS}
    return response


def _get(id: str, summary: str, schema: Schema, parameters: Sequence[Schema]) -> Schema:
    responses = {"200": _json("Found.", schema), **_problems(400, 401, 403, 404, 422, 423, 429, 500, 503)}
    return {"get": {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": responses}}


def _post(
    id: str,
    summary: str,
    body: Schema | None,
    schema: Schema,
    status: str,
    parameters: Sequence[Schema],
    *,
    raw: bool = False,
    empty: bool = False,
) -> Schema:
    operation: Schema = {
        "operationId": id,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {
            status: _json("Done.", schema),
            **_problems(400, 401, 403, 404, 409, 413, 415, 422, 423, 429, 500, 503),
        },
    }
    if raw:
        operation["requestBody"] = {"content": {"application/octet-stream": {"schema": {}}}}
    elif body is not None:
        operation["requestBody"] = {"required": not empty, "content": {"application/json": {"schema": body}}}
    return {"post": operation}


def _download() -> Schema:
    responses: Schema = {
        "200": {"description": "The file, raw.", "content": {"*/*": {"schema": {}}}},
        **_problems(401, 403, 404, 422, 429, 500, 503),
    }
    file_id = _path("id", {"type": "string", "pattern": "^file_[0-9a-z]{26}$"})
    operation = {
        "operationId": "files.get",
        "summary": "Download a file",
        "parameters": [file_id],
        "responses": responses,
    }
    return {"get": operation}


def _open(id: str, summary: str, *other: str) -> Schema:
    any_object = {"type": "object", "additionalProperties": True}
    responses = {status: _json(summary + ".", any_object) for status in ("200", *other)}
    return {"get": {"operationId": id, "summary": summary, "security": [], "responses": responses}}


def _resource_metadata(id: str, summary: str, *parts: str) -> Schema:
    """Return a document of RFC 9728, which is there where an issuer is registered."""
    found = _open(id, summary)
    found["get"]["parameters"] = [_path(part, {"type": "string"}) for part in parts]
    found["get"]["responses"] |= _problems(404)
    return found


def _query(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _header(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def _paging() -> list[Schema]:
    return [
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
        _query("cursor", {"type": "string"}),
    ]


def _with_examples(media: Schema, action: Action) -> Schema:
    if action.examples:
        media["examples"] = {f"example_{n}": {"value": dict(example)} for n, example in enumerate(action.examples, 1)}
    return media


def _tags(registry: Registry) -> list[Schema]:
    return [{"name": c.id, "description": f"Actions of {c.title}."} for c in registry.connectors.values()]


def _renamed(schema: Any, name: str) -> Any:
    """Point references at the definitions' new names."""
    if isinstance(schema, dict):
        return {
            key: f"#/components/schemas/{name}.{value.removeprefix('#/$defs/')}"
            if key == "$ref" and isinstance(value, str) and value.startswith("#/$defs/")
            else _renamed(value, name)
            for key, value in schema.items()
            if key != "$defs"
        }
    if isinstance(schema, list):
        return [_renamed(item, name) for item in schema]
    return schema
