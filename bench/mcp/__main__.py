"""`python -m bench.mcp`: a tool call beside the same call over HTTP, and lists of many tools. Reports, never fails.

Both doors are those of one process, asked in turns, so that what a process has grown into hits both alike.
"""

import argparse
import asyncio
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench.mcp.wide import REVISION, listed, message
from bench.speed.home import install
from bench.speed.load import KEY, Request, drive, driver_name
from bench.speed.measure import BODY_CREATE, BODY_GET, READ, WRITE, Target, Turns, running, take
from bench.speed.target import start_gateway, start_module

_WIDTHS = (1, 32)
_FILE = Path(__file__).parents[1] / "mcp.json"
_MOST_RATIO, _MOST_LIST_MS, _MOST_TOKENS = 1.25, 5.0, 1500


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.mcp", description="Measure the MCP door.")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one turn, 1 to 20")
    parser.add_argument("--rounds", type=int, default=3, help="turns for each door and width, 1 to 9")
    parser.add_argument("--direct", type=int, default=1000, help="tools of the long list, 10 to 10000")
    parser.add_argument("--actions", type=int, default=10_000, help="actions behind the short list, 10 to 20000")
    parser.add_argument("--json", action="store_true", help="print JSON; the tables go to standard error")
    parser.add_argument("--output", type=Path, default=_FILE, help="file for the results")
    given = parser.parse_args(arguments)
    if not (1 <= given.seconds <= 20 and 1 <= given.rounds <= 9):
        parser.error("--seconds must be from 1 to 20, --rounds from 1 to 9")
    if not (10 <= given.direct <= 10_000 and 10 <= given.actions <= 20_000):
        parser.error("--direct must be from 10 to 10000, --actions from 10 to 20000")
    console = Console(stderr=given.json, width=None if sys.stdout.isatty() else 130)
    with console.status("starting") as status:
        turns = _doors(given.seconds, given.rounds, status.update)
        status.update(f"a list of {given.direct} tools")
        lists = {"direct": asyncio.run(listed(given.direct, "direct"))}
        status.update(f"{given.actions} actions behind four tools")
        lists["discover"] = asyncio.run(listed(given.actions, "discover"))
    shown = {"calls": {name: taken.shown() for name, taken in turns.items()}, "lists": lists}
    given.output.write_bytes(orjson.dumps(shown, option=orjson.OPT_INDENT_2) + b"\n")
    if given.json:
        sys.stdout.write(orjson.dumps(shown).decode() + "\n")
    console.print(_calls_table(shown["calls"]))
    console.print(_lists_table(lists))
    for line in _goals(shown):
        console.print(line)
    return 0


def _doors(seconds: float, rounds: int, progress: Any) -> Mapping[str, Turns]:
    """Return the turns of a read and a write through both doors."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder, ExitStack() as stack:
        upstream = stack.enter_context(running(start_module("bench.speed.upstream")))
        targets: list[Target] = []
        for kind, path, body in (("read", READ, BODY_GET), ("write", WRITE, BODY_CREATE)):
            installed = install(Path(folder) / kind, upstream.url)
            gateway = stack.enter_context(running(start_gateway(installed.home, upstream.url)))
            fresh = kind == "write"
            over_http = Request(path, body, installed.keys, fresh_keys=fresh)
            targets.append(Target(f"{kind} over HTTP", gateway, over_http))
            targets.append(Target(f"{kind} over MCP", gateway, _tool_call(over_http)))
        turns = {target.name: Turns(start_s=[target.running.start_s]) for target in targets}
        for target in targets:
            _check(target)
            progress(f"warm up {target.name}")
            drive(target.running.url, target.request, connections=32, seconds=1, name=f"warm-{_mark(target)}")
        for turn in range(rounds):
            for width in _WIDTHS:
                for target in targets:
                    progress(f"{target.name} at {width}, round {turn + 1}")
                    take(turns[target.name], target, width, seconds, f"{turn}-{width}-{_mark(target)}")
        return turns


def _mark(target: Target) -> str:
    """Tell the doors' keys apart: a key of the other door would be answered with what that one did."""
    return target.name.replace(" ", "-")


