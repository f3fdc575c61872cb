"""Atlassian's own OpenAPI description of Jira Cloud as a judge of requests and answers."""

import gzip
from typing import Any
from urllib.parse import parse_qsl

import orjson

from tests.connectors.described import SPECS, Description, Operation, one_of

PATH = SPECS / "jira" / "swagger-v3.v3.json.gz"


class JiraDescription(Description):
    vendor = "Jira"

    @classmethod
    def load(cls) -> "JiraDescription":
        document = orjson.loads(gzip.decompress(PATH.read_bytes()))
        return cls(document)

    def _check_query(self, operation: Operation, query: str) -> None:
        described = {
            parameter["name"]: self._resolved(parameter["schema"])
            for parameter in operation.parameters
            if parameter["in"] == "query"
        }
        pairs = parse_qsl(query, strict_parsing=True, keep_blank_values=True) if query else []
        unknown = {name for name, _ in pairs} - set(described)
        assert not unknown, f"{operation.where}: unknown parameters {unknown}"
        for name in {name for name, _ in pairs}:
            texts = [text for given, text in pairs if given == name]
            value = _typed(texts, described[name])
            assert not self.faults(described[name], value), (
                f"{operation.where}: {name}={texts} does not fit {described[name]}"
            )

    def _check_body(self, operation: Operation, body: bytes | None) -> None:
        content = self._resolved(operation.facts.get("requestBody", {})).get("content", {})
        if "multipart/form-data" in content:
            assert body is not None
            assert body.startswith(b"--")
            return
        super()._check_body(operation, body)

    def check_response(self, operation: Operation, status: int, body: bytes) -> None:
        """Fail with all that is wrong in an answer. Some are described as JSON of no schema, and are empty."""
        where = f"{operation.where} {status}"
        schema: dict[str, Any] = self.content(operation, status).get("application/json", {}).get("schema", {})
        if not body:
            assert not schema, where
            return
        if "/attachment/content/" not in operation.template:
            faults = self.faults(schema, orjson.loads(body))
            assert not faults, f"{where}: {faults[:5]}"


def _typed(texts: list[str], schema: dict[str, Any]) -> object:
    if schema.get("type") == "array":
        return [part for text in texts for part in text.split(",")]
    assert len(texts) == 1, f"given {len(texts)} times"
    return one_of(texts[0], schema)
