"""`gatehouse try`: call actions as an agent would, at a terminal or from a script."""

import sys
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from gateway.commands.agent import AgentApi, find_caller, new_key
from gateway.commands.fields import NotUnderstood, fields_of
from gateway.commands.remote import fail, patience
from gateway.commands.said import json_object, pairs
from gateway.commands.session import Session
from gateway.commands.wire import CommandFailed
from gateway.settings import RemoteSettings

_PIPED_WIDTH = 160


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("try")
    def trial(
        action: Annotated[str | None, typer.Argument(help="The action to call; without one they are listed.")] = None,
        input: Annotated[str | None, typer.Option(help="The input as JSON, or - for standard input.")] = None,
        field: Annotated[list[str] | None, typer.Option(help="One field as name=value; may be repeated.")] = None,
        connection: Annotated[str | None, typer.Option(help="The connection, where there are several.")] = None,
        yes: Annotated[bool, typer.Option("--yes", help="With --json: run what has an effect, not only preview.")] = (
            False
        ),
        idempotency_key: Annotated[
            str | None, typer.Option(help="With --json: the key of the call, kept over repeats of this line.")
        ] = None,
        url: Annotated[str | None, typer.Option(help="Root URL of the gateway [GATEHOUSE_URL].")] = None,
        key: Annotated[str | None, typer.Option(help="Agent key; better in GATEHOUSE_KEY.")] = None,
        json: Annotated[bool, typer.Option("--json", help="Ask nothing, print JSON.")] = False,
    ) -> None:
        """See what a key may call, fill an action's fields, preview it, run it, and see its timeline."""
        scripted = input is not None or bool(field) or yes or idempotency_key is not None
        ended_well = True
        try:
            if scripted and not json:
                raise CommandFailed("--input, --field, --yes and --idempotency-key are for scripts.", "Add --json.")
            with AgentApi(find_caller(RemoteSettings(), url, key), patience) as api:
                if json:
                    given = _given(api, action, input, field) if action is not None else {}
                    told = _told(api, action, given, connection, yes, idempotency_key)
                    typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
                    ended_well = not (told.get("call") or {}).get("error")
                else:
                    console = Console() if sys.stdout.isatty() else Console(width=_PIPED_WIDTH)
                    Session(api, console, lambda prompt: console.input(Text(prompt))).run(action, connection)
        except CommandFailed as failed:
            fail(failed, as_json=json)
        if not ended_well:
            raise typer.Exit(1)


def _told(
    api: AgentApi,
    action: str | None,
    given: dict[str, Any],
    connection: str | None,
    yes: bool,
    key: str | None,
) -> dict[str, Any]:
    """Return the list of actions, or the preview, and the call and its timeline where it was run."""
    if action is None:
        return {"actions": api.actions()}
    effect = api.describe(action)["effect"]
    told: dict[str, Any] = {"preview": api.preview(action, given, connection)}
    if effect != "read" and not yes:
        return told | {"call": None, "timeline": []}
    started = api.run(action, given, connection, key or new_key())
    call = api.ended(started, lambda waiting: typer.echo(f"{waiting['id']} is {waiting['status']}", err=True))
    return told | {"call": call, "timeline": api.timeline(call["run"])}


def _given(api: AgentApi, action: str, input: str | None, fields: list[str] | None) -> dict[str, Any]:
    """Return the input that the options give. Raises `CommandFailed`."""
    given = json_object(sys.stdin.read() if input == "-" else input, "--input") or {}
    if not fields:
        return given
    known = {field.name: field for field in fields_of(api.describe(action)["input_schema"])}
    for name, text in pairs(fields, "--field").items():
        if name not in known:
            raise CommandFailed(f"{action} has no field {name!r}.", f"It has {', '.join(known)}.")
        try:
            given[name] = known[name].value(text)
        except NotUnderstood as error:
            raise CommandFailed(f"--field {name} needs {error}.") from error
    return given
