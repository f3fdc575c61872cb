"""Stage: scopes. Comes before parsing, so a caller without the scope learns nothing of the input's shape."""

from datetime import datetime

from connectors.sdk.errors import ScopeDenied
from gateway.call import Resolved
from scopes.grant import Grant, covering


def authorize(target: Resolved, now: datetime) -> list[Grant]:
    """Return the live grants that give all scopes of the action on the connection. Raises `ScopeDenied`."""
    action = target.action
    grants = covering(
        target.call.asked.principal.grants, connection=target.connection.id, scopes=action.scopes, now=now
    )
    if not grants:
        needed = ", ".join(sorted(action.scopes))
        raise ScopeDenied(
            f"No live grant gives this agent {needed} on {target.connection.name}.",
            hint=f"Ask an admin to grant {needed} on {target.connection.name}.",
        )
    return grants
