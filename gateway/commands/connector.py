"""`gatehouse connector`: for integration engineers. Works on this machine, without a running gateway."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from connectors.sdk import Connector
from connectors.sdk.contract import TierReport
from gateway.commands import connector_record

app = typer.Typer(no_args_is_help=True, help="Connectors: their contract, their page.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str | None, typer.Argument(help="The connector.")]


def register(to: typer.Typer) -> None:
    """Add the group."""
    to.add_typer(app, name="connector")


connector_record.register(app)


@app.command("list")
def list_connectors(json: Json = False) -> None:
    """List what ships, and the installed packages that are enabled."""
    rows = [_facts(connector) for connector in _known().values()]
    if json:
        typer.echo(orjson.dumps({"items": rows}, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("id", "title", "version", "actions", "tier", "connects_by"):
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*("unchecked" if value is None else str(value) for value in row.values()))
    Console().print(table)


@app.command("check")
def check_connector(
    name: Name = None,
    every: Annotated[bool, typer.Option("--all", help="Check all connectors.")] = False,
    json: Json = False,
    write: Annotated[bool, typer.Option("--write", help="Record the tier in the connector's folder.")] = False,
) -> None:
    """Run the contract suite over every action of a connector, and say which tier it earns. Exit 1 below bronze."""
    from gateway.contract import check
    from gateway.serve import configure_logs

    configure_logs("error")
    known = _known()
    if every == (name is not None) or (name is not None and name not in known):
        typer.echo(f"gatehouse: name one of {', '.join(known)}, or --all", err=True)
        raise typer.Exit(2)
    reports: list[TierReport] = []
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        for connector in known.values() if every else [known[str(name)]]:
            task = bar.add_task(f"Checking {connector.id}", total=None)
            step = _Step(bar, task)
            reports.append(asyncio.run(check(connector, step)))
            if write:
                _record_tier(connector, reports[-1])
    if json:
        typer.echo(orjson.dumps({"items": [_shown(r) for r in reports]}, option=orjson.OPT_INDENT_2).decode())
    else:
        for report in reports:
            _print(report, details=not every)
    if any(report.tier is None for report in reports):
        raise typer.Exit(1)


@app.command("new")
def new_connector(
    name: Annotated[str, typer.Argument(help="Its id, such as acme_notes.")],
    title: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    into: Annotated[Path, typer.Option(help="The checkout to write into.")] = Path(),
) -> None:
    """Write a working connector with simulator and tests, to be changed into the real one."""
    from connectors.sdk.scaffold import NameTaken, scaffold

    try:
        written = scaffold(name, into, title)
    except (NameTaken, OSError) as error:
        typer.echo(f"gatehouse: {error}", err=True)
        raise typer.Exit(1) from error
    for path in written:
        typer.echo(str(path))
    typer.echo(f'\nAdd "{name}" to SHIPPED in gateway/registry.py, then: gatehouse connector check {name}')


@app.command("docs")
def write_docs(
    name: Annotated[str, typer.Argument(help="The connector.")],
    write: Annotated[Path | None, typer.Option(help="Write the page to this file.")] = None,
    check: Annotated[Path | None, typer.Option(help="Fail if this file is not the page.")] = None,
) -> None:
    """Write a connector's page from what it declares."""
    from gateway.connector_page import page

    known = _known()
    if name not in known:
        typer.echo(f"gatehouse: name one of {', '.join(known)}", err=True)
        raise typer.Exit(2)
    text = page(known[name])
    if write is not None:
        write.parent.mkdir(parents=True, exist_ok=True)
        write.write_text(text)
    elif check is not None and (not check.exists() or check.read_text() != text):
        typer.echo(f"gatehouse: {check} is not what {name} declares; write it anew with --write", err=True)
        raise typer.Exit(1)
    elif check is None:
        typer.echo(text, nl=False)


@app.command("table")
def write_table(
    write: Annotated[Path | None, typer.Option(help="Write the table into this file, between its two marks.")] = None,
    check: Annotated[Path | None, typer.Option(help="Fail if this file has another table.")] = None,
) -> None:
    """Write the table of the systems that ship."""
    from gateway.connector_table import NoPlace, table, with_table
    from gateway.registry import load

    shipped = load().connectors.values()
    file = write or check
    if file is None:
        typer.echo(table(shipped), nl=False)
        return
    before = file.read_text()
    try:
        after = with_table(before, shipped)
    except NoPlace as error:
        typer.echo(f"gatehouse: {file}: {error}", err=True)
        raise typer.Exit(2) from error
    if write is not None:
        write.write_text(after)
    elif after != before:
        typer.echo(
            f"gatehouse: the table of {file} is not what the connectors declare; write it with --write", err=True
        )
        raise typer.Exit(1)


def _record_tier(connector: Connector, report: TierReport) -> None:
    from gateway.tiers import record

    try:
        record(connector, report)
    except OSError as error:
        typer.echo(f"gatehouse: the tier of {connector.id} cannot be recorded: {error}", err=True)
        raise typer.Exit(1) from error


class _Step:
    """Moves a bar on."""

    def __init__(self, bar: Progress, task: Any) -> None:
        self._bar = bar
        self._task = task

    def __call__(self, done: int, total: int) -> None:
        """Say how far it is."""
        self._bar.update(self._task, completed=done, total=total)


def _known() -> Mapping[str, Connector]:
    from gateway.registry import load
    from gateway.settings import Settings

    return load(Settings().connectors).connectors


def _facts(connector: Connector) -> dict[str, object]:
    from gateway.tiers import recorded

    found = recorded(connector)
    return {
        "id": connector.id,
        "title": connector.title,
        "version": connector.version,
        "actions": len(connector.actions),
        "tier": (found.tier or "below bronze") if found else None,
        "connects_by": ", ".join(method.title for method in connector.auth.values()),
    }


def _shown(report: TierReport) -> dict[str, object]:
    return {
        "connector": report.connector,
        "actions": report.actions,
        "tier": report.tier,
        "checks": [
            {"name": o.check.name, "tier": o.check.tier, "actions": o.actions, "findings": len(o.findings)}
            for o in report.outcomes
        ],
        "findings": [{"action": f.action, "check": f.check, "message": f.message} for f in report.findings],
    }


def _print(report: TierReport, *, details: bool) -> None:
    console = Console()
    if details:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("tier", "check", "promise", "actions", "kept"):
            table.add_column(column, justify="right" if column == "actions" else "left")
        for outcome in report.outcomes:
            kept = "yes" if not outcome.findings else f"no ({len(outcome.findings)})"
            check = outcome.check
            table.add_row(check.tier, check.name, check.promise, str(outcome.actions), kept)
        console.print(table)
    for finding in report.findings:
        console.print(f"{finding.action}: {finding.check}: {finding.message}", highlight=False, soft_wrap=True)
    console.print(f"{report.connector}: {report.tier or 'below bronze'}, {report.actions} actions", highlight=False)
