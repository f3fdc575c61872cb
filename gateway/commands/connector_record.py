"""`gatehouse connector record`: a real account's answers, redacted, as fixtures."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gateway.recorder import Wanted


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("record")(record_connector)


def record_connector(
    name: Annotated[str, typer.Argument(help="The connector.")],
    connection: Annotated[str, typer.Option(help="Address of the account, such as https://acme.zendesk.com.")],
    calls: Annotated[Path, typer.Option(help='What to run: a JSON list of {"action": ..., "input": {...}}.')],
    method: Annotated[str, typer.Option(help="How the account proves itself: token, oauth, app.")] = "token",
    credential_file: Annotated[
        Path | None, typer.Option("--credential-file", help="Credential as a JSON object; - is stdin.")
    ] = None,
    field: Annotated[list[str] | None, typer.Option("--field", help="A field that is no secret: name=value.")] = None,
    secret: Annotated[
        list[str] | None, typer.Option("--secret", help="A field to ask for, or read from stdin; by default token.")
    ] = None,
    writes: Annotated[bool, typer.Option("--writes", help="Run calls that change something, too.")] = False,
    into: Annotated[Path | None, typer.Option(help="The folder; tests/connectors/NAME/recorded by default.")] = None,
) -> None:
    """Record what a real account answers, redacted, as fixtures that the tests replay."""
    from gateway import recorder
    from gateway.commands.said import credential
    from gateway.commands.wire import CommandFailed
    from gateway.registry import load
    from gateway.serve import configure_logs
    from gateway.settings import Settings

    configure_logs("error")
    known = load(Settings().connectors).connectors
    try:
        if name not in known:
            raise recorder.CannotRecord(f"name one of {', '.join(known)}")
        wanted = _calls(calls)
        given = credential(credential_file, field, secret)
        account = recorder.RealAccount(method, given, connection.rstrip("/"))
        recording = asyncio.run(recorder.record(known[name], account, wanted, writes=writes))
    except (recorder.CannotRecord, CommandFailed) as error:
        typer.echo(f"gatehouse: {error}", err=True)
        raise typer.Exit(2) from error
    for path in recorder.write(recording, into or Path("tests") / "connectors" / name / "recorded"):
        typer.echo(str(path))
    replaced = ", ".join(f"{count} {kind}" for kind, count in sorted(recording.replaced.items()))
    typer.echo(f"\nReplaced: {replaced or 'nothing'}.")
    typer.echo(f"Kept, because the connector's source has these words: {', '.join(recording.kept) or 'none'}.")
    for reason in recording.left_out:
        typer.echo(f"Left out: {reason}", err=True)
    if recording.left_out:
        raise typer.Exit(1)


def _calls(path: Path) -> "list[Wanted]":
    """Read what to record. Raises `CannotRecord`."""
    from pydantic import BaseModel, TypeAdapter, ValidationError

    from gateway.recorder import CannotRecord, Wanted

    class Call(BaseModel):
        action: str
        input: dict[str, Any]

    try:
        read = TypeAdapter(list[Call]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise CannotRecord(f'{path} is no JSON list of {{"action": ..., "input": {{...}}}}') from error
    return [Wanted(one.action, one.input) for one in read]
