"""Which gateway the example calls, and how a timeline is shown."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def gateway() -> tuple[str, str]:
    """Return root URL and agent key: the environment's, else the sandbox's in this folder."""
    if "GATEHOUSE_KEY" in os.environ:
        return os.environ.get("GATEHOUSE_URL", "http://127.0.0.1:8080"), os.environ["GATEHOUSE_KEY"]
    told = json.loads(Path(".gatehouse/sandbox.json").read_text())
    return told["url"], told["agent_key"]


def show(events: Iterable[tuple[int, str, dict[str, Any]]]) -> None:
    """Print a timeline, an event a line: its number, its type, and what is worth a look."""
    for seq, type, data in events:
        told = data.get("data", data)
        words = told.get("text") or told.get("reference") or told.get("action") or told.get("url") or ""
        print(f"{seq:3} {type:18} {' '.join(str(words).split())[:80]}".rstrip())
