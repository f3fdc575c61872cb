"""Makes a function over the admin API a command: the options that all share, the answer as a table or JSON."""

import inspect
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, TypeVar, cast

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.commands.client import Api, find_remote
from gateway.commands.wire import CommandFailed
from gateway.settings import RemoteSettings

HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])
_PATIENCE_SECONDS = 2.0

Limit = Annotated[int, typer.Option(min=1, help="Most items to show.")]
Version = Annotated[int | None, typer.Option("--if-version", help="Change only if it is at this version.")]

_SHARED: Mapping[str, Any] = {
    "url": Annotated[str | None, typer.Option(help="Root URL of the gateway [GATEHOUSE_URL].")],
    "token": Annotated[str | None, typer.Option(help="Admin token; better in GATEHOUSE_TOKEN.")],
    "tenant": Annotated[str | None, typer.Option(help="Tenant [GATEHOUSE_TENANT].")],
    "environment": Annotated[str | None, typer.Option(help="Environment [GATEHOUSE_ENVIRONMENT].")],
    "json": Annotated[bool, typer.Option("--json", help="Print JSON.")],
}


def group(app: typer.Typer, name: str, about: str) -> typer.Typer:
    """Return a new group of commands."""
    made = typer.Typer(no_args_is_help=True, help=about)
    app.add_typer(made, name=name)
    return made


_PIPED_WIDTH = 200


def command(to: typer.Typer, name: str, *, columns: Sequence[str] = ()) -> Callable[[HandlerT], HandlerT]:
    """Make a function a command. It takes an `Api` first and returns what the command prints.

    `columns` are the members of a list's items that its table shows; a dot leads into a member.
    """

    def register(handler: HandlerT) -> HandlerT:
        def run(**given: Any) -> None:
            shared = {option: given.pop(option) for option in _SHARED}
            as_json = bool(shared.pop("json"))
            show(asked(lambda api: handler(api, **given), as_json=as_json, **shared), columns, as_json=as_json)

        _sign(run, handler)
        to.command(name)(run)
        return handler

    return register


def asked(ask: Callable[[Api], Any], *, as_json: bool, **named: Any) -> Any:
    """Return what a gateway answers: the one that options, environment or sandbox name. Exits where it fails."""
    try:
        with Api(find_remote(RemoteSettings(), **named), patience) as api:
            return ask(api)
    except CommandFailed as failed:
        fail(failed, as_json=as_json)


def show(value: object, columns: Sequence[str], *, as_json: bool) -> None:
    """Print an answer."""
    if as_json:
        typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
        return
    members: dict[str, Any] = cast("dict[str, Any]", value) if isinstance(value, dict) else {"answer": value}
    if columns and "items" in members:
        # Piped or narrow, an id must stay whole: somebody copies it.
        console = Console() if sys.stdout.isatty() else Console(width=_PIPED_WIDTH)
        console.print(table(members["items"], columns))
        if members.get("next_cursor"):
            console.print("There are more; raise --limit.", style="dim")
        return
    width = max((len(name) for name in members), default=0)
    for name, item in members.items():
        label = typer.style(name.ljust(width), bold=True)
        first, *more = _cell(item).splitlines() or [""]
        typer.echo("\n".join([f"{label}  {first}", *(f"{' ' * width}  {line}" for line in more)]))


def table(items: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """Return items as a table."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column.replace("_", " "), no_wrap=column == "id", overflow="fold")
    for item in items:
        made.add_row(*[Text(_cell(_member(item, column))) for column in columns])
    return made


def fail(failed: CommandFailed, *, as_json: bool) -> NoReturn:
    """Print what failed and what to do next, and exit with 1."""
    if as_json:
        known = failed.problem or {"detail": failed.detail, "hint": failed.hint}
        typer.echo(orjson.dumps(known, option=orjson.OPT_INDENT_2).decode(), err=True)
    else:
        typer.echo(f"gatehouse: {failed.detail}", err=True)
        if failed.hint:
            typer.echo(f"  {failed.hint}", err=True)
    raise typer.Exit(1)


@contextmanager
def patience() -> Generator[None]:
    """Show on a terminal that something goes on, when it takes longer than two seconds."""
    if not sys.stderr.isatty():
        yield
        return
    status = Console(stderr=True).status("Waiting for the gateway")
    timer = threading.Timer(_PATIENCE_SECONDS, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()


def _sign(run: Callable[..., None], handler: Callable[..., Any]) -> None:
    """Give the command the handler's own parameters, and after them the shared options."""
    own = list(inspect.signature(handler, eval_str=True).parameters.values())[1:]
    shared = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=False if name == "json" else None
        )
        for name, kind in _SHARED.items()
    ]
    kept = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    run.__signature__ = inspect.Signature([*kept, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*kept, *shared)}
    run.__doc__ = handler.__doc__
    run.__name__ = handler.__name__


def _member(item: Mapping[str, Any], column: str) -> object:
    value: Any = item
    for part in column.split("."):
        value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
    return value


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in cast("list[object]", value)):
        return ", ".join(cast("list[str]", value)) or "-"
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return str(value)
