"""Path templates: `/repos/{owner}/{repo}`, and `{path+}` for a value whose slashes separate segments.

A value is percent-encoded into its segment. `.`, `..`, the empty string and control characters are refused, also
when they arrive encoded: URL libraries and proxies collapse dot segments before a server sees them.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

from connectors.sdk.errors import InvalidInput, Issue

_FIELD = re.compile(r"\{([a-z_][a-z0-9_]*)(\+?)\}")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_SLASHES = re.compile(r"[/\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def fill(template: str, values: Mapping[str, object]) -> str:
    """Return the template with every value encoded into its place. Raises `InvalidInput` with a pointer."""
    return "".join(part if isinstance(part, str) else part(values) for part in _parts(template))


@lru_cache(maxsize=4096)
def fields_of(template: str) -> tuple[str, ...]:
    """Return the names that a template needs."""
    return tuple(match.group(1) for match in _FIELD.finditer(template))


def segment(name: str, value: object) -> str:
    """Encode one value into one path segment. Raises `InvalidInput` for a value that could leave it."""
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text  # nothing in it can be encoded or mean anything but itself
    decoded = _decoded(text)
    if decoded in {"", ".", ".."} or text in {"", ".", ".."}:
        raise _refused(name, text, "must not be empty, `.` or `..`")
    if _CONTROL.search(decoded) or _CONTROL.search(text):
        raise _refused(name, text, "must not hold control characters")
    if any(part in {".", ".."} for part in _SLASHES.split(decoded)):
        raise _refused(name, text, "must not hold `.` or `..` between slashes")
    if "/" in decoded and "/" not in text:
        raise _refused(name, text, "must not hold an encoded slash")
    return quote(text, safe="")


@lru_cache(maxsize=4096)
def _parts(template: str) -> tuple[str | Callable[[Mapping[str, object]], str], ...]:
    parts: list[str | Callable[[Mapping[str, object]], str]] = []
    end = 0
    for match in _FIELD.finditer(template):
        parts.append(template[end : match.start()])
        parts.append(_filler(match.group(1), many=bool(match.group(2))))
        end = match.end()
    parts.append(template[end:])
    return tuple(parts)


def _filler(name: str, *, many: bool) -> Callable[[Mapping[str, object]], str]:
    def one_segment(values: Mapping[str, object]) -> str:
        return segment(name, values[name])

    def many_segments(values: Mapping[str, object]) -> str:
        return "/".join(segment(name, piece) for piece in str(values[name]).split("/"))

    return many_segments if many else one_segment


def _decoded(text: str) -> str:
    """Undo percent-encoding until nothing changes, as the most careless server on the way might."""
    for _ in range(8):
        plain = unquote(text)
        if plain == text:
            return text
        text = plain
    return text


def _refused(name: str, value: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"`{name}` {why}: it is one part of a path.",
        issues=[Issue(pointer=f"/{name}", message=f"{why}, got {value[:40]!r}")],
    )
