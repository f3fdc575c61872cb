"""Large results: cut at item boundaries, with a cursor; the whole stays readable page by page."""

from collections.abc import Mapping
from typing import Any

import orjson

from connectors.sdk.errors import InvalidInput, Issue

INLINE_BYTES = 256 * 1024
_TEXT_PART = 64 * 1024


def inline(body: Mapping[str, Any], most: int = INLINE_BYTES) -> Mapping[str, Any]:
    """Return a finished call's body with an output of at most so many bytes.

    A list under `/items` is cut to its first items; anything else that is too large is left out. The member
    `truncated` says what is missing and where to read it.
    """
    output = body.get("output")
    if output is None:
        return body
    size = len(orjson.dumps(output))
    if size <= most:
        return body
    href = f"/v1/calls/{body['id']}/output"
    if isinstance(output, Mapping) and isinstance(output.get("items"), list):
        items = output["items"]
        kept = _first(items, most)
        cut = {"pointer": "/items", "returned": len(kept), "total": len(items), "href": f"{href}?pointer=/items"}
        return {**body, "output": {**output, "items": kept}, "truncated": cut}
    return {**body, "output": None, "truncated": {"pointer": "", "bytes": size, "href": href}}


def page(output: Any, pointer: str, start: int, limit: int, most: int = INLINE_BYTES) -> tuple[list[Any], int | None]:
    """Return a page of the part of an output that a pointer names, and where the next one begins.

    Lists give items, texts give pieces of 64 KiB characters, objects their members as `{name, value}`; a value
    gives itself. It has at most so many bytes, or one item. Raises `InvalidInput` for a pointer that leads nowhere.
    """
    items = _sequence(_at(output, pointer))
    kept = _first(items[start : start + limit], most) or items[start : start + 1]
    end = start + len(kept)
    return kept, end if end < len(items) else None


def _sequence(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return [value[start : start + _TEXT_PART] for start in range(0, len(value), _TEXT_PART)] or [""]
    if isinstance(value, Mapping):
        return [{"name": name, "value": item} for name, item in value.items()]
    return [value]


def _first(items: list[Any], most: int) -> list[Any]:
    kept: list[Any] = []
    size = 0
    for item in items:
        size += len(orjson.dumps(item)) + 1
        if size > most:
            break
        kept.append(item)
    return kept


def _at(value: Any, pointer: str) -> Any:
    if pointer in {"", "/"}:
        return value
    if not pointer.startswith("/"):
        raise _nowhere(pointer)
    for part in pointer[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(value):
            value = value[int(name[:9])]
        else:
            raise _nowhere(pointer)
    return value


def _nowhere(pointer: str) -> InvalidInput:
    why = "names nothing in this output; write it as RFC 6901 has it, such as /items"
    return InvalidInput(f"The pointer {pointer[:80]!r} {why}.", issues=[Issue(parameter="pointer", message=why)])
