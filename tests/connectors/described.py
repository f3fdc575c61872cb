"""A vendor's own OpenAPI description as a judge of requests and answers.

The documents are not part of the repository: `GATEHOUSE_VENDOR_SPECS` names the folder that holds them, by default one
beside the checkout.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import orjson
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

SPECS = Path(os.environ.get("GATEHOUSE_VENDOR_SPECS", Path(__file__).resolve().parents[3] / "shared/vendors/specs"))
_ROOT = "urn:described"


@dataclass(frozen=True)
class Operation:
    method: str
    template: str
    facts: dict[str, Any]
    parameters: list[dict[str, Any]]

    @property
    def where(self) -> str:
        return f"{self.method} {self.template}"


class Description:
    """Judges by one document. `deep` are names in paths whose values may hold slashes; `all_bodies` says that the
    document describes every body that the vendor takes.
    """

    vendor: ClassVar[str]
    deep: ClassVar[frozenset[str]] = frozenset()
    all_bodies: ClassVar[bool] = True

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._registry: Any = Registry().with_resource(_ROOT, Resource(contents=document, specification=DRAFT4))
        self._paths = [(template, self._pattern(template), template.count("{")) for template in document["paths"]]

    def operation(self, method: str, path: str) -> Operation:
        """Return the described operation of a request: of several templates the most literal. Fails without one."""
        fitting = [(count, -len(template), template) for template, hole, count in self._paths if hole.fullmatch(path)]
        for _, _, template in sorted(fitting):
            item = self._document["paths"][template]
            if method.lower() in item:
                facts = item[method.lower()]
                shared = [*item.get("parameters", []), *facts.get("parameters", [])]
                return Operation(method, template, facts, [self._resolved(one) for one in shared])
        raise AssertionError(f"{self.vendor} describes no {method} {path}")

    def check_request(self, method: str, path: str, query: str, body: bytes | None) -> Operation:
        """Fail with all that is wrong in a request."""
        operation = self.operation(method, path)
        self._check_query(operation, query)
        self._check_body(operation, body)
        return operation

    def undescribed(self, operation: Operation) -> set[str]:
        """Return parameters of a query that the vendor takes and the document lacks."""
        del operation
        return set()

    def _check_query(self, operation: Operation, query: str) -> None:
        described = {one["name"]: one for one in operation.parameters if one["in"] == "query"}
        given = dict(parse_qsl(query, strict_parsing=True, keep_blank_values=True)) if query else {}
        unknown = set(given) - set(described) - self.undescribed(operation)
        assert not unknown, f"{operation.where}: unknown parameters {unknown}"
        needed = {name for name, parameter in described.items() if parameter.get("required")}
        assert needed <= set(given), f"{operation.where}: lacks {needed - set(given)}"
        for name in set(given) & set(described):
            schema = self._resolved(described[name]["schema"])
            value = one_of(given[name], schema)
            assert not self.faults(schema, value), f"{operation.where}: {name}={value} does not fit {schema}"

    def _check_body(self, operation: Operation, body: bytes | None) -> None:
        described = self._resolved(operation.facts.get("requestBody", {}))
        if body is None:
            assert not described.get("required"), f"{operation.where}: lacks its body"
            return
        assert described or not self.all_bodies, f"{operation.where}: takes no body"
        if described:
            faults = self.faults(described["content"]["application/json"]["schema"], orjson.loads(body))
            assert not faults, f"{operation.where}: {faults}"

    def check_response(self, operation: Operation, status: int, body: bytes) -> None:
        """Fail with all that is wrong in an answer. An answer without a described body must be empty."""
        where = f"{operation.where} {status}"
        content = self.content(operation, status)
        if not content:
            assert body == b"", where
            return
        faults = self.faults(content["application/json"]["schema"], orjson.loads(body))
        assert not faults, f"{where}: {faults[:5]}"

    def content(self, operation: Operation, status: int) -> dict[str, Any]:
        """Return the described contents of an answer by media type. Fails for a status that is not described."""
        responses = operation.facts["responses"]
        assert str(status) in responses, f"{operation.where} {status}: described are {list(responses)}"
        content: dict[str, Any] = self._resolved(responses[str(status)]).get("content", {})
        return content

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

    def _pattern(self, template: str) -> re.Pattern[str]:
        parts = re.split(r"\{([^}]*)\}", template)
        holes = [re.escape(part) if at % 2 == 0 else self._hole(part) for at, part in enumerate(parts)]
        return re.compile("".join(holes))

    def _hole(self, name: str) -> str:
        return ".+" if name in self.deep else "[^/]+"


def one_of(text: str, schema: dict[str, Any]) -> object:
    """Return a parameter's text as its schema takes it."""
    kind = schema.get("type")
    if kind == "integer":
        return int(text) if text.isdigit() else text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def _based(value: Any) -> Any:
    """Let references lead into the document, from wherever the schema was taken.

    Discriminators are left out: the validator would follow them to where the document is not.
    """
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key != "discriminator"}
        return {key: _ROOT + item if key == "$ref" else _based(item) for key, item in kept.items()}
    return [_based(item) for item in value] if isinstance(value, list) else value
