"""Scopes: `connector:resource:access`. No access implies another, and `*` stands only for a whole segment."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

ACCESSES = ("read", "write", "delete", "admin")
_CONNECTOR = re.compile(r"[a-z][a-z0-9_]{1,31}")
_RESOURCE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_GRAMMAR = "write `connector:resource:access`, such as `github:issue:read`, or `*` for a whole segment"


class ScopeSyntaxError(ValueError):
    """The text is no scope and no pattern of scopes. The message says what to write."""


class UnknownScope(ValueError):
    """The pattern matches no scope that exists. The message lists near names."""


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """One scope, or a pattern of scopes where a segment is `*`."""

    connector: str
    resource: str
    access: str

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return f"{self.connector}:{self.resource}:{self.access}"

    @property
    def concrete(self) -> bool:
        """Whether no segment is `*`."""
        return "*" not in (self.connector, self.resource, self.access)

    def covers(self, other: "Scope") -> bool:
        """Whether every segment is `*` or the same as the other's."""
        pairs = ((self.connector, other.connector), (self.resource, other.resource), (self.access, other.access))
        return all(mine in ("*", theirs) for mine, theirs in pairs)


def parse(text: str) -> Scope:
    """Read a scope or a pattern. Raises `ScopeSyntaxError`."""
    parts = text.split(":") if len(text) <= 128 else []
    if len(parts) != 3:
        raise ScopeSyntaxError(f"{text[:128]!r} is no scope: {_GRAMMAR}.")
    connector, resource, access = parts
    for part, grammar in ((connector, _CONNECTOR), (resource, _RESOURCE)):
        if part != "*" and not grammar.fullmatch(part):
            raise ScopeSyntaxError(
                f"{text!r} is no scope: {part!r} must be lower-case letters, digits, `_`; {_GRAMMAR}."
            )
    if access != "*" and access not in ACCESSES:
        raise ScopeSyntaxError(f"{text!r} is no scope: its access must be one of {', '.join(ACCESSES)}, or `*`.")
    return Scope(connector, resource, access)


def expand(patterns: Iterable[str], catalogue: Iterable[str]) -> frozenset[str]:
    """Return the concrete scopes that the patterns mean today.

    Grants store the result, so a scope that a later version of a connector adds is never granted silently.
    Raises `ScopeSyntaxError`, and `UnknownScope` for a pattern that matches nothing.
    """
    known = [parse(text) for text in catalogue]
    found: set[str] = set()
    for text in patterns:
        pattern = parse(text)
        matched = {str(scope) for scope in known if pattern.covers(scope)}
        if not matched:
            raise UnknownScope(_unknown(text, [str(scope) for scope in known]))
        found |= matched
    return frozenset(found)


def near_names(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return at most five names that a person may have meant, nearest first."""
    return tuple(difflib.get_close_matches(name[:128], sorted(set(names)), n=5, cutoff=0.5))


def _unknown(text: str, known: list[str]) -> str:
    near = near_names(text, known)
    said = f"did you mean {', '.join(near)}?" if near else "no installed connector has one like it."
    return f"{text!r} matches no scope; {said}"
