"""The admin API in the API's document: every route with its body, its parameters and the right it asks for."""

import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from gateway.clock import SystemClock
from gateway.http.admin.door import ROOT, Described, described

Schema = dict[str, Any]
Refer = Callable[[type[BaseModel], str], Schema]
_PART = re.compile(r"\{([a-z_]+)(?::(?:[^{}]|\{[^{}]*\})*)?\}")
_OBJECT: Schema = {"type": "object", "additionalProperties": True}
_PROBLEMS = (
    "400",
    "401",
    "403",
    "404",
    "409",
    "412",
    "413",
    "415",
    "422",
    "423",
    "424",
    "429",
    "500",
    "502",
    "503",
    "504",
)
_VERBS = {"listed": "list", "search": "list"}


def admin_paths(refer: Refer) -> dict[str, Schema]:
    """Return the paths. `refer` takes in a body's model and returns a reference to it."""
    paths: dict[str, Schema] = {}
    for route in described(SystemClock()):
        template = _PART.sub(r"{\1}", route.path)
        paths.setdefault(template, {})[route.method.lower()] = _operation(route, template, refer)
    return paths


def _operation(route: Described, template: str, refer: Refer) -> Schema:
    resource = _resource(template)
    verb = _VERBS.get(route.does, route.does)
    made = route.method == "POST" and route.does == "create"
    operation: Schema = {
        "operationId": f"admin.{resource}.{verb}",
        "summary": f"{resource.replace('_', ' ').replace('.', ': ')}: {verb}",
        "tags": ["admin"],
        "security": [{"admin_token": []}],
        "x-gatehouse-right": route.right.value,
        "parameters": [*_path_parameters(template), *_query_parameters(route), *_conditions(route)],
        "responses": {
            "201" if made else "200": _answer(route),
            **{str(status): {"$ref": "#/components/responses/Problem"} for status in _PROBLEMS},
        },
    }
    if route.body is not None:
        body = refer(route.body, f"admin.{route.body.__name__}")
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _resource(template: str) -> str:
    """Return what a path is about: its fixed parts below tenant and environment, without the verb at its end."""
    fixed = [part for part in template.removeprefix(ROOT).split("/") if part and not part.startswith("{")]
    known = [part for part in fixed if part not in {"rotate", "test", "reconnect", "decide", "resolve", "verify"}]
    return known[-1].replace("-", "_")


def _answer(route: Described) -> Schema:
    listing: Schema = {
        "type": "object",
        "required": ["items", "next_cursor"],
        "properties": {
            "items": {"type": "array", "items": _OBJECT},
            "next_cursor": {"type": ["string", "null"]},
        },
    }
    schema = listing if "cursor" in route.parameters else _OBJECT
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}


def _path_parameters(template: str) -> list[Schema]:
    names = [match.group(1) for match in _PART.finditer(template)]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(route: Described) -> list[Schema]:
    whole = {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    return [
        {"name": name, "in": "query", "required": False, "schema": whole if name == "limit" else {"type": "string"}}
        for name in route.parameters
    ]


def _conditions(route: Described) -> list[Schema]:
    if route.method not in {"PATCH", "DELETE"}:
        return []
    schema = {"type": "string", "maxLength": 40}
    return [
        {"name": "If-Match", "in": "header", "required": False, "schema": schema, "description": "The version read."}
    ]
