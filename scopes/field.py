"""Fields of JSON values that constraints name: find, drop, redact them.

A bare name means that key at any depth; a dotted path means a contiguous suffix of the path of keys, list indexes
left out: `user.email` means `/user/email` and `/items/3/user/email`. Each function walks a value once, without
recursion, and leaves its argument as it was.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TypeAlias

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None
REDACTED = "[redacted]"


class _Fields:
    """Names and dotted paths, arranged so that a key costs one look-up."""

    __slots__ = ("dotted", "names", "reach")

    def __init__(self, fields: Iterable[str]) -> None:
        self.names: set[str] = set()
        self.dotted: dict[str, list[tuple[str, ...]]] = {}
        for field in fields:
            self.names.add(field)  # also a dotted one: vendors have keys with dots in them
            *parents, last = field.split(".")
            if parents:
                self.dotted.setdefault(last, []).append(tuple(parents))
        self.reach = max((len(p) for found in self.dotted.values() for p in found), default=0)

    def match(self, above: tuple[str, ...], key: str) -> bool:
        """Whether a key is meant, given the nearest keys above it, outermost first."""
        if key in self.names:
            return True
        paths = self.dotted.get(key)
        return paths is not None and any(above[-len(parents) :] == parents for parents in paths)

    def below(self, above: tuple[str, ...], key: str) -> tuple[str, ...]:
        """Return as many of the keys above a child as any path needs."""
        return (*above, key)[-self.reach :] if self.reach else ()


@lru_cache(maxsize=1024)
def _fields(fields: tuple[str, ...]) -> _Fields:
    return _Fields(fields)


def denied_paths(value: JSON, fields: Iterable[str]) -> list[str]:
    """Return the RFC 6901 pointers of everything that the fields name, in the order of the value."""
    return [pointer for pointer, _ in _named(value, fields)]


def masked_input_paths(value: JSON, fields: Iterable[str]) -> list[str]:
    """Return pointers where an input would write the mask back into a redacted field.

    An agent that reads a record, changes one field and writes it back would otherwise destroy what it may not see.
    The mask inside a longer text counts too.
    """
    return [
        pointer + inside
        for pointer, found in _named(value, fields)
        for inside, leaf in _leaves(found)
        if isinstance(leaf, str) and REDACTED in leaf
    ]


def drop_fields(value: JSON, fields: Iterable[str]) -> JSON:
    """Return the value without the fields."""

    def drop(into: dict[str, JSON], key: str) -> None:
        del into[key]

    return _rewritten(value, fields, drop)


def redact_fields(value: JSON, fields: Iterable[str]) -> JSON:
    """Return the value with every one of the fields replaced by the mask, whatever was in it."""

    def mask(into: dict[str, JSON], key: str) -> None:
        into[key] = REDACTED

    return _rewritten(value, fields, mask)


def _named(value: JSON, fields: Iterable[str]) -> Iterator[tuple[str, JSON]]:
    """Yield pointer and value of every field that is named; what is inside one is not looked at again."""
    wanted = _fields(tuple(fields))
    if not wanted.names:
        return
    pending: list[tuple[JSON, str, tuple[str, ...]]] = [(value, "", ())]
    while pending:
        current, pointer, above = pending.pop()
        if isinstance(current, dict):
            inner: list[tuple[JSON, str, tuple[str, ...]]] = []
            for key, child in current.items():
                at = f"{pointer}/{_escaped(key)}"
                if wanted.match(above, key):
                    yield at, child
                elif isinstance(child, dict | list):
                    inner.append((child, at, wanted.below(above, key)))
            pending.extend(reversed(inner))
        elif isinstance(current, list):
            nested = [(c, f"{pointer}/{i}", above) for i, c in enumerate(current) if isinstance(c, dict | list)]
            pending.extend(reversed(nested))


def _leaves(value: JSON) -> Iterator[tuple[str, JSON]]:
    pending: list[tuple[JSON, str]] = [(value, "")]
    while pending:
        current, pointer = pending.pop()
        if isinstance(current, dict):
            pending.extend((child, f"{pointer}/{_escaped(key)}") for key, child in reversed(current.items()))
        elif isinstance(current, list):
            pending.extend((current[i], f"{pointer}/{i}") for i in reversed(range(len(current))))
        else:
            yield pointer, current


def _rewritten(value: JSON, fields: Iterable[str], change: Callable[[dict[str, JSON], str], None]) -> JSON:
    wanted = _fields(tuple(fields))
    if not wanted.names or not isinstance(value, dict | list):
        return value
    result = value.copy()
    pending: list[tuple[dict[str, JSON] | list[JSON], tuple[str, ...]]] = [(result, ())]
    while pending:
        current, above = pending.pop()
        if isinstance(current, dict):
            for key, child in list(current.items()):
                if wanted.match(above, key):
                    change(current, key)
                elif isinstance(child, dict | list):
                    copied = current[key] = child.copy()
                    pending.append((copied, wanted.below(above, key)))
        else:
            for index, item in enumerate(current):
                if isinstance(item, dict | list):
                    copied = current[index] = item.copy()
                    pending.append((copied, above))
    return result


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