def _check(target: Target) -> None:
    """Raise `RuntimeError` unless the call succeeds: a tool that fails answers 200 too."""
    asked = target.request
    headers = {"content-type": "application/json", "authorization": f"Bearer {asked.bearers[0]}", **asked.headers}
    if asked.fresh_keys and KEY not in asked.body:
        headers["idempotency-key"] = "check"
    body = asked.body.replace(KEY, "check-inside").encode()
    request = urllib.request.Request(target.running.url + asked.path, body, headers, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        told = orjson.loads(answer.read())
    if told.get("status") != "succeeded" and told.get("result", {}).get("isError", True):
        raise RuntimeError(f"{target.name} fails: {told}")


def _tool_call(call: Request) -> Request:
    """Return the same call as `tools/call` of 2026-07-28."""
    tool = call.path.rpartition("/")[2].replace(".", "__")
    asked = message("tools/call", {"name": tool, "arguments": orjson.loads(call.body)})
    if call.fresh_keys:
        asked["params"]["_meta"]["gatehouse/idempotency_key"] = KEY
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": REVISION,
        "mcp-method": "tools/call",
        "mcp-name": tool,
    }
    path = "/mcp?tools=direct"
    return Request(path, orjson.dumps(asked).decode(), call.bearers, fresh_keys=call.fresh_keys, headers=headers)


def _calls_table(shown: Mapping[str, Any]) -> Table:
    table = Table(title=f"The same call through both doors, driven by {driver_name()}; medians", title_justify="left")
    for heading in ("call", "connections", "requests/s", "p50 ms", "CPU us", "least", "most", "x HTTP", "errors"):
        table.add_column(heading, justify="left" if heading == "call" else "right")
    for name, turns in shown.items():
        for width in _WIDTHS:
            row = turns[str(width)]
            cells = (row["rps"], row["p50_ms"], row["cpu_us"], row["cpu_us_min"], row["cpu_us_max"])
            table.add_row(name, str(width), *map(str, cells), f"{_ratio(shown, name, width):.2f}", str(row["errors"]))
        table.add_section()
    return table


def _ratio(shown: Mapping[str, Any], name: str, width: int) -> float:
    over_http = shown[f"{name.partition(' ')[0]} over HTTP"][str(width)]["cpu_us"]
    return float(shown[name][str(width)]["cpu_us"] / over_http)


def _lists_table(lists: Mapping[str, Any]) -> Table:
    table = Table(title="Lists of tools, over loopback", title_justify="left")
    table.add_column("mode")
    for heading in lists["direct"]:
        table.add_column(heading.replace("_", " "), justify="right")
    for mode, row in lists.items():
        table.add_row(mode, *(str(value) for value in row.values()))
    return table


def _goals(shown: Mapping[str, Any]) -> list[str]:
    """Return each goal with what was measured."""
    calls, lists = shown["calls"], shown["lists"]
    return [
        _goal("read, CPU at 32", _ratio(calls, "read over MCP", 32), _MOST_RATIO, "x HTTP"),
        _goal("write, CPU at 32", _ratio(calls, "write over MCP", 32), _MOST_RATIO, "x HTTP"),
        _goal(f"list of {lists['direct']['actions']} tools", lists["direct"]["later_ms"], _MOST_LIST_MS, "ms"),
        _goal(f"{lists['discover']['actions']} actions", lists["discover"]["tokens"], _MOST_TOKENS, "tokens"),
    ]


def _goal(what: str, value: float, most: float, unit: str) -> str:
    kept = "[green]met[/green]" if value <= most else "[yellow]missed[/yellow]"
    return f"{what:<22} {value:8.2f} {unit:<7} goal {most:g}: {kept}"


if __name__ == "__main__":
    raise SystemExit(main())
