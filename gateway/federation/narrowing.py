"""A token's scopes cut the grants down; they never add to them."""

from collections.abc import Sequence
from dataclasses import replace

from scopes.grant import Grant
from scopes.scope import parse


def narrowed(grants: Sequence[Grant], scopes: Sequence[str]) -> tuple[Grant, ...]:
    """Return the grants with no more than the scopes that the token's patterns cover, without those left empty."""
    patterns = [parse(text) for text in scopes]

    def covered(scope: str) -> bool:
        wanted = parse(scope)
        return any(pattern.covers(wanted) for pattern in patterns)

    kept = [replace(grant, scopes=frozenset(filter(covered, grant.scopes))) for grant in grants]
    return tuple(grant for grant in kept if grant.scopes)
