"""`python -m bench.connectors`: what each connector that ships adds to the start, unused and used, and to a call.

Each figure is the median of the differences of neighbouring starts: with the connector and without it.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence

import orjson
from rich.console import Console
from rich.table import Table

from gateway.registry import SHIPPED

Measured = dict[str, float]
_MOST_MS, _MOST_KIB = 5.0, 1024.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.connectors", description="What connectors cost.")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of starts for each figure, 1 to 50")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    if not 1 <= given.rounds <= 50:
        parser.error("--rounds must be from 1 to 50")
    shown: dict[str, Measured] = {}
    with Console(stderr=True).status("starting") as status:
        for name in SHIPPED:
            status.update(f"{name}")
            shown[name] = _cost(name, given.rounds)
    if given.json:
        sys.stdout.write(orjson.dumps(shown).decode() + "\n")
    else:
        Console(width=None if sys.stdout.isatty() else 130).print(_table(shown))
    return 0


def _cost(name: str, rounds: int) -> Measured:
    """Return what one connector adds: unused, used, and to finding an action of another one."""
    others = [other for other in SHIPPED if other != name]
    unused, used, looks = list[Measured](), list[Measured](), list[float]()
    for _ in range(rounds):
        without, beside = _start(others, []), _start(SHIPPED, [])
        unused.append({key: beside[key] - without[key] for key in ("ms", "kib")})
        used.append(_start(SHIPPED, [name]))
        alone, among = _start(others[:1], others[:1]), _start([others[0], name], others[:1])
        looks.append(among["look_up_ns"] - alone["look_up_ns"])
    return {
        "unused_ms": _median(unused, "ms"),
        "unused_kib": _median(unused, "kib"),
        "used_ms": _median(used, "ms"),
        "used_kib": _median(used, "kib"),
        "call_ns": round(statistics.median(looks), 1),
    }


def _median(samples: Sequence[Measured], key: str) -> float:
    return round(statistics.median(sample[key] for sample in samples), 2)


def _start(shipped: Sequence[str], used: Sequence[str]) -> Measured:
    command = [sys.executable, "-m", "bench.connectors.probe", ",".join(shipped), ",".join(used)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=120)
    found: Measured = orjson.loads(done.stdout)
    return found


def _table(shown: dict[str, Measured]) -> Table:
    table = Table(title="What a connector adds; medians of pairs of starts", title_justify="left")
    for heading in ("connector", "unused ms", "unused KiB", "used ms", "used KiB", "call ns", "goal unused"):
        table.add_column(heading, justify="left" if heading == "connector" else "right")
    for name, cost in shown.items():
        met = cost["unused_ms"] <= _MOST_MS and cost["unused_kib"] <= _MOST_KIB
        table.add_row(name, *(f"{value:.2f}" for value in cost.values()), "met" if met else "missed")
    return table


if __name__ == "__main__":
    raise SystemExit(main())
