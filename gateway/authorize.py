"""Stage: scopes. Comes before parsing, so a caller without the scope learns nothing of the input's shape."""

from datetime import datetime

from connectors.sdk import Action
from connectors.sdk.errors import ConnectionRequired, ScopeDenied
from gateway.call import Connection, Principal, Resolved
from scopes.grant import Grant, covering

NEEDED = "needed_scopes"  # the member of a problem: the scopes that a caller's token would have to have


def authorize(target: Resolved, now: datetime) -> list[Grant]:
    """Return the live grants that give all scopes of the action on the connection. Raises `ScopeDenied`."""
    action, principal = target.action, target.call.asked.principal
    grants = covering(principal.grants, connection=target.connection.id, scopes=action.scopes, now=now)
    if not grants:
        needed = ", ".join(sorted(action.scopes))
        raise narrow_token(principal, target.connection.id, action, now) or ScopeDenied(
            f"No live grant gives this agent {needed} on {target.connection.name}.",
            hint=f"Ask an admin to grant {needed} on {target.connection.name}.",
        )
    return grants


def narrow_token(principal: Principal, connection: str, action: Action, now: datetime) -> ScopeDenied | None:
    """Return the problem where the grants would do and the caller's token does not reach as far, else None."""
    if not covering(principal.withheld, connection=connection, scopes=action.scopes, now=now):
        return None
    needed = sorted(action.scopes)
    return ScopeDenied(
        f"This token does not have {', '.join(needed)}, which the agent's grants would allow.",
        hint="Ask the token's issuer for a token with these scopes too.",
        members={NEEDED: needed},
    )


def check_personal(principal: Principal, connection: Connection) -> None:
    """Refuse a personal connection to a caller that does not prove to act for its owner. Raises `ConnectionRequired`.

    An actor that is only asserted authorises nothing.
    """
    if not principal.opens(connection):
        raise ConnectionRequired(
            f"{connection.name} belongs to a person, and this call does not prove to act for them.",
            hint="Personal connections serve callers that prove their actor by a federated token.",
        )
