"""GitHub's own OpenAPI description as a judge of requests and answers."""

import gzip
from typing import Any

import orjson

from tests.connectors import described
from tests.connectors.described import SPECS, Operation

__all__ = ["SPECS", "Description", "Operation"]

PATH = SPECS / "github" / "api.github.com.json.gz"


class Description(described.Description):
    vendor = "GitHub"
    deep = frozenset({"path", "ref"})

    @classmethod
    def load(cls) -> "Description":
        document = orjson.loads(gzip.decompress(PATH.read_bytes()))
        _allow_null(document["components"]["schemas"])
        return cls(document)


def _allow_null(value: Any) -> None:
    """Let a nullable enumeration hold null: the description says `nullable` alone, and GitHub sends null."""
    if isinstance(value, dict):
        enum = value.get("enum")
        if value.get("nullable") and isinstance(enum, list) and None not in enum:
            enum.append(None)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _allow_null(item)
