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
    from gateway.ledger.bodies import Unreadable
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
    except (NotSetUp, LedgerInUse, Unreadable, StateUnavailable, WorkersEnded, ValueError, OSError) as error:
        fail(str(error))


@app.command()
def init(
    token_file: Annotated[
        Path | None, typer.Option(help="File with the first operator token, which is then not shown.")
    ] = None,
    if_needed: Annotated[bool, typer.Option(help="Leave an installation that is there already as it is.")] = False,
    json: Json = False,
) -> None:
    """Set up a production installation and show its first operator token, once.

    A token of your own is gha_<26 of 0-9a-z>_<43 to 128 of A-Za-z0-9_->.
    """
    import asyncio

    from connectors.sdk.errors import SecretStoreUnavailable, StateUnavailable
    from gateway.installation import Home, set_up

    settings = read_settings()
    home = Home(settings.home)
    try:
        given = token_file.read_text().strip() if token_file is not None else None
        token = asyncio.run(set_up(settings, home, sandbox=False, token=given))
    except FileExistsError as error:
        if not if_needed:
            fail(str(error))
        show({"home": str(home.path), "operator_token": None}, json, f"Nothing to do: {error}.")
        return
    except SecretStoreUnavailable as error:
        fail(f"{error.detail} {error.hint or ''}".strip())
    except (OSError, ValueError, StateUnavailable) as error:
        fail(str(error))
    if given is not None:
        shown = {"home": str(home.path), "operator_token": None}
        show(shown, json, f"Set up {home.path}. The first operator token is the one in {token_file}.")
        return
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
    """Copy the installation while it runs. The master key is not in the copy, and PostgreSQL is for pg_dump."""
    import asyncio

    from connectors.sdk.errors import ActionError
    from gateway import backup as backups
    from gateway.installation import Home, NotSetUp

    settings = read_settings()
    home, words = Home(settings.home), f"Backed up to {into}."
    try:
        if settings.database_url is not None:
            manifest = asyncio.run(backups.backup_beside(settings, home, into))
            words += (
                "\nThe ledger is in PostgreSQL and NOT in this copy: back the database up by pg_dump or base backups."
            )
        else:
            with progress("Copying") as step:
                manifest = backups.backup(home, into, step)
    except ActionError as error:
        fail(f"{error.detail} {error.hint or ''}".strip())
    except (NotSetUp, OSError, ValueError) as error:
        fail(str(error))
    show(manifest, json, words)


@app.command()
def restore(
    source: Annotated[Path | None, typer.Argument(help="A folder that `backup` made.")] = None,
    database_was_restored: Annotated[
        bool, typer.Option(help="PostgreSQL was restored, or failed over to a standby that may have lagged.")
    ] = False,
    accept: Annotated[bool, typer.Option(help="Accept that keys used since the backup are forgotten.")] = False,
    json: Json = False,
) -> None:
    """Put a backup in place of a stopped installation, say that the database was restored, or let writes go again."""
    import asyncio

    from connectors.sdk.errors import ActionError
    from gateway.installation import NotSetUp
    from gateway.ledger.bodies import Unreadable
    from gateway.ledger.sqlite import LedgerInUse

    if (source is not None) + database_was_restored + accept != 1:
        fail("Name a backup to restore, or --database-was-restored, or --accept after either.")
    try:
        told, words = asyncio.run(_restored(source, accept=accept))
    except ActionError as error:
        fail(f"{error.detail} {error.hint or ''}".strip())
    except (NotSetUp, LedgerInUse, Unreadable, OSError, ValueError) as error:
        fail(str(error))
    show(told, json, words)


async def _restored(source: Path | None, *, accept: bool) -> tuple[Mapping[str, object], str]:
    """Restore, and return what was done for programs and in words."""
    from gateway import backup, epoch
    from gateway.installation import Home

    settings = read_settings()
    home = Home(settings.home)
    if accept:
        held = await epoch.accept(settings, home, by="command line")
        return {"accepted": held}, "Writes go again." if held else "Writes were not held."
    what, told = "The database is older than what was answered: this is", dict[str, object]()
    if source is None:
        opened = await epoch.database_was_restored(settings, home)
        told = {"epoch": opened.epoch, "unfinished": opened.unfinished}
    else:
        done = await backup.restore(settings, home, source)
        told = {"epoch": done.epoch, "unfinished": done.unfinished, "backup_of": done.backup_of}
        what = f"Restored the backup of {done.backup_of} as"
    return told, (
        f"{what} epoch {told['epoch']}; {told['unfinished']} unfinished calls were ended."
        "\nWrites are held. Check what was done since at the vendors, then: gatehouse restore --accept"
    )


