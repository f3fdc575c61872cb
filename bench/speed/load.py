"""Closed-loop load: wrk where it is installed, else a bounded driver of our own in a process of its own."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

KEY = "@fresh-key@"


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent again and again; the bearers take turns.

    `fresh_keys` gives each an Idempotency-Key of its own: where the body has `KEY` in its place, else as a header.
    """

    path: str
    body: str
    bearers: Sequence[str] = ()
    fresh_keys: bool = False
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Sample:
    """What one turn measured."""

    requests: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float


def drive(url: str, request: Request, *, connections: int, seconds: float, name: str) -> Sample:
    """Send as fast as answers come, over so many connections. `name` makes the keys of this turn unique."""
    program = shutil.which("wrk")
    return (
        _wrk(program, url, request, connections, seconds, name)
        if program
        else _own(url, request, connections, seconds, name)
    )


def driver_name() -> str:
    """Return which one is used here."""
    return "wrk" if shutil.which("wrk") else "bench.speed.driver"


def _wrk(program: str, url: str, request: Request, connections: int, seconds: float, name: str) -> Sample:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load.lua"
        before, _, after = request.body.partition(KEY)
        script.write_text(
            _LUA.format(
                name=name,
                path=request.path,
                before=_lua(before),
                after=_lua(after),
                inside=str(KEY in request.body).lower(),
                bearers=_table(request),
                headers="".join(f"headers[{_lua(key)}] = {_lua(value)} " for key, value in request.headers.items()),
            )
        )
        command = [
            program,
            "-t1",
            f"-c{connections}",
            f"-d{max(1, round(seconds))}s",
            "--timeout",
            "20s",
            "-s",
            str(script),
        ]
        done = subprocess.run([*command, url], capture_output=True, check=True, timeout=seconds + 60)
    told = orjson.loads(done.stdout.splitlines()[-1])
    return Sample(told["requests"], told["errors"], told["us"] / 1e6, told["p50"] / 1000, told["p99"] / 1000)


def _own(url: str, request: Request, connections: int, seconds: float, name: str) -> Sample:
    given = orjson.dumps({"url": url, "connections": connections, "seconds": seconds, "name": name, **asdict(request)})
    command = [sys.executable, "-m", "bench.speed.driver"]
    done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=seconds + 60)
    return Sample(**orjson.loads(done.stdout))


def _lua(text: str) -> str:
    return "[==[" + text + "]==]"


def _table(request: Request) -> str:
    return "{" + ",".join(_lua(bearer) for bearer in request.bearers) + "}, " + str(request.fresh_keys).lower()


_LUA = """
local bearers, fresh = {bearers}
local count = 0
local before, after, inside = {before}, {after}, {inside}
function request()
  count = count + 1
  local headers = {{ ["Content-Type"] = "application/json" }}
  {headers}
  if #bearers > 0 then headers["Authorization"] = "Bearer " .. bearers[count % #bearers + 1] end
  local body = before
  if inside then body = before .. "{name}-" .. count .. after
  elseif fresh then headers["Idempotency-Key"] = "{name}-" .. count end
  return wrk.format("POST", "{path}", headers, body)
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\n{{"requests":%d,"errors":%d,"us":%d,"p50":%d,"p99":%d}}\\n', summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
"""
