"""Zendesk's OAuth scopes: `read` and `write` for everything, `tickets:read` and the like for one resource.

An action declares the narrowest scope that is documented to suffice. Some endpoints (searches, audits, views,
uploads) have none but the wide ones. Source: Zendesk developer documentation, "OAuth tokens" and "Ticket audits".
"""

READ = frozenset({"read"})
WRITE = frozenset({"write"})
READ_TICKETS = frozenset({"tickets:read"})
WRITE_TICKETS = frozenset({"tickets:write"})
READ_USERS = frozenset({"users:read"})
WRITE_USERS = frozenset({"users:write"})
READ_ORGANIZATIONS = frozenset({"organizations:read"})


def oauth_scopes(needed: frozenset[str]) -> frozenset[str]:
    """Return what to ask for: a wide scope makes the narrow ones of its kind needless.

    Never empty: Zendesk takes a request without scopes for one of everything.
    """
    wide = needed & {"read", "write"}
    return (wide | {scope for scope in needed if scope.rpartition(":")[2] not in wide}) or READ_USERS


def missing(method: str, granted: frozenset[str], needed: frozenset[str]) -> frozenset[str]:
    """Return the needed scopes that were not granted. An API token has none: it may what its user may."""
    if method == "token":
        return frozenset()
    return frozenset(scope for scope in needed if not {scope, scope.rpartition(":")[2]} & granted)
