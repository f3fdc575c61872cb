"""Commands for admins: each asks a running gateway's admin API, and holds no logic of its own."""

import typer

from gateway.commands import agents, connections, control, grants, records, tenants

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add all groups of commands."""
    for each in (tenants, agents, connections, grants, control, records):
        each.register(app)
