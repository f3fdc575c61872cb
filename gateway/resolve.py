"""Stage: the action and the connection that were meant. Never picks one silently."""

from difflib import get_close_matches

from connectors.sdk.errors import ActionNotFound, ConnectionAmbiguous, ConnectionRequired, ConnectionUnhealthy
from gateway.authorize import check_personal
from gateway.call import Connection, Opened, Resolved
from gateway.registry import Registry


class Resolver:
    """Finds actions in the registry and connections among the caller's grants."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def resolve(self, call: Opened) -> Resolved:
        """Return the target. Raises `ActionNotFound`, `ConnectionRequired`, `ConnectionAmbiguous`."""
        name = call.asked.action
        found = self._registry.action(name)
        if found is None:
            raise self._unknown(name)
        connector, action = found
        call.action, call.effect = action.name, action.effect.value
        connection = self._connection(call, connector.id)
        call.connection = connection.id
        return Resolved(call, connector, action, connection)

    def _connection(self, call: Opened, connector: str) -> Connection:
        principal = call.asked.principal
        mine = [c for c in principal.connections.values() if c.connector == connector]
        named = call.asked.options.connection
        if named is not None:
            for connection in mine:
                if named in (connection.name, connection.id):
                    check_personal(principal, connection)
                    return connection
            raise ConnectionRequired(
                f"This agent has no {connector} connection {named[:80]!r}.",
                hint="`GET /v1/actions?connection=` shows what a connection allows; an admin grants connections.",
            )
        if not mine:
            raise ConnectionRequired(
                f"This agent has no {connector} connection.",
                hint=f"Ask an admin for a grant on a {connector} connection.",
            )
        if principal.actor is not None:
            # Whoever proves for whom it acts does not mean what belongs to others.
            mine = [connection for connection in mine if principal.opens(connection)] or mine[:1]
        if len(mine) > 1:
            names = ", ".join(sorted(connection.name for connection in mine))
            raise ConnectionAmbiguous(
                f"This agent has {len(mine)} {connector} connections: {names}.",
                hint="Name one in the header Gatehouse-Connection, over MCP as `_gatehouse.connection`.",
            )
        check_personal(principal, mine[0])
        return mine[0]

    def _unknown(self, name: str) -> ActionNotFound:
        near = get_close_matches(name[:120], self._registry.near(name[:120]), n=3, cutoff=0.6)
        hint = f"Did you mean {', '.join(near)}?" if near else "`GET /v1/actions` lists the actions you may call."
        return ActionNotFound(f"There is no action {name[:120]!r}.", hint=hint)


def check_health(target: Resolved) -> None:
    """Refuse a connection that is known to be unusable, or lacks the vendor scopes of the action."""
    connection, action = target.connection, target.action
    if connection.health in {"unhealthy", "pending"}:
        raise ConnectionUnhealthy(
            f"The connection {connection.name} cannot be used: {connection.health_reason}.",
            hint=reconnect_hint(connection),
        )
    if connection.granted is None:
        return
    missing = target.connector.missing_scopes(connection.method, connection.granted, action.vendor_scopes)
    if missing:
        raise ConnectionUnhealthy(
            f"The connection {connection.name} was not given {', '.join(sorted(missing))} by the vendor.",
            hint=reconnect_hint(connection),
        )


def reconnect_hint(connection: Connection) -> str:
    """Say what an admin does about an unusable connection."""
    path = f"/v1/admin/tenants/{connection.tenant}/environments/{connection.environment}/connections/{connection.id}"
    return f"An admin re-connects it: POST {path}/reconnect"
