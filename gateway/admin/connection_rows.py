"""Connections as rows: found by id or name, shown with their health."""

from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping, select

from connectors.sdk import Connector
from gateway.admin.directory import read_connection, read_grant
from gateway.admin.rows import Place, Shown, missing, scoped
from gateway.ledger.schema import connections, grants

Row = RowMapping | dict[str, Any]


def find_connection(rows: Rows, place: Place, reference: str) -> RowMapping:
    """Return a connection that was not deleted, by id or name. Raises `NotFound`."""
    wanted = connections.c.id if reference.startswith("conn_") else connections.c.name
    query = scoped(connections, place, wanted == reference, connections.c.deleted_at.is_(None))
    found = rows.execute(query).mappings().first()
    if found is None:
        raise missing("connection", reference)
    return found


def needed_scopes(rows: Rows, connector: Connector | None, connection: str, now: datetime) -> frozenset[str]:
    """Return the vendor scopes that the granted actions need on a connection, together."""
    if connector is None:
        return frozenset()
    query = select(grants).where(grants.c.connection == connection, grants.c.revoked_at.is_(None))
    live = [grant for grant in map(read_grant, rows.execute(query).mappings()) if grant.live(now)]
    return frozenset[str]().union(
        *(
            action.vendor_scopes
            for action in connector.actions.values()
            if any(action.scopes <= grant.scopes for grant in live)
        )
    )


def shown(row: Row, connector: Connector | None, needed: frozenset[str]) -> Shown:
    """Return a connection's public form. The credential is no part of it."""
    names = ("id", "connector", "name", "method", "base_url", "owner_actor")
    account = {"id": row["account"], "label": row["account_label"]} if row["account"] else None
    return {
        **{name: row[name] for name in names},
        "account": account,
        "health": health(row, connector, needed),
        "version": row["version"],
        "created_at": row["created_at"],
    }


def health(row: Row, connector: Connector | None, needed: frozenset[str]) -> Shown:
    """Return a connection's health. `granted` and `missing` are null where the vendor does not tell."""
    connection = read_connection(row)
    granted, missing_scopes = connection.granted, None
    if granted is not None and connector is not None:
        missing_scopes = sorted(connector.missing_scopes(connection.method, granted, needed))
    return {
        "status": connection.health,
        "reason": connection.health_reason,
        "granted": sorted(granted) if granted is not None else None,
        "needed": sorted(needed),
        "missing": missing_scopes,
        "checked_at": row["checked_at"],
    }


def recorded(row: Row) -> Shown:
    """Return a connection as events hold it."""
    names = ("id", "connector", "name", "method", "base_url", "owner_actor", "account", "health", "health_reason")
    granted = orjson.loads(row["granted"]) if row["granted"] else None
    return {**{name: row[name] for name in names}, "granted": granted, "version": row["version"]}
