"""The command `gatehouse`."""

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from gateway.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The one door between agents and your systems.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def gatehouse() -> None:
    """The one door between agents and your systems."""


@app.command()
def serve(
    sandbox: Annotated[bool, typer.Option(help="Try it: loopback only, with vendor simulators.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve; SIGHUP restarts them in turn.")] = None,
    listening: Annotated[str, typer.Option(hidden=True)] = "",
    channel: Annotated[int, typer.Option(hidden=True)] = -1,
) -> None:
    """Serve in the foreground until SIGTERM or SIGINT, then drain."""
    from connectors.sdk.errors import SecretStoreUnavailable, StateUnavailable
    from gateway.installation import NotSetUp
    from gateway.ledger.sqlite import LedgerInUse
    from gateway.serve import Handed
    from gateway.serve import serve as run
    from gateway.supervisor import WorkersEnded

    settings = read_settings(host=host, port=port, workers=workers)
    if sandbox and settings.host not in {"127.0.0.1", "::1", "localhost"}:
        fail(f"The sandbox binds loopback only, not {settings.host}.")
    try:
        handed = Handed(tuple(map(int, listening.split(","))), channel) if listening else None
        run(settings, sandbox=sandbox, arguments=sys.argv[1:], handed=handed)
    except SecretStoreUnavailable as error:
        fail(f"{error.detail} {error.hint or ''}".strip())
    except (NotSetUp, LedgerInUse, StateUnavailable, WorkersEnded, ValueError, OSError) as error:
        fail(str(error))


@app.command()
def init(
    json: Json = False,
) -> None:
    """Set up a production installation and show its first operator token, once."""
    import asyncio

    from connectors.sdk.errors import StateUnavailable
    from gateway.installation import Home, set_up

    settings = read_settings()
    home = Home(settings.home)
    try:
        token = asyncio.run(set_up(settings, home, sandbox=False))
    except (OSError, ValueError, StateUnavailable) as error:
        fail(str(error))
    show(
        {"home": str(home.path), "operator_token": token},
        json,
        f"Set up {home.path}.\n\nThe first operator token, shown this once:\n\n    {token}\n\n"
        f"Keep {home.master_key} safe and apart from backups: without it nothing recorded can be read.",
    )


@app.command()
def backup(
    into: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    json: Json = False,
) -> None:
    """Copy the installation while it runs. The master key is not in the copy."""
    from gateway.backup import backup as run
    from gateway.installation import Home, NotSetUp

    settings = read_settings()
    try:
        with progress("Copying") as step:
            manifest = run(Home(settings.home), into, step)
    except (NotSetUp, OSError) as error:
        fail(str(error))
    show(manifest, json, f"Backed up to {into}.")


@app.command()
def restore(
    source: Annotated[Path | None, typer.Argument(help="A folder that `backup` made.")] = None,
    accept: Annotated[bool, typer.Option(help="Accept that keys used since the backup are forgotten.")] = False,
    json: Json = False,
) -> None:
    """Put a backup in place of a stopped installation, or let writes go again after that."""
    import asyncio

    from gateway.backup import accept as let_go
    from gateway.backup import restore as run
    from gateway.installation import Home, NotSetUp
    from gateway.ledger.bodies import Unreadable
    from gateway.ledger.sqlite import LedgerInUse

    settings = read_settings()
    home = Home(settings.home)
    if (source is None) != accept:
        fail("Name a backup to restore, or --accept after a restore; not both.")
    try:
        if source is None:
            held = asyncio.run(let_go(settings, home, by="command line"))
            show({"accepted": held}, json, "Writes go again." if held else "Writes were not held.")
            return
        done = asyncio.run(run(settings, home, source))
    except (NotSetUp, LedgerInUse, Unreadable, OSError, ValueError) as error:
        fail(str(error))
    show(
        {"epoch": done.epoch, "unfinished": done.unfinished, "backup_of": done.backup_of},
        json,
        f"Restored the backup of {done.backup_of} as epoch {done.epoch}; {done.unfinished} unfinished calls were ended."
        "\nWrites are held. Check what was done since at the vendors, then: gatehouse restore --accept",
    )


@app.command()
def openapi(
    write: Annotated[Path | None, typer.Option(help="Write the document to this file.")] = None,
    check: Annotated[Path | None, typer.Option(help="Fail if this file is not the document.")] = None,
) -> None:
    """Print the API's document, generated from the code."""
    from gateway.openapi import document_bytes
    from gateway.registry import load

    document = document_bytes(load(read_settings().connectors))
    if write is not None:
        write.write_bytes(document)
    elif check is not None:
        if not check.exists() or check.read_bytes() != document:
            fail(f"{check} is not what the code says; run `gatehouse openapi --write {check}`.")
    else:
        typer.echo(document.decode(), nl=False)


def verify_ledger(json: bool) -> None:
    """Check the ledger's chain, checkpoints and calls; exit 1 where something is not as it was written."""
    from gateway.installation import Derived, Home, NotSetUp, load_master_key
    from gateway.ledger.bodies import Bodies, Unreadable
    from gateway.ledger.checkpoint import Signer
    from gateway.ledger.verify import verify_file

    settings = read_settings()
    home = Home(settings.home)
    try:
        if not home.ledger.exists() or not home.audit_key.exists():
            raise NotSetUp(f"{home.path} holds no ledger, or not the key that signs its checkpoints")
        bodies = Bodies(Derived.of(load_master_key(settings, home)).bodies)
        with progress("Checking events") as step:
            signer = Signer.load_or_create(home.audit_key)
            report = verify_file(home.ledger, signer, home.checkpoint, bodies, lambda n: step(n, 0))
    except (NotSetUp, Unreadable, OSError, ValueError) as error:
        fail(str(error))
    lines = [f"  {f.problem} ({'event ' + str(f.seq) if f.seq else 'call ' + str(f.call)})" for f in report.findings]
    verdict = "Intact" if report.intact else "NOT INTACT"
    summary = f"{verdict}: {report.events} events, {report.calls} calls, {report.checkpoints} checkpoints, the last at"
    show(report.shown(), json, "\n".join([f"{summary} event {report.last_checkpoint}.", *lines]))
    if not report.intact:
        raise typer.Exit(1)


@contextmanager
def progress(what: str) -> Generator[Callable[[int, int], None]]:
    """Show a bar on a terminal, nothing elsewhere. The step takes what is done and the total, 0 if unknown."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def show(value: Mapping[str, object], json: bool, plain: str) -> None:
    """Print a result as JSON or in words."""
    import orjson

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() if json else plain)


def read_settings(**given: object) -> Settings:
    """Read the settings, with what the command line gave; print all problems at once and exit where there are any."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            typer.echo(f"GATEHOUSE_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}", err=True)
        raise typer.Exit(2) from error


def fail(message: str) -> NoReturn:
    """Print what is wrong and exit."""
    typer.echo(f"gatehouse: {message}", err=True)
    raise typer.Exit(1)


def main() -> None:
    """Run the command line. Serving needs none of the admins' commands, which take time and memory to import."""
    if sys.argv[1:2] != ["serve"]:
        from gateway.commands import register

        register(app)
    app()
