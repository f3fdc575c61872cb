"""Commands for admins, which ask a running gateway's admin API and hold no logic of their own; and for engineers."""

import typer

from gateway.commands import (
    agents,
    connections,
    connector,
    control,
    data_keys,
    grants,
    issuers,
    records,
    tenants,
    trial,
)

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add all groups of commands."""
    for each in (tenants, agents, connections, grants, issuers, control, records, data_keys, connector, trial):
        each.register(app)
