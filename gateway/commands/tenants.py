"""`gatehouse tenants` and `gatehouse environments`."""

from typing import Annotated, Any

import typer

from gateway.commands.client import Api
from gateway.commands.remote import Limit, Version, command, group
from gateway.commands.said import given, some

Title = Annotated[str | None, typer.Option(help="What people call it.")]
WhenGone = Annotated[
    str | None,
    typer.Option("--when-state-is-gone", help="What writes do while replicas cannot share limits: continue or stop."),
]
Domains = Annotated[list[str] | None, typer.Option("--domain", help="A domain of the tenant's own.")]


def register(app: typer.Typer) -> None:
    """Add the groups."""
    _tenants(group(app, "tenants", "Tenants: the boundary nothing crosses."))
    _environments(group(app, "environments", "Environments inside a tenant."))


def _tenants(tenants: typer.Typer) -> None:
    @command(tenants, "list", columns=("id", "title", "domains", "created_at"))
    def listed(api: Api, limit: Limit = 50) -> Any:
        """List the tenants that you see."""
        return api.items(api.tenants(), limit)

    @command(tenants, "show")
    def show(api: Api, id: str) -> Any:
        """Show a tenant."""
        return api.get(api.tenants(id))

    @command(tenants, "create")
    def create(api: Api, id: str, title: Title = None, domain: Domains = None, when_gone: WhenGone = None) -> Any:
        """Make a tenant."""
        return api.post(api.tenants(), given(id=id, title=title, domains=domain, when_state_is_gone=when_gone))

    @command(tenants, "update")
    def update(
        api: Api,
        id: str,
        title: Title = None,
        domain: Domains = None,
        when_gone: WhenGone = None,
        if_version: Version = None,
    ) -> Any:
        """Change a tenant."""
        change = some(title=title, domains=domain or None, when_state_is_gone=when_gone)
        return api.patch(api.tenants(id), change, if_version)


def _environments(environments: typer.Typer) -> None:
    @command(environments, "list", columns=("id", "title", "created_at"))
    def listed(api: Api, limit: Limit = 50) -> Any:
        """List the environments of the tenant."""
        return api.items(api.tenants(api.tenant, "environments"), limit)

    @command(environments, "show")
    def show(api: Api, id: str) -> Any:
        """Show an environment."""
        return api.get(api.tenants(api.tenant, "environments", id))

    @command(environments, "create")
    def create(api: Api, id: str, title: Title = None) -> Any:
        """Make an environment."""
        return api.post(api.tenants(api.tenant, "environments"), given(id=id, title=title))

    @command(environments, "update")
    def update(api: Api, id: str, title: str, if_version: Version = None) -> Any:
        """Give an environment another title."""
        return api.patch(api.tenants(api.tenant, "environments", id), {"title": title}, if_version)
