"""Writes the table of systems that stands in the README, between two comments."""

import re
from collections.abc import Iterable

from connectors.sdk import Connector
from gateway.tiers import recorded

BEGIN, END = "<!-- systems -->", "<!-- /systems -->"
_HEAD = ("system", "actions", "tier", "connects by", "hosts")
_AROUND = re.compile(f"({re.escape(BEGIN)}\n).*?({re.escape(END)})", re.DOTALL)


class NoPlace(ValueError):
    """The file has no place for the table. The message says what to write into it."""


def table(connectors: Iterable[Connector]) -> str:
    """Return the table in Markdown, a row for every connector."""
    rows = [_row(connector) for connector in connectors]
    return "\n".join("| " + " | ".join(line) + " |" for line in (_HEAD, ["---"] * len(_HEAD), *rows)) + "\n"


def with_table(text: str, connectors: Iterable[Connector]) -> str:
    """Return a text with the table in its place. Raises `NoPlace`."""
    made, count = _AROUND.subn(lambda found: f"{found.group(1)}{table(connectors)}{found.group(2)}", text)
    if count != 1:
        raise NoPlace(f"write the lines `{BEGIN}` and `{END}` once, where the table shall stand")
    return made


def _row(connector: Connector) -> list[str]:
    found = recorded(connector)
    return [
        f"[{connector.title}](docs/connectors/{connector.id}.md)",
        str(len(connector.actions)),
        (found.tier or "below bronze") if found else "unchecked",
        ", ".join(method.title.partition(" of a ")[0] for method in connector.auth.values()),
        ", ".join(f"`{host.text}`" for host in connector.hosts),
    ]
