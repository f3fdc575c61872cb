"""Fills the template. Every file of it is one file of the connector, with `{{name}}`, `{{title}}` and `{{class}}`."""

import re
from pathlib import Path

_TEMPLATE = Path(__file__).parent / "template"
_NAME = re.compile(r"^[a-z][a-z0-9_]{1,31}$")


class NameTaken(ValueError):
    """The name is no name for a connector, or there is one of that name. The message says which."""


def scaffold(name: str, root: Path, title: str | None = None) -> list[Path]:
    """Write the connector below `root` (a checkout) and return its files. Raises `NameTaken`; overwrites nothing."""
    if not _NAME.match(name):
        raise NameTaken(f"{name!r} is no connector's name: lower-case letters, digits and `_`, at most 32")
    folder, tests = root / "connectors" / name, root / "tests" / "connectors" / name
    if folder.exists() or tests.exists():
        raise NameTaken(f"{folder} is there already")
    shown = title or name.replace("_", " ").title()
    filled = {
        "name": name,
        "title": shown,
        "class": shown.replace(" ", ""),
        "host": f"{name.replace('_', '-')}.example",
    }
    written: list[Path] = []
    for source in sorted(_TEMPLATE.rglob("*.txt")):
        place = source.relative_to(_TEMPLATE).with_suffix("")
        target = tests / place.name if place.parts[0] == "tests" else folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_fill(source.read_text(), filled))
        written.append(target)
    return written


def _fill(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text
