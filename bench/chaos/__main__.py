"""`python -m bench.chaos`: every fault in turn, a table, `bench/chaos.json`, exit 1 unless all promises were kept."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.chaos.faults import scenarios
from bench.chaos.judge import MUST_BE_ZERO, Verdict
from bench.chaos.results import FILE, keep
from bench.chaos.run import run

_FAULTS = ("kill", "reset_before", "reset_after", "429", "500", "html", "slow")
_SHORT = ("kill", "reset_after", "500")
_LIMIT_SECONDS = 80.0
_COLUMNS = {
    "calls": "calls",
    "requests": "asked",
    "kills": "kills",
    "applied_twice": "applied\ntwice",
    "answered_not_applied": "answered,\nnot applied",
    "unrecorded": "no\nrecord",
    "unknown": "unknown",
    "unknown_but_decidable": "but\ndecidable",
    "seconds": "s",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, run, print."""
    given = _arguments(arguments)
    console = Console(stderr=given.json)
    if not console.is_terminal:
        console = Console(stderr=given.json, width=130)
    verdicts = asyncio.run(_all(given, console))
    shown = keep(given.output, "embedded", verdicts)
    if given.json:
        sys.stdout.write(orjson.dumps(shown).decode() + "\n")
    console.print(_table(verdicts))
    for verdict in verdicts:
        for promise, who in verdict.blamed.items():
            console.print(f"[red]{verdict.fault}: {promise}[/red]: {', '.join(who[:10])}")
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description="Break things and count.")
    parser.add_argument("--seed", type=int, default=1, help="seed of faults, order and kills")
    parser.add_argument("--calls", type=int, help="calls for each fault (200; 60 with --short)")
    parser.add_argument("--faults", help=f"some of {','.join(_FAULTS)}")
    parser.add_argument("--short", action="store_true", help=f"only {', '.join(_SHORT)} with 60 calls and 2 kills")
    parser.add_argument("--json", action="store_true", help="print JSON; the table goes to standard error")
    parser.add_argument("--output", type=Path, default=FILE, help="file for the results")
    given = parser.parse_args(arguments)
    given.calls = given.calls or (60 if given.short else 200)
    given.faults = given.faults.split(",") if given.faults else list(_SHORT if given.short else _FAULTS)
    unknown = set(given.faults) - set(_FAULTS)
    if unknown or not 1 <= given.calls <= 2000:
        parser.error(f"unknown faults {sorted(unknown)}" if unknown else "--calls must be from 1 to 2000")
    return given


async def _all(given: argparse.Namespace, console: Console) -> list[Verdict]:
    known = scenarios(given.seed, kills=2 if given.short else 3)
    verdicts: list[Verdict] = []
    columns = (SpinnerColumn(), TextColumn("{task.description:<13}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[last]:<8}"), TimeElapsedColumn(), console=console) as progress:
        for name in given.faults:
            task = progress.add_task(name, total=given.calls, last="starts")

            def note(done: int, last: str, task: object = task) -> None:
                progress.update(task, completed=done, last=last)  # type: ignore[arg-type]

            verdict = await run(known[name], given.calls, given.seed, limit_seconds=_LIMIT_SECONDS, progress=note)
            progress.update(task, completed=given.calls, last="ok" if verdict.passed else "BROKEN")
            verdicts.append(verdict)
    return verdicts


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(title="Chaos: what was told against the vendor's own record", title_justify="left")
    table.add_column("fault")
    for heading in _COLUMNS.values():
        table.add_column(heading, justify="right")
    table.add_column("other", justify="right")
    for verdict in verdicts:
        other = sum(getattr(verdict, name) for name in MUST_BE_ZERO if name not in _COLUMNS)
        table.add_row(verdict.fault, *(_cell(name, getattr(verdict, name)) for name in _COLUMNS), _cell("", other))
    return table


def _cell(name: str, value: float) -> str:
    return f"[bold red]{value}[/bold red]" if value and name in {"", *MUST_BE_ZERO} else str(value)


if __name__ == "__main__":
    raise SystemExit(main())
