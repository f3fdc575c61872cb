"""`bench/chaos.json`: what each part of chaos last found, in one file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from bench.chaos.judge import Verdict

FILE = Path(__file__).parents[1] / "chaos.json"


def keep(file: Path, part: str, verdicts: Sequence[Verdict]) -> list[dict[str, object]]:
    """Put a part's verdicts in place of its last ones, and return them as they are kept."""
    shown = [verdict.shown() for verdict in verdicts]
    file.write_bytes(orjson.dumps({**_kept(file), part: shown}, option=orjson.OPT_INDENT_2) + b"\n")
    return shown


def _kept(file: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
