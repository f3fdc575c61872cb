"""`python -m bench.chaos.replicas`: every row in turn, a table, `bench/chaos.json`, exit 1 unless all was kept."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.chaos.judge import MUST_BE_ZERO, Verdict
from bench.chaos.replicas.faults import rows
from bench.chaos.replicas.replica import clock_library
from bench.chaos.replicas.run import DidNotStart, house, run
from bench.chaos.results import FILE, keep

_SHORT, _SHORT_PACE = ("postgres", "everything"), 0.6
_COLUMNS = {
    "calls": "calls",
    "requests": "asked",
    "applied_twice": "applied\ntwice",
    "answered_not_applied": "not\napplied",
    "unrecorded": "no\nrecord",
    "refused_but_applied": "refused,\napplied",
    "unknown": "unknown",
    "unknown_but_decidable": "but de-\ncidable",
    "retold": "retold",
    "unfinished": "un-\nfinished",
    "memory_mib": "MiB",
    "growth_mib": "grown",
    "seconds": "s",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, run, print."""
    given = _arguments(arguments)
    # Whoever ends this run must not leave its servers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=given.json)
    if not console.is_terminal:
        console = Console(stderr=given.json, width=150)
    try:
        verdicts = asyncio.run(_all(given, console))
    except DidNotStart as error:
        console.print(f"[red]{error}[/red]")
        return 2
    shown = keep(given.output, "replicas", verdicts)
    if given.json:
        sys.stdout.write(orjson.dumps(shown).decode() + "\n")
    console.print(_table(verdicts))
    if clock_library() is None:
        console.print("The clocks were not moved: libfaketime is not installed.")
    for verdict in verdicts:
        for promise, who in verdict.blamed.items():
            console.print(f"[red]{verdict.fault}: {promise}[/red]: {', '.join(who[:10])}", highlight=False)
        for key, events in verdict.stories.items():
            console.print(key, *events, sep="\n  ", highlight=False, markup=False, soft_wrap=True)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    known = list(rows(0))
    parser = argparse.ArgumentParser(prog="python -m bench.chaos.replicas", description="Break replicas and count.")
    parser.add_argument("--seed", type=int, default=1, help="seed of faults, order and blows")
    parser.add_argument("--calls", type=int, help="calls over all rows (10000; 600 with --short)")
    parser.add_argument("--rows", help=f"some of {','.join(known)}")
    parser.add_argument("--short", action="store_true", help=f"only {', '.join(_SHORT)}, under four minutes")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds until a row's calls are given up")
    parser.add_argument("--json", action="store_true", help="print JSON; the table goes to standard error")
    parser.add_argument("--output", type=Path, default=FILE, help="file for the results")
    given = parser.parse_args(arguments)
    given.rows = given.rows.split(",") if given.rows else list(_SHORT if given.short else known)
    given.calls = given.calls or (600 if given.short else 10_000)
    unknown = set(given.rows) - set(known)
    if unknown or not 16 * len(given.rows) <= given.calls <= 100_000:
        parser.error(f"unknown rows {sorted(unknown)}" if unknown else "--calls must be from 16 a row to 100000")
    return given


async def _all(given: argparse.Namespace, console: Console) -> list[Verdict]:
    known = rows(given.seed, pace=_SHORT_PACE if given.short else 1.0)
    each = given.calls // len(given.rows)
    verdicts: list[Verdict] = []
    columns = (SpinnerColumn(), TextColumn("{task.description:<11}"), BarColumn(), MofNCompleteColumn())
    async with house() as made:
        with Progress(
            *columns, TextColumn("{task.fields[last]:<18}"), TimeElapsedColumn(), console=console
        ) as progress:
            for name in given.rows:
                task = progress.add_task(name, total=each, last="starts")

                def note(done: int, last: str, task: object = task) -> None:
                    progress.update(task, completed=done, last=last)  # type: ignore[arg-type]

                verdict = await run(made, known[name], each, given.seed, limit_seconds=given.limit, progress=note)
                progress.update(task, completed=each, last="ok" if verdict.passed else "BROKEN")
                verdicts.append(verdict)
    return verdicts


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(title="Chaos with two replicas: what was told against the vendors' own records", title_justify="left")
    table.add_column("fault")
    table.add_column("struck")
    for heading in _COLUMNS.values():
        table.add_column(heading, justify="right")
    table.add_column("other", justify="right")
    for verdict in verdicts:
        other = sum(getattr(verdict, name) for name in MUST_BE_ZERO if name not in _COLUMNS)
        struck = "\n".join(f"{name.replace('postgres_', '')} {times}" for name, times in verdict.struck.items())
        cells = (_cell(name, getattr(verdict, name)) for name in _COLUMNS)
        table.add_row(verdict.fault, struck, *cells, _cell("", other))
    return table


def _cell(name: str, value: float) -> str:
    return f"[bold red]{value}[/bold red]" if value and name in {"", *MUST_BE_ZERO} else str(value)


if __name__ == "__main__":
    raise SystemExit(main())
