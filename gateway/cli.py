"""The command `gatehouse`."""

from pathlib import Path
from typing import Annotated

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
) -> None:
    """Serve in the foreground until SIGTERM or SIGINT."""
    from gateway.installation import NotSetUp
    from gateway.ledger.sqlite import LedgerInUse
    from gateway.serve import serve as run

    settings = read_settings(host=host, port=port)
    if sandbox and settings.host not in {"127.0.0.1", "::1", "localhost"}:
        fail(f"The sandbox binds loopback only, not {settings.host}.")
    try:
        run(settings, sandbox=sandbox)
    except (NotSetUp, LedgerInUse, ValueError, OSError) as error:
        fail(str(error))


def read_settings(**given: object) -> Settings:
    """Read the settings, with what the command line gave; print all problems at once and exit where there are any."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            typer.echo(f"GATEHOUSE_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}", err=True)
        raise typer.Exit(2) from error


def fail(message: str) -> None:
    """Print what is wrong and exit."""
    typer.echo(f"gatehouse: {message}", err=True)
    raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    app()


__all__ = ["Path", "app", "fail", "main", "read_settings"]
