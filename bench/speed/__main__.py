"""`python -m bench.speed`: a table, the goals, and `bench/last.json`. Reports; never fails for a missed goal."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench.speed.load import driver_name
from bench.speed.measure import CONNECTIONS, measure, starts
from bench.speed.scale import scale

_FILE = Path(__file__).parents[1] / "last.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, measure, print."""
    given = _arguments(arguments)
    console = Console(stderr=given.json, width=None if sys.stdout.isatty() else 130)
    with console.status("starting") as status:

        def note(text: str) -> None:
            status.update(text)

        shown: dict[str, Any] = {}
        if not given.scale:
            turns = measure(seconds=given.seconds, rounds=given.rounds, widths=CONNECTIONS, progress=note)
            started = starts(given.starts, note)
            for name in ("read", "write"):
                turns[name].start_s = started
            shown = {name: taken.shown() for name, taken in turns.items()}
            given.output.write_bytes(orjson.dumps(shown, option=orjson.OPT_INDENT_2) + b"\n")
        else:
            shown = {"scale": scale(seconds=given.seconds, rounds=given.rounds, progress=note)}
    if given.json:
        sys.stdout.write(orjson.dumps(shown).decode() + "\n")
    console.print(_scale_table(shown["scale"]) if given.scale else _table(shown))
    for line in _goals(shown):
        console.print(line)
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.speed", description="Measure against a bare proxy.")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one turn, 1 to 20")
    parser.add_argument("--rounds", type=int, default=3, help="turns for each target and width, 1 to 9")
    parser.add_argument("--starts", type=int, default=3, help="how often the start is timed")
    parser.add_argument("--scale", action="store_true", help="10,000 agents and 100,000 grants against one of each")
    parser.add_argument("--json", action="store_true", help="print JSON; the table goes to standard error")
    parser.add_argument("--output", type=Path, default=_FILE, help="file for the results")
    given = parser.parse_args(arguments)
    if not (1 <= given.seconds <= 20 and 1 <= given.rounds <= 9 and 1 <= given.starts <= 9):
        parser.error("--seconds must be from 1 to 20, --rounds and --starts from 1 to 9")
    return given


def _table(shown: Mapping[str, Any]) -> Table:
    table = Table(title=f"One process each, driven by {driver_name()}; medians", title_justify="left")
    for heading in (
        "target",
        "connections",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU us",
        "least",
        "most",
        "x bare",
        "errors",
    ):
        table.add_column(heading, justify="left" if heading == "target" else "right")
    for name, target in shown.items():
        for width in CONNECTIONS:
            row, bare = target[str(width)], shown["bare"][str(width)]
            cells = [row["rps"], row["p50_ms"], row["p99_ms"], row["cpu_us"], row["cpu_us_min"], row["cpu_us_max"]]
            ratio = f"{row['cpu_us'] / bare['cpu_us']:.2f}"
            table.add_row(name, str(width), *(str(cell) for cell in cells), ratio, str(row["errors"]))
        table.add_section()
    return table


def _scale_table(shown: Mapping[str, Any]) -> Table:
    table = Table(title="Many agents and grants against one of each: a read at 32 connections", title_justify="left")
    for heading in shown:
        table.add_column(heading.replace("_", " "), justify="right")
    table.add_row(*(str(value) for value in shown.values()))
    return table


def _goals(shown: Mapping[str, Any]) -> list[str]:
    """Return each goal with what was measured."""
    if "scale" in shown:
        return [_goal("CPU with many grants", (shown["scale"]["ratio"] - 1) * 100, 10, "%")]
    bare, read, write = shown["bare"], shown["read"], shown["write"]
    return [
        _goal("read, CPU at 32", read["32"]["cpu_us"] / bare["32"]["cpu_us"], 1.6, "x bare"),
        _goal("write, CPU at 32", write["32"]["cpu_us"] / bare["32"]["cpu_us"], 2.2, "x bare"),
        _goal("read, p99 at 32", read["32"]["p99_ms"] / bare["32"]["p99_ms"], 2.0, "x bare"),
        _goal("write, p99 at 32", write["32"]["p99_ms"] / bare["32"]["p99_ms"], 2.0, "x bare"),
        _goal("errors at 128", float(read["128"]["errors"] + write["128"]["errors"]), 0, ""),
        _goal("memory after load", max(read["rss_mib"], write["rss_mib"]), 80, "MiB"),
        _goal("start to ready", read["start_s"], 1.5, "s"),
    ]


def _goal(what: str, value: float, most: float, unit: str) -> str:
    kept = "[green]met[/green]" if value <= most else "[yellow]missed[/yellow]"
    return f"{what:<22} {value:8.2f} {unit:<7} goal {most:g}: {kept}"


if __name__ == "__main__":
    raise SystemExit(main())
