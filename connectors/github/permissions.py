"""What of GitHub's own permissions an action needs, in the words of GitHub Apps, and who has them.

Actions declare app permissions (`issues:write`), the finest that GitHub has. Classic tokens and OAuth apps carry
coarser scopes; `missing` and `oauth_scopes` translate. Source: GitHub documentation, "Scopes for OAuth apps" and
"Permissions required for GitHub Apps".
"""

from collections.abc import Mapping

_RANK = {"read": 1, "write": 2, "admin": 3}

# Which scopes give a permission; any one of them. What is not listed is given by `repo`.
_SCOPES: Mapping[str, frozenset[str]] = {
    "members": frozenset({"read:org", "write:org", "admin:org"}),
    "notifications": frozenset({"notifications", "repo"}),
    "workflows": frozenset({"workflow"}),
}
# `public_repo` may be enough: whether a repository is public is GitHub's to say.
_REPOSITORY = frozenset({"repo", "public_repo"})
_ASKED = {"members": "read:org", "notifications": "notifications", "workflows": "workflow"}


def missing(method: str, granted: frozenset[str], needed: frozenset[str]) -> frozenset[str]:
    """Return the needed permissions that a credential lacks.

    A pasted token whose scopes GitHub does not tell (a fine-grained one) counts as having what is needed: GitHub
    refuses what it lacks. For an app, write implies read.
    """
    if method == "app":
        levels = _levels(granted)
        return frozenset(need for need in needed if not _covered(need, levels))
    if method == "token" and not granted:
        return frozenset()
    return frozenset(need for need in needed if not granted & _SCOPES.get(need.partition(":")[0], _REPOSITORY))


def oauth_scopes(needed: frozenset[str]) -> frozenset[str]:
    """Return the least OAuth scopes that give the needed permissions."""
    return frozenset(_ASKED.get(need.partition(":")[0], "repo") for need in needed)


def _levels(granted: frozenset[str]) -> dict[str, int]:
    levels: dict[str, int] = {}
    for permission in granted:
        name, _, level = permission.replace("=", ":").partition(":")
        levels[name] = max(levels.get(name, 0), _RANK.get(level, 0))
    return levels


def _covered(need: str, levels: Mapping[str, int]) -> bool:
    name, _, level = need.partition(":")
    # Every installation may read metadata.
    return need == "metadata:read" or levels.get(name, 0) >= _RANK[level]
