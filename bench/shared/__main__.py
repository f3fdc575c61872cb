"""`python -m bench.shared`: a table, the goals, `bench/shared.json`. Reports; never fails for a missed goal."""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench.shared.ground import Ground, ground
from bench.shared.stored import fill
from bench.speed.home import install
from bench.speed.load import Request
from bench.speed.measure import BODY_CREATE, BODY_GET, READ, WRITE, Target, Turns, running, take
from bench.speed.target import children_of, start_gateway, start_module

_FILE = Path(__file__).parents[1] / "shared.json"
_WIDTH = 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.shared", description="Measure over shared servers.")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one turn, 1 to 20")
    parser.add_argument("--rounds", type=int, default=3, help="turns for each target, 1 to 9")
    parser.add_argument("--calls", type=int, default=1_000_000, help="stored calls for the scale, 0 leaves it out")
    parser.add_argument("--grants", type=int, default=100_000, help="stored grants for the scale")
    parser.add_argument("--json", action="store_true", help="print JSON; the table goes to standard error")
    parser.add_argument("--output", type=Path, default=_FILE, help="file for the results")
    given = parser.parse_args(arguments)
    if not (1 <= given.seconds <= 20 and 1 <= given.rounds <= 9 and 0 <= given.calls <= 5_000_000):
        parser.error("--seconds 1 to 20, --rounds 1 to 9, --calls 0 to 5000000")
    console = Console(stderr=given.json, width=None if sys.stdout.isatty() else 130)
    with console.status("starting") as status:
        shown = _measure(given, status.update)
    given.output.write_bytes(orjson.dumps(shown, option=orjson.OPT_INDENT_2) + b"\n")
    if given.json:
        sys.stdout.write(orjson.dumps(shown).decode() + "\n")
    console.print(_table(shown))
    for line in _goals(shown):
        console.print(line)
    return 0


def _measure(given: argparse.Namespace, note: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        note("servers")
        under = stack.enter_context(ground(folder))
        upstream = stack.enter_context(running(start_module("bench.speed.upstream")))
        bare = stack.enter_context(running(start_module("bench.speed.bare", upstream.url)))
        installed = install(folder / "home", upstream.url, more=under.settings)
        gateway = stack.enter_context(running(start_gateway(installed.home, upstream.url, under.environment)))
        two = stack.enter_context(
            running(start_gateway(installed.home, upstream.url, {**under.environment, "GATEHOUSE_WORKERS": "2"}))
        )
        two.children = children_of(two.process.pid)
        targets = [
            Target("bare", bare, Request(READ, BODY_GET)),
            Target("read", gateway, Request(READ, BODY_GET, installed.keys)),
            Target("write", gateway, Request(WRITE, BODY_CREATE, installed.keys, fresh_keys=True)),
            Target("write, 2 workers", two, Request(WRITE, BODY_CREATE, installed.keys, fresh_keys=True)),
        ]
        shown = {"empty": _rounds(targets, under, given, note, "empty")}
        if given.calls:
            note(f"fill with {given.calls:,} calls")
            asyncio.run(fill(under.database, calls=given.calls, grants=given.grants))
            shown["full"] = _rounds(targets, under, given, note, "full")
        shown["terms"] = {"calls": given.calls, "grants": given.grants, "rss_mib": round(gateway.rss_mib(), 1)}
    return shown


def _rounds(
    targets: Sequence[Target], under: Ground, given: argparse.Namespace, note: Any, label: str
) -> dict[str, Any]:
    turns = {target.name: Turns(start_s=[target.running.start_s]) for target in targets}
    counted: dict[str, dict[str, list[float]]] = {target.name: {"commits": [], "redis": []} for target in targets}
    for turn in range(given.rounds + 1):
        for target in targets:
            note(f"{label}: {target.name}, round {turn}")
            commits, commands = under.commits(), under.commands()
            taken = turns[target.name] if turn else Turns()
            take(
                taken,
                target,
                _WIDTH,
                given.seconds,
                f"{label}-{turn}-{target.name[-9:]}".replace(" ", "-").replace(",", ""),
            )
            requests = max(taken.samples[_WIDTH][-1].requests, 1)
            if turn:
                counted[target.name]["commits"].append((under.commits() - commits) / requests)
                counted[target.name]["redis"].append((under.commands() - commands) / requests)
    return {
        name: {
            **dict(taken.shown()[str(_WIDTH)]),  # type: ignore[call-overload]
            "commits_a_call": round(statistics.median(counted[name]["commits"]), 3),
            "redis_a_call": round(statistics.median(counted[name]["redis"]), 4),
        }
        for name, taken in turns.items()
    }


def _table(shown: Mapping[str, Any]) -> Table:
    table = Table(title=f"Over PostgreSQL, Redis and a stand-in for Vault; {_WIDTH} connections", title_justify="left")
    for heading in (
        "ledger",
        "target",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU us",
        "x bare",
        "commits",
        "redis",
        "errors",
    ):
        table.add_column(heading, justify="left" if heading in {"ledger", "target"} else "right")
    for label in ("empty", "full"):
        for name, row in shown.get(label, {}).items():
            ratio = f"{row['cpu_us'] / shown[label]['bare']['cpu_us']:.2f}"
            cells = [row["rps"], row["p50_ms"], row["p99_ms"], row["cpu_us"], ratio]
            counted = (
                [row["commits_a_call"], row["redis_a_call"], row["errors"]]
                if name != "bare"
                else ["", "", row["errors"]]
            )
            table.add_row(label, name, *(str(cell) for cell in [*cells, *counted]))
        table.add_section()
    return table


def _goals(shown: Mapping[str, Any]) -> list[str]:
    write, bare = shown["empty"]["write"], shown["empty"]["bare"]
    goals = [
        ("write, CPU", write["cpu_us"] / bare["cpu_us"], 2.8, "x bare"),
        ("commits for a write", write["commits_a_call"], 2.0, ""),
        ("Redis trips a call", write["redis_a_call"], 0.1, ""),
        ("2 workers, CPU of one", shown["empty"]["write, 2 workers"]["cpu_us"] / write["cpu_us"], 1.2, "x"),
    ]
    if "full" in shown:
        for name in ("read", "write"):
            grown = (shown["full"][name]["p50_ms"] / shown["empty"][name]["p50_ms"] - 1) * 100
            goals.append((f"{name}, p50 when full", grown, 10.0, "% more"))
    return [_goal(*goal) for goal in goals]


def _goal(what: str, value: float, most: float, unit: str) -> str:
    kept = "[green]met[/green]" if value <= most else "[yellow]missed[/yellow]"
    return f"{what:<22} {value:8.2f} {unit:<7} goal {most:g}: {kept}"


if __name__ == "__main__":
    raise SystemExit(main())
