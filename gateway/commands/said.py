"""What people type: JSON, `name=value`, secrets that are asked for and never stand in a command line."""

import sys
from pathlib import Path
from typing import Any, cast

import orjson
import typer

from gateway.commands.wire import CommandFailed


def given(**members: object) -> dict[str, Any]:
    """Return the members that were given."""
    return {name: value for name, value in members.items() if value is not None}


def some(**members: object) -> dict[str, Any]:
    """Return the members that were given. Raises `CommandFailed` for none."""
    found = given(**members)
    if not found:
        raise CommandFailed("Nothing to change was given.", "See --help for what may change.")
    return found


def json_object(text: str | None, option: str) -> dict[str, Any] | None:
    """Return an option's JSON object. Raises `CommandFailed`."""
    if text is None:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CommandFailed(f"{option} is not JSON: {error.msg}.") from error
    if not isinstance(value, dict):
        raise CommandFailed(f"{option} is not a JSON object.")
    return cast("dict[str, Any]", value)


def pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    """Return `name=value` options. Raises `CommandFailed`."""
    found: dict[str, str] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CommandFailed(f"{option} {text!r} is not name=value.")
        found[name] = value
    return found


def limits(texts: list[str] | None) -> dict[str, int] | None:
    """Return `name=per-minute` options. Raises `CommandFailed`."""
    if texts is None or not texts:
        return None
    try:
        return {name: int(value) for name, value in pairs(texts, "--per-minute").items()}
    except ValueError as error:
        raise CommandFailed("--per-minute must be name=number, such as requests_per_minute=60.") from error


def credential(file: Path | None, fields: list[str] | None, secrets: list[str] | None) -> dict[str, Any]:
    """Return a credential from a JSON file (`-` is standard input), from fields, and from secrets asked for now.

    Without a terminal each secret is a line of standard input.
    """
    found: dict[str, Any] = {}
    if file is not None:
        try:
            raw = sys.stdin.read() if str(file) == "-" else file.read_text()
        except OSError as error:
            raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error
        found |= json_object(raw, "--credential-file") or {}
    found |= pairs(fields, "--field")
    wanted = secrets or ([] if found else ["token"])
    for name in wanted:
        found[name] = _secret(name)
    return found


def _secret(name: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(name, hide_input=True, err=True))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise CommandFailed(f"No {name} came on standard input.", "Pipe it in, or use --credential-file.")
    return line
