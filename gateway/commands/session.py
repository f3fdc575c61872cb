"""The terminal session of `gatehouse try`: choose an action, fill its fields, look at it, run it, see what happened.

What vendors and tenants wrote is shown as plain text: neither markup nor terminal codes in it do anything.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.commands.agent import AgentApi, new_key
from gateway.commands.fields import Field, NotUnderstood, fields_of
from gateway.commands.wire import CommandFailed

_SHOWN = 20
_LONGEST_CELL = 100


class Left(Exception):
    """The person has left."""


class Session:
    """Talks to a person on a terminal, or reads what a script would type."""

    def __init__(self, api: AgentApi, console: Console, read: Callable[[str], str]) -> None:
        """Take what reads a line after a prompt; it raises `EOFError` at the end."""
        self._api = api
        self._console = console
        self._read = read

    def run(self, action: str | None, connection: str | None) -> None:
        """Go on until the person leaves."""
        try:
            if action is not None:
                self._attempt(action, connection)
                return
            self._list(self._api.actions())
            while True:
                self._attempt(self._choose(), connection)
        except Left:
            self._say("Bye.")

    def _attempt(self, action: str, connection: str | None) -> None:
        """Do one call; what fails is said, and the session goes on."""
        try:
            self._call(self._api.describe(action), connection)
        except CommandFailed as failed:
            self.show_failure(failed)

    def _choose(self) -> str:
        known = {one["name"] for one in self._api.actions()}
        while True:
            typed = self._ask("Action (a name, words to search for, nothing to leave)")
            if not typed:
                raise Left
            if typed in known:
                return typed
            found = self._api.actions(typed)
            if found:
                self._list(found)
            else:
                self._say("No action that this key may call is about that.")

    def _call(self, action: Mapping[str, Any], connection: str | None) -> None:
        self._say(f"\n{action['name']}", style="bold")
        self._say(str(action["description"]))
        connection = connection or self._connection(action)
        shown = self._api.describe(action["name"], connection) if connection else action
        filled = self._filled(shown)
        while True:
            try:
                preview = self._api.preview(action["name"], filled, connection)
                break
            except CommandFailed as failed:
                filled = self._corrected(failed, shown, filled)
        self.show_preview(preview)
        if action["effect"] != "read" and self._ask("Run it? (yes, or nothing to leave it)").lower() not in {
            "y",
            "yes",
        }:
            self._say("Nothing was sent.")
            return
        self._run(action["name"], filled, connection, new_key())

    def _run(self, action: str, filled: Mapping[str, Any], connection: str | None, key: str) -> None:
        while True:
            try:
                call = self._api.ended(self._api.run(action, filled, connection, key), self._wait)
                break
            except CommandFailed as failed:
                self.show_failure(failed)
                again = (failed.problem or {"retryable": True}).get("retryable")
                if not again or self._ask("Try again under the same key? (yes)").lower() not in {"y", "yes"}:
                    return
        self.show_call(call)
        self.show_timeline(self._api.timeline(call["run"]))

    def _connection(self, action: Mapping[str, Any]) -> str | None:
        names: Sequence[str] = action["connections"]
        if len(names) == 1:
            return names[0]
        while True:
            typed = self._ask(f"Connection ({', '.join(names)})")
            if typed in names:
                return typed
            self._say("Name one of them: none is picked silently.")

    def _filled(self, action: Mapping[str, Any]) -> dict[str, Any]:
        fields = fields_of(action["input_schema"])
        filled = {field.name: self._value(field) for field in fields if field.required}
        optional = {field.name: field for field in fields if not field.required}
        if optional:
            self._fields(list(optional.values()))
            typed = self._ask("Fields to fill (names, nothing for none)")
            for name in typed.replace(",", " ").split():
                if name in optional:
                    filled[name] = self._value(optional[name])
                else:
                    self._say(f"There is no field {name}.")
        own = action.get("custom_fields") or {}
        if own.get("schema"):
            self._custom(own, filled)
        return filled

    def _custom(self, own: Mapping[str, Any], filled: dict[str, Any]) -> None:
        """Fill fields that the tenant has made at its vendor."""
        fields = {field.name: field for field in fields_of(own["schema"])}
        titles = {name: str(one.get("title", "")) for name, one in own["schema"].get("properties", {}).items()}
        self._fields(list(fields.values()), titles)
        typed = self._ask("Own fields to fill (names, nothing for none)")
        given = {name: self._value(fields[name]) for name in typed.replace(",", " ").split() if name in fields}
        if given:
            member = str(own["member"]).removeprefix("/")
            filled[member] = {**filled.get(member, {}), **given}

    def _corrected(self, failed: CommandFailed, action: Mapping[str, Any], filled: Mapping[str, Any]) -> dict[str, Any]:
        """Ask again for the fields that a refusal names. Raises the refusal where it names none."""
        self.show_failure(failed)
        faults = (failed.problem or {}).get("errors", [])
        named = {str(fault.get("pointer", "")).removeprefix("/").partition("/")[0] for fault in faults}
        wrong = [field for field in fields_of(action["input_schema"]) if field.name in named]
        if not wrong:
            raise failed
        return {**filled, **{field.name: self._value(field) for field in wrong}}

    def _value(self, field: Field) -> Any:
        about = f"\n  {field.about}" if field.about else ""
        kind = " or ".join(field.choices) if field.choices else field.kind
        self._say(f"{field.name} ({kind}){about}", style="cyan")
        while True:
            typed = self._ask("  =")
            if not typed and field.kind != "text":
                self._say("  This field needs a value.")
                continue
            try:
                return field.value(typed)
            except NotUnderstood as error:
                self._say(f"  That is not {error}." if not field.choices else f"  Type {error}.")

    def _wait(self, call: Mapping[str, Any]) -> None:
        page = (call.get("approval") or {}).get("page")
        where = f" A person decides at {self._api.url}{page}" if page else ""
        self._say(f"The call {call['id']} is {call['status']}.{where}", style="yellow")

    def _list(self, actions: Sequence[Mapping[str, Any]]) -> None:
        table = Table("action", "effect", "what", "connections", box=None, pad_edge=False, header_style="bold")
        for one in actions[:_SHOWN]:
            table.add_row(
                *(Text(plain(str(c))) for c in (one["name"], one["effect"], one["title"])),
                Text(plain(", ".join(one["connections"]))),
            )
        self._console.print(table)
        if len(actions) > _SHOWN:
            self._say(f"and {len(actions) - _SHOWN} more: type words to search for.", style="dim")
        if not actions:
            self._say("This key may call nothing: it has no grant that is in force.")

    def _fields(self, fields: Sequence[Field], titles: Mapping[str, str] | None = None) -> None:
        table = Table(box=None, pad_edge=False, show_header=False)
        for field in fields:
            about = (titles or {}).get(field.name) or field.about
            cells = (field.name, " or ".join(field.choices) or field.kind, about)
            table.add_row(*(Text(plain(cell)) for cell in cells))
        self._console.print(table)

    def show_preview(self, preview: Mapping[str, Any]) -> None:
        """Show the exact requests, the decision and what would change."""
        decision = preview["decision"]
        risk = decision["risk"]
        facts = ", ".join(risk["facts"])
        self._say(f"\nOn {preview['connection']}: {decision['effect']}, risk {risk['score']} ({facts})", style="bold")
        for request in preview["requests"]:
            self._say(_pretty(request))
        for change in preview.get("predicted_change") or ():
            self._say(f"would change: {_line(change)}", style="yellow")

    def show_call(self, call: Mapping[str, Any]) -> None:
        """Show how a call ended."""
        good = call["status"] in {"succeeded", "shadowed"}
        replayed = ", replayed" if call.get("replayed") else ""
        self._say(f"\n{call['status']}{replayed}: {call['id']}", style="bold green" if good else "bold red")
        error = call.get("error")
        if error:
            self.show_failure(CommandFailed(str(error.get("detail")), error.get("hint"), error))
        elif call.get("output") is not None:
            self._say(_pretty(call["output"]))

    def show_timeline(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Show what happened, in order."""
        table = Table("", "at", "what", "", box=None, pad_edge=False, header_style="bold")
        for item in items:
            cells = (str(item["seq"]), str(item["at"]), str(item["type"]), _line(item["data"]))
            table.add_row(*(Text(plain(cell)) for cell in cells))
        self._console.print(table)

    def show_failure(self, failed: CommandFailed) -> None:
        """Show what is wrong and what to do next."""
        self._say(failed.detail, style="red")
        if failed.hint:
            self._say(f"  {failed.hint}")

    def _ask(self, prompt: str) -> str:
        try:
            return self._read(f"{plain(prompt)} ").strip()
        except EOFError as error:
            raise Left from error

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(plain(text), style=style))


def plain(text: str) -> str:
    """Return a text that does nothing to a terminal: control characters but line ends are shown as a mark."""
    return "".join(sign if sign == "\n" or sign.isprintable() else "\ufffd" for sign in text)


def _pretty(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _line(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"
