"""Searches under a constraint: narrowed to the repositories that a grant names before they are sent.

Every result is checked again on the way back, so a query cannot widen what a grant allows; narrowing keeps pages
full. Source: GitHub documentation, "Understanding the search syntax".
"""

from collections.abc import Sequence

from connectors.sdk import ConstraintDenied

# GitHub refuses queries of more than five AND, OR and NOT.
_MOST_PLACES = 6


def places(patterns: Sequence[str]) -> list[str]:
    """Return qualifiers for canonical patterns: `repo:acme/web`, `user:acme`; none where anything may match.

    Raises `ConstraintDenied` where there are more than GitHub takes.
    """
    found: list[str] = []
    for pattern in patterns:
        owner, _, repo = pattern.partition("/")
        if owner == "*":
            return []
        found.append(f"user:{owner}" if repo in {"", "*"} else f"repo:{owner}/{repo}")
    unique = list(dict.fromkeys(found))
    if len(unique) > _MOST_PLACES:
        raise ConstraintDenied(
            f"A search takes at most {_MOST_PLACES} repositories, and the grants name {len(unique)}.",
            hint="List the issues of one repository instead.",
        )
    return unique


def within(query: str, patterns: Sequence[str]) -> str:
    """Return a query for issues that finds only what the patterns allow. Raises `ConstraintDenied`."""
    where = places(patterns)
    if not where:
        return query
    if not _closed(query):
        raise ConstraintDenied("A query with open quotes or parentheses cannot be narrowed.", hint="Close them.")
    allowed = where[0] if len(where) == 1 else f"({' OR '.join(where)})"
    return f"{grouped(query)} {allowed}"


def grouped(query: str) -> str:
    """Return a query that further terms can follow: they would bind only to its last choice otherwise."""
    return f"({query})" if " OR " in f" {query} " else query


def check_owner(owner: str, patterns: Sequence[str]) -> None:
    """Refuse a list of an owner whose repositories none of the patterns can match. Raises `ConstraintDenied`."""
    if not any(pattern.partition("/")[0] in {"*", owner.lower()} for pattern in patterns):
        raise ConstraintDenied(
            f"No repository of {owner!r} is among those that this agent's grants name.",
            hint=f"The grants name: {', '.join(patterns[:10])}.",
        )


def _closed(query: str) -> bool:
    if query.count('"') % 2 or "\\" in query:
        return False
    depth = 0
    for outside in query.split('"')[::2]:
        for character in outside:
            depth += (character == "(") - (character == ")")
            if depth < 0:
                return False
    return depth == 0
