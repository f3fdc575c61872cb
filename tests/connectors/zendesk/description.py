"""Zendesk's own OpenAPI description as a judge of requests and answers.

It says less than Zendesk does: it lacks the parameters of paging and the bodies of some requests, seldom says that a
value can be null, and takes values of custom fields for texts. What it lacks is listed here.
"""

import gzip
from typing import Any

import yaml

from tests.connectors import described
from tests.connectors.described import SPECS, Operation

PATH = SPECS / "zendesk" / "support-openapi.yaml.gz"
PAGING = {"page[size]", "page[after]", "page", "per_page", "sort"}
# Documented in prose only.
UNDESCRIBED_PARAMETERS = {"/api/v2/uploads": {"filename"}}


class Loader(yaml.CSafeLoader):
    """Takes the document's bare `=` for the text that it is."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


class Description(described.Description):
    vendor = "Zendesk"
    all_bodies = False

    @classmethod
    def load(cls) -> "Description":
        document = yaml.load(gzip.decompress(PATH.read_bytes()), Loader)
        _correct(document["components"]["schemas"])
        _allow_null(document["components"]["schemas"])
        return cls(document)

    def undescribed(self, operation: Operation) -> set[str]:
        return UNDESCRIBED_PARAMETERS.get(operation.template, set()) | (PAGING if operation.method == "GET" else set())


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
