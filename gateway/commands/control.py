"""`gatehouse freezes`, `approvals` and `tokens`: who may do what now."""

from typing import Annotated, Any

import typer

from gateway.commands.client import Api
from gateway.commands.remote import Limit, command, group
from gateway.commands.said import given

Comment = Annotated[str | None, typer.Option(help="Why; the agent sees it when you deny.")]


def register(app: typer.Typer) -> None:
    """Add the groups."""
    _freezes(group(app, "freezes", "Freezes: the kill switch."))
    _approvals(group(app, "approvals", "Approvals: calls that wait for a person."))
    _tokens(group(app, "tokens", "Admin tokens."))


def _freezes(freezes: typer.Typer) -> None:
    @command(freezes, "list", columns=("id", "kind", "target", "reason", "created_at"))
    def listed(api: Api, limit: Limit = 50) -> Any:
        """List the freezes in force."""
        return api.items(api.here("freezes"), limit)

    @command(freezes, "create")
    def create(
        api: Api,
        kind: Annotated[str, typer.Argument(help="tenant, environment, connector, connection or agent.")],
        target: Annotated[str | None, typer.Argument(help="Which one, by id or name.")] = None,
        reason: Annotated[str | None, typer.Option(help="Why.")] = None,
    ) -> Any:
        """Stop something at once."""
        return api.post(api.here("freezes"), given(kind=kind, id=target, reason=reason))

    @command(freezes, "lift")
    def lift(api: Api, freeze: str) -> Any:
        """Lift a freeze."""
        return api.delete(api.here("freezes", freeze))


def _approvals(approvals: typer.Typer) -> None:
    @command(approvals, "list", columns=("id", "status", "action", "agent", "connection", "expires_at"))
    def listed(
        api: Api,
        limit: Limit = 50,
        status: Annotated[str | None, typer.Option(help="pending, approved, denied, expired or cancelled.")] = None,
    ) -> Any:
        """List approvals."""
        return api.items(api.here("approvals"), limit, {"status": status})

    @command(approvals, "show")
    def show(api: Api, approval: str) -> Any:
        """Show who asks for what, and exactly what would be sent."""
        return api.get(api.here("approvals", approval))

    @command(approvals, "approve")
    def approve(api: Api, approval: str, comment: Comment = None) -> Any:
        """Let a call run as it was shown."""
        return _decide(api, approval, "approve", comment)

    @command(approvals, "deny")
    def deny(api: Api, approval: str, comment: Comment = None) -> Any:
        """Refuse a call."""
        return _decide(api, approval, "deny", comment)


def _tokens(tokens: typer.Typer) -> None:
    @command(tokens, "list", columns=("id", "name", "role", "tenant", "environment", "expires_at", "revoked_at"))
    def listed(api: Api, limit: Limit = 50) -> Any:
        """List admin tokens."""
        return api.items(api.tokens(), limit)

    @command(tokens, "create")
    def create(
        api: Api,
        name: str,
        role: Annotated[str, typer.Option(help="owner, admin, approver, auditor, engineer or operator.")],
        of_tenant: Annotated[str | None, typer.Option(help="Tenant in which it holds.")] = None,
        of_environment: Annotated[str | None, typer.Option(help="The one environment in which it holds.")] = None,
        expires_at: Annotated[str | None, typer.Option(help="When it ends, such as 2026-12-31T00:00:00Z.")] = None,
    ) -> Any:
        """Make an admin token and show it, this once."""
        wanted = given(name=name, role=role, tenant=of_tenant, environment=of_environment, expires_at=expires_at)
        return api.post(api.tokens(), wanted)

    @command(tokens, "revoke")
    def revoke(api: Api, id: str) -> Any:
        """End an admin token at once."""
        return api.delete(api.tokens(id))


def _decide(api: Api, approval: str, decision: str, comment: str | None) -> Any:
    return api.post(api.here("approvals", approval, "decide"), given(decision=decision, comment=comment))