@app.command()
def migrate(
    source: Annotated[str, typer.Option("--from", help="Where the installation is: sqlite.")] = "sqlite",
    target: Annotated[str, typer.Option("--to", help="Where it goes: postgresql, by GATEHOUSE_DATABASE_URL.")] = (
        "postgresql"
    ),
    give_up: Annotated[
        bool, typer.Option(help="Let the source start again; what was copied is of no use then.")
    ] = False,
    json: Json = False,
) -> None:
    """Move a stopped embedded installation to PostgreSQL. Killed or failed, the same command goes on."""
    import asyncio

    from connectors.sdk.errors import ActionError
    from gateway import moving
    from gateway.installation import Home, NotSetUp
    from gateway.ledger.bodies import Unreadable
    from gateway.ledger.sqlite import LedgerInUse

    if (source, target) != ("sqlite", "postgresql"):
        fail("Only --from sqlite --to postgresql can be moved.")
    settings = read_settings()
    home = Home(settings.home)
    try:
        if give_up:
            asyncio.run(moving.give_up(settings, home))
            show({"given_up": True}, json, "Given up: the embedded installation starts again.")
            return
        with steps() as step:
            moved = asyncio.run(moving.move(settings, home, step))
    except ActionError as error:
        fail(f"{error.detail} {error.hint or ''}".strip())
    except (moving.NotMoved, NotSetUp, LedgerInUse, Unreadable, OSError, ValueError) as error:
        fail(str(error))
    at_vault = moved.credentials
    told = {"to": moved.to, "rows": dict(moved.rows)} | (
        {"credentials": {"moved": at_vault.moved, "newer_at_vault": at_vault.newer}} if at_vault is not None else {}
    )
    where = (
        f"{at_vault.moved} credentials are at Vault; {at_vault.newer} were newer there and were left alone."
        if at_vault is not None
        else f"Credentials stay in {home.credentials}: replicas need Vault, or this same folder."
    )
    show(
        told,
        json,
        f"Moved to {moved.to}: {sum(moved.rows.values())} rows, checked. {where}\nThe source starts no more.",
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


def verify_ledger(json: bool, public_keys: Path | None = None) -> None:
    """Check the ledger's chain, checkpoints and calls; exit 1 where something is not as it was written."""
    import asyncio

    from connectors.sdk.errors import ActionError
    from gateway.audit import check
    from gateway.installation import NotSetUp
    from gateway.ledger.bodies import Unreadable

    settings = read_settings()
    try:
        with progress("Checking events") as step:
            report = asyncio.run(check(settings, public_keys, lambda n: step(n, 0)))
    except ActionError as error:
        fail(f"{error.detail} {error.hint or ''}".strip())
    except (NotSetUp, Unreadable, OSError, ValueError) as error:
        fail(str(error))
    lines = [f"  {f.problem} ({'event ' + str(f.seq) if f.seq else 'call ' + str(f.call)})" for f in report.findings]
    if report.unread:
        lines.append(f"  {report.unread} calls could not be opened: their chain was checked, their rows were not.")
    verdict = "Intact" if report.intact else "NOT INTACT"
    summary = f"{verdict}: {report.events} events, {report.calls} calls, {report.checkpoints} checkpoints, the last at"
    show(report.shown(), json, "\n".join([f"{summary} event {report.last_checkpoint}.", *lines]))
    if not report.intact:
        raise typer.Exit(1)


def export_keys() -> None:
    """Print the public keys that check checkpoints."""
    import asyncio

    from connectors.sdk.errors import ActionError
    from gateway.audit import exported_keys

    try:
        typer.echo(asyncio.run(exported_keys(read_settings())), nl=False)
    except ActionError as error:
        fail(f"{error.detail} {error.hint or ''}".strip())
    except (OSError, ValueError) as error:
        fail(str(error))


@contextmanager
def progress(what: str) -> Generator[Callable[[int, int], None]]:
    """Show a bar on a terminal, nothing elsewhere. The step takes what is done and the total, 0 if unknown."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


@contextmanager
def steps() -> Generator[Callable[[str, int, int], None]]:
    """Show a bar for each step on a terminal, nothing elsewhere. A step takes its name, what is done, and the total."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        known: dict[str, TaskID] = {}

        def step(what: str, done: int, total: int) -> None:
            if what not in known:
                known[what] = bars.add_task(what, total=None)
            bars.update(known[what], completed=done, total=total or None)

        yield step


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
        import structlog

        from gateway.commands import register

        # Standard output is for what a command answers, which programs read.
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        register(app)
    app()
