"""`gatehouse calls`, `runs`, `audit` and `usage`: what happened."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.client import Api
from gateway.commands.remote import Limit, command, group
from gateway.commands.said import given, json_object

Agent = Annotated[str | None, typer.Option(help="Of this agent only.")]
Since = Annotated[str | None, typer.Option(help="From this time on.")]
Until = Annotated[str | None, typer.Option(help="Before this time.")]


def register(app: typer.Typer) -> None:
    """Add the groups, and `usage`."""
    _calls(group(app, "calls", "Calls: what agents asked for and what came of it."))
    _runs(group(app, "runs", "Runs: the chain of calls of one piece of work."))
    _audit(group(app, "audit", "The audit trail."))

    @command(app, "usage")
    def usage(api: Api, since: Since = None, until: Until = None) -> Any:
        """Show calls by day, vendors' quotas and units of work, of the last 30 days."""
        return api.get(api.here("usage"), {"since": since, "until": until})


def _calls(calls: typer.Typer) -> None:
    @command(calls, "list", columns=("id", "action", "status", "code", "agent.name", "connection.name", "created_at"))
    def listed(
        api: Api,
        limit: Limit = 50,
        agent: Agent = None,
        action: Annotated[str | None, typer.Option(help="Of this action only.")] = None,
        status: Annotated[str | None, typer.Option(help="In this state only.")] = None,
        connection: Annotated[str | None, typer.Option(help="Over this connection only.")] = None,
        run: Annotated[str | None, typer.Option(help="Of this run only.")] = None,
        since: Since = None,
        until: Until = None,
    ) -> Any:
        """Search calls."""
        filters = given(
            agent=agent, action=action, status=status, connection=connection, run=run, since=since, until=until
        )
        return api.items(api.here("calls"), limit, filters)

    @command(calls, "show")
    def show(api: Api, call: str) -> Any:
        """Show a call whole: what was asked, answered and sent."""
        return api.get(api.here("calls", call))

    @command(calls, "resolve")
    def resolve(
        api: Api,
        call: str,
        outcome: Annotated[str, typer.Argument(help="applied or not_applied.")],
        comment: Annotated[str, typer.Option(help="How you know.")],
        output: Annotated[str | None, typer.Option(help="What the action would have answered, as JSON.")] = None,
    ) -> Any:
        """Settle a call of unknown outcome, after looking at the vendor."""
        said = given(outcome=outcome, comment=comment, output=json_object(output, "--output"))
        return api.post(api.here("calls", call, "resolve"), said)


def _runs(runs: typer.Typer) -> None:
    @command(runs, "list", columns=("id", "agent", "actor", "status", "calls", "outcome.result", "opened_at"))
    def listed(
        api: Api,
        limit: Limit = 50,
        agent: Agent = None,
        actor: Annotated[str | None, typer.Option(help="For this actor only.")] = None,
        status: Annotated[str | None, typer.Option(help="open or closed.")] = None,
        since: Since = None,
        until: Until = None,
    ) -> Any:
        """Search runs."""
        filters = given(agent=agent, actor=actor, status=status, since=since, until=until)
        return api.items(api.here("runs"), limit, filters)

    @command(runs, "timeline", columns=("seq", "at", "type", "call", "data"))
    def timeline(api: Api, run: str, limit: Limit = 200) -> Any:
        """Show what happened in a run, in order."""
        return api.items(api.here("runs", run), limit)


def _audit(audit: typer.Typer) -> None:
    @command(audit, "list", columns=("seq", "at", "type", "data.what", "data.subject", "data.by.name"))
    def listed(
        api: Api,
        limit: Limit = 50,
        type: Annotated[str | None, typer.Option(help="Events of this type only, such as admin.")] = None,
        since: Since = None,
    ) -> Any:
        """List events, newest first."""
        return api.items(api.here("audit"), limit, {"type": type, "since": since})

    @audit.command("keys")
    def keys() -> None:
        """Print the public keys that check this installation's checkpoints, as PEM: an auditor keeps them."""
        from gateway.cli import export_keys

        export_keys()

    @audit.command("verify")
    def verify(
        remote: Annotated[bool, typer.Option("--remote", help="Ask a running gateway to check its own.")] = False,
        keys: Annotated[
            Path | None, typer.Option(help="Check by these public keys alone; neither master key nor Vault is asked.")
        ] = None,
        url: Annotated[str | None, typer.Option(help="Root URL of the gateway [GATEHOUSE_URL].")] = None,
        token: Annotated[str | None, typer.Option(help="Admin token; better in GATEHOUSE_TOKEN.")] = None,
        tenant: Annotated[str | None, typer.Option(help="Tenant [GATEHOUSE_TENANT].")] = None,
        environment: Annotated[str | None, typer.Option(help="Environment [GATEHOUSE_ENVIRONMENT].")] = None,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Check that nothing recorded was changed: here in this installation, or with --remote at a gateway."""
        if not remote:
            from gateway.cli import verify_ledger

            verify_ledger(json, keys)
            return
        from gateway.commands.remote import asked, show

        report = asked(
            lambda api: api.post(api.here("audit", "verify")),
            as_json=json,
            url=url,
            token=token,
            tenant=tenant,
            environment=environment,
        )
        show(report, (), as_json=json)
        if not (report.get("intact", True) and report.get("ok", True)):
            raise typer.Exit(1)
