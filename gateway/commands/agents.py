"""`gatehouse agents` and `gatehouse keys`."""

from typing import Annotated, Any

import typer

from gateway.commands.client import Api
from gateway.commands.remote import Limit, Version, command, group
from gateway.commands.said import given, limits, some

Description = Annotated[str | None, typer.Option(help="What it is for.")]
Limits = Annotated[list[str] | None, typer.Option("--per-minute", help="requests_per_minute=60, action:NAME=5, ...")]
Cidrs = Annotated[list[str] | None, typer.Option("--cidr", help="A network that the key works from.")]
Expires = Annotated[str | None, typer.Option(help="When it ends, such as 2026-12-31T00:00:00Z.")]


def register(app: typer.Typer) -> None:
    """Add the groups."""
    _agents(group(app, "agents", "Agents: non-human callers."))
    _keys(group(app, "keys", "Agents' keys."))


def _agents(agents: typer.Typer) -> None:
    @command(agents, "list", columns=("id", "name", "disabled", "limits", "description"))
    def listed(api: Api, limit: Limit = 50) -> Any:
        """List the agents."""
        return api.items(api.here("agents"), limit)

    @command(agents, "show")
    def show(api: Api, agent: str) -> Any:
        """Show an agent, by id or name."""
        return api.get(api.here("agents", agent))

    @command(agents, "create")
    def create(api: Api, name: str, description: Description = None, per_minute: Limits = None) -> Any:
        """Make an agent."""
        wanted = given(name=name, description=description, limits=limits(per_minute))
        return api.post(api.here("agents"), wanted)

    @command(agents, "update")
    def update(
        api: Api,
        agent: str,
        name: Annotated[str | None, typer.Option(help="Its new name.")] = None,
        description: Description = None,
        per_minute: Limits = None,
        if_version: Version = None,
    ) -> Any:
        """Change an agent."""
        change = some(name=name, description=description, limits=limits(per_minute))
        return api.patch(api.here("agents", agent), change, if_version)

    @command(agents, "disable")
    def disable(api: Api, agent: str) -> Any:
        """Refuse an agent with all its keys, at once."""
        return api.patch(api.here("agents", agent), {"disabled": True})

    @command(agents, "enable")
    def enable(api: Api, agent: str) -> Any:
        """Let a disabled agent call again."""
        return api.patch(api.here("agents", agent), {"disabled": False})


def _keys(keys: typer.Typer) -> None:
    @command(keys, "list", columns=("id", "cidrs", "expires_at", "revoked_at", "replaces", "created_at"))
    def listed(api: Api, agent: str, limit: Limit = 50) -> Any:
        """List an agent's keys."""
        return api.items(api.here("agents", agent, "keys"), limit)

    @command(keys, "create")
    def create(api: Api, agent: str, cidr: Cidrs = None, expires_at: Expires = None) -> Any:
        """Make a key and show it, this once."""
        return api.post(api.here("agents", agent, "keys"), given(cidrs=cidr, expires_at=expires_at))

    @command(keys, "update")
    def update(
        api: Api,
        agent: str,
        key: str,
        cidr: Cidrs = None,
        expires_at: Expires = None,
        if_version: Version = None,
    ) -> Any:
        """Change where and how long a key works."""
        change = some(cidrs=cidr or None, expires_at=expires_at)
        return api.patch(api.here("agents", agent, "keys", key), change, if_version)

    @command(keys, "rotate")
    def rotate(
        api: Api,
        agent: str,
        key: str,
        overlap_seconds: Annotated[int, typer.Option(help="How long the old key still works.")] = 86400,
    ) -> Any:
        """Make a key that takes another's place and show it, this once."""
        return api.post(api.here("agents", agent, "keys", key, "rotate"), {"overlap_seconds": overlap_seconds})

    @command(keys, "revoke")
    def revoke(api: Api, agent: str, key: str) -> Any:
        """End a key at once."""
        return api.delete(api.here("agents", agent, "keys", key))
