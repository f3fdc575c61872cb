"""JQL under a constraint: narrowed to the projects that a grant names before it is sent.

Every result is checked again on the way back, so a query cannot widen what a grant allows; narrowing keeps pages
full. What is not surely read as Jira reads it is refused. Source: Atlassian documentation, "JQL: syntax".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from connectors.sdk import ConstraintDenied

_KEY = re.compile(r"[A-Z][A-Z0-9_]+")
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<mark>[(),=~!<>])|(?P<word>[^\s"'(),=~!<>\\]+)"""
)
_HIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    depth: int


def quoted(value: str) -> str:
    """Return a value as a JQL string."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def projects(patterns: Sequence[str]) -> list[str] | None:
    """Return the keys of projects among canonical patterns; None where any project may match.

    Raises `ConstraintDenied` where none is a project's.
    """
    if any(pattern == "*" for pattern in patterns):
        return None
    found = list(dict.fromkeys(pattern for pattern in patterns if _KEY.fullmatch(pattern)))
    if not found:
        raise ConstraintDenied(
            "The grants name no project.", hint=f"They name: {', '.join(patterns[:10])}; a project's key is `OPS`."
        )
    return found


def within(jql: str, patterns: Sequence[str]) -> str:
    """Return a query that finds only what the patterns allow. Raises `ConstraintDenied`."""
    keys = projects(patterns)
    if keys is None:
        return jql
    conditions, order = split(jql)
    allowed = f"project in ({', '.join(map(quoted, keys))})"
    narrowed = f"{allowed} AND ({conditions})" if conditions else allowed
    return f"{narrowed} {order}" if order else narrowed


def split(jql: str) -> tuple[str, str]:
    """Return the conditions and the `ORDER BY` clause. Raises `ConstraintDenied` where they cannot be told apart."""
    tokens = _tokens(jql)
    for first, second in pairwise(tokens):
        words = (first.text.lower(), second.text.lower())
        if words == ("order", "by") and first.kind == second.kind == "word":
            if first.depth:
                raise _refused("ORDER BY stands inside parentheses")
            return jql[: first.start].strip(), jql[first.start :].strip()
    return jql.strip(), ""


def _tokens(jql: str) -> list[_Token]:
    """Read a query into words, texts and marks. Raises `ConstraintDenied` for what has no end or no beginning."""
    if _HIDDEN.search(jql):
        raise _refused("It holds control characters")
    found: list[_Token] = []
    depth, at, before = 0, 0, "space"
    while at < len(jql):
        match = _TOKEN.match(jql, at)
        if match is None or match.lastgroup is None:
            raise _refused("A quote has no end, or a backslash stands outside of quotes")
        kind = match.lastgroup
        if {kind, before} in ({"text", "word"}, {"text"}):
            raise _refused("A quote begins or ends inside a word")
        depth += (match.group() == "(") - (match.group() == ")")
        if depth < 0:
            raise _refused("A parenthesis is closed that was not opened")
        if kind != "space":
            found.append(_Token(kind, match.group(), match.start(), depth))
        at, before = match.end(), kind
    if depth:
        raise _refused("A parenthesis is not closed")
    return found


def _refused(why: str) -> ConstraintDenied:
    return ConstraintDenied(f"The query cannot be narrowed to what the grants allow. {why}.", hint="Mend the JQL.")
