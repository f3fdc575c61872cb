"""Reads the JSON of tokens and key sets: no duplicate members, no NaN, no depth that ends the process."""

import json
from typing import Any


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return a JSON object. Raises `ValueError`, whose message quotes nothing of it."""
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_members, parse_constant=_refuse)
    except (ValueError, RecursionError):
        # Without its cause: what the parser says quotes the document.
        raise ValueError("is not JSON that all readers agree on") from None
    if not isinstance(value, dict):
        raise ValueError("is no JSON object")
    return value


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is there twice")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")
