"""Reads JSON bodies strictly, and writes them canonically.

Duplicate keys, NaN, lone surrogates, integers beyond 2^53-1 and nesting over 64 levels are refused with a pointer
where there is one. orjson does the work; the slower standard parser runs only where a duplicate key could hide.
"""

import json
from hashlib import sha256
from typing import Any, cast

import orjson
import rfc8785

from connectors.sdk.errors import Issue, MalformedRequest

MAX_DEPTH = 64
MAX_INTEGER = 2**53 - 1


def parse(raw: bytes) -> Any:
    """Return the value of a body. Raises `MalformedRequest`."""
    if not raw.strip():
        raise MalformedRequest("The body is empty.", hint="Send the action's input as a JSON object.")
    _check_nesting(raw)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(
            f"The body is not JSON: {error.msg} at character {error.pos}.", hint="Send UTF-8 JSON."
        ) from error
    _check(value)
    if _may_hide_duplicates(raw, value):
        _refuse_duplicates(raw)
    return value


def canonical(value: object) -> bytes:
    """Write a value by RFC 8785. No Unicode normalisation."""
    if _plain(value):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return rfc8785.dumps(cast("Any", value))


def digest(*parts: object) -> str:
    """Return the SHA-256 of the canonical form, in hex."""
    return sha256(canonical(list(parts))).hexdigest()


def _check_nesting(raw: bytes) -> None:
    """Refuse deep bodies before a parser walks them. Brackets in strings can only make this stricter to pass on
    to the exact check, so a shallow count is enough to go on.
    """
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    depth, in_string, escaped = 0, False, False
    for byte in raw:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in {0x5B, 0x7B}:
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedRequest(f"The body is nested deeper than {MAX_DEPTH} levels.", hint="Flatten the input.")
        elif byte in {0x5D, 0x7D}:
            depth -= 1


def _check(value: object, pointer: str = "") -> None:
    """Refuse integers that other JSON readers would round."""
    if isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            if isinstance(item, str | bool) or item is None:
                continue
            _check(item, f"{pointer}/{escape(key)}")
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            if not isinstance(item, str):
                _check(item, f"{pointer}/{index}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # orjson reads integers over 64 bits as floats, so a float of that size is refused with them.
        too_large = abs(value) > MAX_INTEGER and (isinstance(value, int) or value.is_integer())
        if too_large:
            raise MalformedRequest(
                "The body holds a number beyond 2^53-1, which JSON readers round.",
                issues=[Issue(pointer=pointer or "/", message="beyond ±(2^53-1); send it as a string")],
            )


def _may_hide_duplicates(raw: bytes, value: object) -> bool:
    """Every member has one colon. Where colons were neither escaped nor dropped, none was lost."""
    return b"\\u" in raw or raw.count(b":") != orjson.dumps(value).count(b":")


def _refuse_duplicates(raw: bytes) -> None:
    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise MalformedRequest(
                f"The body has the key {twice[:60]!r} twice.", hint="Readers disagree on which of the two counts."
            )
        return found

    json.loads(raw, object_pairs_hook=members)


def _plain(value: object) -> bool:
    """Whether orjson's sorted form is the canonical one: no floats, and keys that sort alike in UTF-8 and UTF-16."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return all(key.isascii() and _plain(item) for key, item in members.items())
    if isinstance(value, list):
        return all(_plain(item) for item in cast("list[object]", value))
    return not isinstance(value, float)


def escape(part: str) -> str:
    """Write a key as one part of a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")
