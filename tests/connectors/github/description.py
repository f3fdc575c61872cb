"""GitHub's own OpenAPI description as a judge of requests and answers.

Its document is not part of the repository: `GATEHOUSE_VENDOR_SPECS` names the folder that holds it, by default one
beside the checkout.
"""

import gzip
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

SPECS = Path(os.environ.get("GATEHOUSE_VENDOR_SPECS", Path(__file__).resolve().parents[4] / "shared/vendors/specs"))
PATH = SPECS / "github" / "api.github.com.json.gz"
ROOT = "urn:github"
# The values of these may hold slashes.
DEEP = {"path", "ref"}


@dataclass(frozen=True)
class Operation:
    method: str
    template: str
    facts: dict[str, Any]


class Description:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._registry: Any = Registry().with_resource(ROOT, Resource(contents=document, specification=DRAFT4))
        self._paths = [(template, _pattern(template), template.count("{")) for template in document["paths"]]

    @classmethod
    def load(cls) -> "Description":
        document = orjson.loads(gzip.decompress(PATH.read_bytes()))
        _allow_null(document["components"]["schemas"])
        return cls(document)

    def operation(self, method: str, path: str) -> Operation:
        """Return the described operation of a request: of several templates the most literal. Fails without one."""
        fitting = [(count, -len(template), template) for template, hole, count in self._paths if hole.fullmatch(path)]
        for _, _, template in sorted(fitting):
            facts = self._document["paths"][template].get(method.lower())
            if facts is not None:
                return Operation(method, template, facts)
        raise AssertionError(f"GitHub describes no {method} {path}")

    def check_request(self, method: str, path: str, query: str, body: bytes | None) -> Operation:
        """Fail with all that is wrong in a request."""
        operation = self.operation(method, path)
        self._check_query(operation, query)
        self._check_body(operation, body)
        return operation

    def _check_query(self, operation: Operation, query: str) -> None:
        described = {
            parameter["name"]: parameter
            for parameter in map(self._resolved, operation.facts.get("parameters", []))
            if parameter["in"] == "query"
        }
        given = dict(parse_qsl(query, strict_parsing=True, keep_blank_values=True)) if query else {}
        where = f"{operation.method} {operation.template}"
        assert set(given) <= set(described), f"{where}: unknown parameters {set(given) - set(described)}"
        needed = {name for name, parameter in described.items() if parameter.get("required")}
        assert needed <= set(given), f"{where}: lacks {needed - set(given)}"
        for name, text in given.items():
            schema = self._resolved(described[name]["schema"])
            assert not self.faults(schema, _typed(text, schema)), f"{where}: {name}={text} does not fit {schema}"

    def _check_body(self, operation: Operation, body: bytes | None) -> None:
        where = f"{operation.method} {operation.template}"
        described = self._resolved(operation.facts.get("requestBody", {}))
        if body is None:
            assert not described.get("required"), f"{where}: lacks its body"
            return
        assert described, f"{where}: takes no body"
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


def _allow_null(value: Any) -> None:
    """Let a nullable enumeration hold null: the description says `nullable` alone, and GitHub sends null."""
    if isinstance(value, dict):
        enum = value.get("enum")
        if value.get("nullable") and isinstance(enum, list) and None not in enum:
            enum.append(None)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _allow_null(item)


def _based(value: Any) -> Any:
    """Let references lead into the document, from wherever the schema was taken.

    Discriminators are left out: the validator would follow them to where the document is not.
    """
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key != "discriminator"}
        return {key: ROOT + item if key == "$ref" else _based(item) for key, item in kept.items()}
    return [_based(item) for item in value] if isinstance(value, list) else value


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{([^}]*)\}", template)
    pieces = [re.escape(part) if at % 2 == 0 else _hole(part) for at, part in enumerate(parts)]
    return re.compile("".join(pieces))


def _hole(name: str) -> str:
    return ".+" if name in DEEP else "[^/]+"


def _typed(text: str, schema: dict[str, Any]) -> object:
    kind = schema.get("type")
    if kind == "integer":
        return int(text)
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text
