"""Routing by method and template: `/repos/{owner}/{repo}`, and `{path+}` for the rest of a path.

Small on purpose: a look-up costs about a microsecond, a routing framework's some thirty.
"""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote

TargetT = TypeVar("TargetT")


class _Node(Generic[TargetT]):
    __slots__ = ("literal", "name", "rest", "targets", "value")

    def __init__(self) -> None:
        self.literal: dict[str, _Node[TargetT]] = {}
        self.value: _Node[TargetT] | None = None
        self.rest: _Node[TargetT] | None = None
        self.targets: dict[str, tuple[tuple[str, ...], TargetT]] = {}


class Routes(Generic[TargetT]):
    """A tree of path segments. Literal segments win over values, values over `{rest+}`."""

    def __init__(self, routes: Iterable[tuple[str, str, TargetT]] = ()) -> None:
        self._root: _Node[TargetT] = _Node()
        for method, template, target in routes:
            self.add(method, template, target)

    def add(self, method: str, template: str, target: TargetT) -> None:
        """Route one method of a template to `target`. Raises `ValueError` where it is routed already."""
        node, names = self._root, list[str]()
        for part in template.strip("/").split("/"):
            if part.startswith("{"):
                names.append(part.strip("{+}"))
                if part.endswith("+}"):
                    node.rest = node.rest or _Node()
                    node = node.rest
                else:
                    node.value = node.value or _Node()
                    node = node.value
            else:
                node = node.literal.setdefault(part, _Node())
        if method in node.targets:
            raise ValueError(f"{method} {template} is routed twice")
        node.targets[method] = (tuple(names), target)

    def find(self, method: str, raw_path: str) -> tuple[TargetT, Mapping[str, str]] | None:
        """Return the target and the decoded values for an encoded path, or None."""
        segments = raw_path.strip("/").split("/")
        found = _walk(self._root, segments, 0, [], method)
        if found is None:
            return None
        (names, target), values = found
        return target, dict(zip(names, map(unquote, values), strict=True))


_Found = tuple[tuple[tuple[str, ...], TargetT], list[str]]


def _walk(node: _Node[TargetT], segments: list[str], at: int, values: list[str], method: str) -> _Found[TargetT] | None:
    if at == len(segments):
        target = node.targets.get(method)
        return None if target is None else (target, values)
    segment = segments[at]
    child = node.literal.get(segment)
    if child is not None and (found := _walk(child, segments, at + 1, values, method)):
        return found
    if (
        node.value is not None
        and segment
        and (found := _walk(node.value, segments, at + 1, [*values, segment], method))
    ):
        return found
    return _rest(node, segments, at, values, method)


def _rest(node: _Node[TargetT], segments: list[str], at: int, values: list[str], method: str) -> _Found[TargetT] | None:
    if node.rest is None:
        return None
    # Shortest first: `{ref+}` takes the whole remainder unless a literal tail such as `/check-runs` follows it.
    for end in range(at + 1, len(segments) + 1):
        found = _walk(node.rest, segments, end, [*values, "/".join(segments[at:end])], method)
        if found:
            return found
    return None
