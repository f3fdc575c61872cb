"""Zendesk's own OpenAPI description as a judge of requests and answers.

Its document is not part of the repository: `GATEHOUSE_VENDOR_SPECS` names the folder that holds it, by default one
beside the checkout. It says less than Zendesk does: it lacks the parameters of paging and the bodies of some requests,
seldom says that a value can be null, and takes values of custom fields for texts. What it lacks is listed here.
"""

import gzip
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson
import yaml
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

SPECS = Path(os.environ.get("GATEHOUSE_VENDOR_SPECS", Path(__file__).resolve().parents[4] / "shared/vendors/specs"))
PATH = SPECS / "zendesk" / "support-openapi.yaml.gz"
ROOT = "urn:zendesk"
PAGING = {"page[size]", "page[after]", "page", "per_page", "sort"}
# Documented in prose only.
UNDESCRIBED_PARAMETERS = {"/api/v2/uploads": {"filename"}}


class Loader(yaml.CSafeLoader):
    """Takes the document's bare `=` for the text that it is."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


@dataclass(frozen=True)
class Operation:
    method: str
    template: str
    facts: dict[str, Any]
    parameters: list[dict[str, Any]]


class Description:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._registry: Any = Registry().with_resource(ROOT, Resource(contents=document, specification=DRAFT4))
        self._paths = [(template, _pattern(template), template.count("{")) for template in document["paths"]]

    @classmethod
    def load(cls) -> "Description":
        document = yaml.load(gzip.decompress(PATH.read_bytes()), Loader)
        _correct(document["components"]["schemas"])
        _allow_null(document["components"]["schemas"])
        return cls(document)

    def operation(self, method: str, path: str) -> Operation:
        """Return the described operation of a request: of several templates the most literal. Fails without one."""
        fitting = [(count, -len(template), template) for template, hole, count in self._paths if hole.fullmatch(path)]
        for _, _, template in sorted(fitting):
            item = self._document["paths"][template]
            if method.lower() in item:
                facts = item[method.lower()]
                shared = [*item.get("parameters", []), *facts.get("parameters", [])]
                return Operation(method, template, facts, [self._resolved(one) for one in shared])
        raise AssertionError(f"Zendesk describes no {method} {path}")

    def check_request(self, method: str, path: str, query: str, body: bytes | None) -> Operation:
        """Fail with all that is wrong in a request."""
        operation = self.operation(method, path)
        self._check_query(operation, query)
        self._check_body(operation, body)
        return operation

    def _check_query(self, operation: Operation, query: str) -> None:
        described = {one["name"]: one for one in operation.parameters if one["in"] == "query"}
        given = dict(parse_qsl(query, strict_parsing=True, keep_blank_values=True)) if query else {}
        where = f"{operation.method} {operation.template}"
        known = set(described) | UNDESCRIBED_PARAMETERS.get(operation.template, set())
        unknown = set(given) - known - (PAGING if operation.method == "GET" else set())
        assert not unknown, f"{where}: unknown parameters {unknown}"
        needed = {name for name, parameter in described.items() if parameter.get("required")}
        assert needed <= set(given), f"{where}: lacks {needed - set(given)}"
        for name in set(given) & set(described):
            schema = self._resolved(described[name]["schema"])
            value = _typed(given[name], schema)
            assert not self.faults(schema, value), f"{where}: {name}={value} does not fit {schema}"

    def _check_body(self, operation: Operation, body: bytes | None) -> None:
        where = f"{operation.method} {operation.template}"
        described = self._resolved(operation.facts.get("requestBody", {}))
        if body is None:
            assert not described.get("required"), f"{where}: lacks its body"
            return
        if described:
            faults = self.faults(described["content"]["application/json"]["schema"], orjson.loads(body))
            assert not faults, f"{where}: {faults}"

    def check_response(self, operation: Operation, status: int, body: bytes) -> None:
        """Fail with all that is wrong in an answer. An answer without a described body must be empty."""
        where = f"{operation.method} {operation.template} {status}"
        responses = operation.facts["responses"]
        assert str(status) in responses, f"{where}: described are {list(responses)}"
        content = self._resolved(responses[str(status)]).get("content", {})
        if not content:
            assert body == b"", where
            return
        faults = self.faults(content["application/json"]["schema"], orjson.loads(body))
        assert not faults, f"{where}: {faults[:5]}"

    def faults(self, schema: dict[str, Any], value: object) -> list[str]:
        validator = OAS30Validator(_based(schema), registry=self._registry)
        return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]

    def _resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in value:
            found: Any = self._document
            for key in value["$ref"].removeprefix("#/").split("/"):
                found = found[key.replace("~1", "/").replace("~0", "~")]
            value = found
        return value


def _correct(schemas: dict[str, Any]) -> None:
    """Describe the values of custom fields, where the document refers to the definition of a field by mistake."""
    value = {"type": "object", "required": ["id", "value"], "properties": {"id": {"type": "integer"}, "value": {}}}
    schemas["TicketUpdateInput"]["properties"]["custom_fields"] = {"type": "array", "items": value}


def _allow_null(value: Any, *, choice: bool = False) -> None:
    """Let every value be null, as Zendesk answers for what is not set; but not each choice of a value on its own."""
    if isinstance(value, list):
        for item in value:
            _allow_null(item, choice=choice)
    if not isinstance(value, dict):
        return
    if isinstance(value.get("type"), str) and not choice:
        value["nullable"] = True
        if isinstance(value.get("enum"), list) and None not in value["enum"]:
            value["enum"].append(None)
    for name, item in value.items():
        _allow_null(item, choice=name in {"oneOf", "anyOf"})


def _based(value: Any) -> Any:
    """Let references lead into the document, from wherever the schema was taken."""
    if isinstance(value, dict):
        return {key: ROOT + item if key == "$ref" else _based(item) for key, item in value.items()}
    return [_based(item) for item in value] if isinstance(value, list) else value


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{([^}]*)\}", template)
    return re.compile("".join(re.escape(part) if at % 2 == 0 else "[^/]+" for at, part in enumerate(parts)))


def _typed(text: str, schema: dict[str, Any]) -> object:
    kind = schema.get("type")
    if kind == "integer":
        return int(text) if text.isdigit() else text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text
