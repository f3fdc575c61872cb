"""`gatehouse grants` and `gatehouse access-requests`."""

from typing import Annotated, Any

import typer

from gateway.commands.client import Api
from gateway.commands.remote import Limit, Version, command, group
from gateway.commands.said import given, json_object, some

Agent = Annotated[str | None, typer.Option(help="Of this agent only.")]
Scopes = Annotated[list[str] | None, typer.Option("--scope", help="A scope or pattern, such as github:issue:*.")]
Constraints = Annotated[str | None, typer.Option(help='JSON, such as {"resources": ["acme/*"]}.')]
Autonomy = Annotated[str | None, typer.Option(help="shadow, approve or auto.")]
Rollout = Annotated[int | None, typer.Option(help="Of 100 runs, how many are alone.")]
Idempotency = Annotated[str | None, typer.Option(help="required or derive.")]
Days = Annotated[int | None, typer.Option(help="How long keys are remembered, 1 to 30.")]
Expires = Annotated[str | None, typer.Option(help="When it ends, such as 2026-12-31T00:00:00Z.")]


def register(app: typer.Typer) -> None:
    """Add the groups."""
    grants = group(app, "grants", "Grants: which agent may do what on which connection.")
    _reading(grants)
    _writing(grants)
    _requests(group(app, "access-requests", "Access requests: ask for scopes, grant or refuse."))


def _reading(grants: typer.Typer) -> None:
    @command(grants, "list", columns=("id", "agent", "connection", "scopes", "autonomy", "expires_at"))
    def listed(
        api: Api,
        limit: Limit = 50,
        agent: Agent = None,
        connection: Annotated[str | None, typer.Option(help="On this connection only.")] = None,
    ) -> Any:
        """List the grants."""
        return api.items(api.here("grants"), limit, {"agent": agent, "connection": connection})

    @command(grants, "show")
    def show(api: Api, grant: str) -> Any:
        """Show a grant with the scopes that it expanded to."""
        return api.get(api.here("grants", grant))


def _writing(grants: typer.Typer) -> None:
    @command(grants, "create")
    def create(
        api: Api,
        agent: str,
        connection: str,
        scope: Scopes = None,
        constraints: Constraints = None,
        autonomy: Autonomy = None,
        rollout: Rollout = None,
        idempotency: Idempotency = None,
        idempotency_days: Days = None,
        expires_at: Expires = None,
    ) -> Any:
        """Grant scopes on a connection to an agent. Without --autonomy a person approves each effect."""
        terms = _terms(constraints, autonomy, rollout, idempotency, idempotency_days, expires_at)
        return api.post(api.here("grants"), {"agent": agent, "connection": connection, "scopes": scope or [], **terms})

    @command(grants, "update")
    def update(
        api: Api,
        grant: str,
        scope: Scopes = None,
        constraints: Constraints = None,
        autonomy: Autonomy = None,
        rollout: Rollout = None,
        idempotency: Idempotency = None,
        idempotency_days: Days = None,
        expires_at: Expires = None,
        if_version: Version = None,
    ) -> Any:
        """Change a grant. Scopes that are given are expanded again."""
        terms = _terms(constraints, autonomy, rollout, idempotency, idempotency_days, expires_at)
        return api.patch(api.here("grants", grant), some(scopes=scope or None, **terms), if_version)

    @command(grants, "revoke")
    def revoke(api: Api, grant: str, if_version: Version = None) -> Any:
        """End a grant at once."""
        return api.delete(api.here("grants", grant), if_version)


def _requests(requests: typer.Typer) -> None:
    @command(requests, "list", columns=("id", "status", "agent", "connection", "scopes", "reason"))
    def listed(
        api: Api,
        limit: Limit = 50,
        status: Annotated[str | None, typer.Option(help="pending, granted or refused.")] = None,
    ) -> Any:
        """List access requests."""
        return api.items(api.here("access-requests"), limit, {"status": status})

    @command(requests, "show")
    def show(api: Api, request: str) -> Any:
        """Show an access request."""
        return api.get(api.here("access-requests", request))

    @command(requests, "create")
    def create(
        api: Api,
        agent: str,
        connection: str,
        reason: Annotated[str, typer.Option(help="Why it is needed.")],
        scope: Scopes = None,
    ) -> Any:
        """Ask for scopes on an agent's behalf."""
        wanted = {"agent": agent, "connection": connection, "scopes": scope or [], "reason": reason}
        return api.post(api.here("access-requests"), wanted)

    @command(requests, "grant")
    def grant(
        api: Api,
        request: str,
        scope: Scopes = None,
        constraints: Constraints = None,
        autonomy: Autonomy = None,
        expires_at: Expires = None,
        comment: Annotated[str | None, typer.Option(help="Why.")] = None,
    ) -> Any:
        """Grant what was asked for, or some of it."""
        terms = _terms(constraints, autonomy, None, None, None, expires_at)
        decision = given(decision="grant", scopes=scope or None, comment=comment, terms=terms or None)
        return api.post(api.here("access-requests", request, "decide"), decision)

    @command(requests, "refuse")
    def refuse(api: Api, request: str, comment: Annotated[str | None, typer.Option(help="Why.")] = None) -> Any:
        """Refuse what was asked for."""
        return api.post(api.here("access-requests", request, "decide"), given(decision="refuse", comment=comment))


def _terms(
    constraints: str | None,
    autonomy: str | None,
    rollout: int | None,
    idempotency: str | None,
    days: int | None,
    expires_at: str | None,
) -> dict[str, Any]:
    return given(
        constraints=json_object(constraints, "--constraints"),
        autonomy=autonomy,
        rollout=rollout,
        idempotency=idempotency,
        idempotency_days=days,
        expires_at=expires_at,
    )
