"""Measures in turns: every round visits every target at every width, so that drift hits all alike."""

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.speed.home import install
from bench.speed.load import Request, Sample, drive
from bench.speed.target import Running, start_gateway, start_module, start_nginx

CONNECTIONS = (1, 32, 128)
BODY_GET = '{"owner":"acme","repo":"web","number":1347}'
BODY_CREATE = '{"owner":"acme","repo":"web","title":"Login page answers 500","body":"Steps:\\n1. Open /login"}'
READ, WRITE = "/v1/actions/github.issue.get", "/v1/actions/github.issue.create"
_WARM_SECONDS = 1.0

Progress = Callable[[str], None]


@dataclass(slots=True)
class Turns:
    """All turns of one target, by connections; `cpu` is in microseconds a request."""

    samples: dict[int, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    rss_mib: float = 0.0
    rss_idle_mib: float = 0.0
    start_s: list[float] = field(default_factory=list[float])

    def shown(self) -> dict[str, object]:
        """Return medians, with the least and the most beside them."""
        shown: dict[str, object] = {}
        for width in self.samples:
            taken = self.samples[width]
            shown[str(width)] = {
                "rps": round(statistics.median(s.requests / s.seconds for s in taken), 1),
                "p50_ms": round(statistics.median(s.p50_ms for s in taken), 3),
                "p99_ms": round(statistics.median(s.p99_ms for s in taken), 3),
                "cpu_us": round(statistics.median(self.cpu[width]), 1),
                "cpu_us_min": round(min(self.cpu[width]), 1),
                "cpu_us_max": round(max(self.cpu[width]), 1),
                "p99_ms_min": round(min(s.p99_ms for s in taken), 3),
                "p99_ms_max": round(max(s.p99_ms for s in taken), 3),
                "errors": sum(s.errors for s in taken),
            }
        start_s = round(statistics.median(self.start_s), 3)
        return shown | {
            "rss_mib": round(self.rss_mib, 1),
            "rss_idle_mib": round(self.rss_idle_mib, 1),
            "start_s": start_s,
        }


@dataclass(frozen=True, slots=True)
class Target:
    """A name in the tables, a process, and what it is asked."""

    name: str
    running: Running
    request: Request


def measure(*, seconds: float, rounds: int, widths: Sequence[int], progress: Progress) -> Mapping[str, Turns]:
    """Return the turns of bare, nginx (where installed), read and write."""
    with _targets() as targets:
        turns = {target.name: Turns() for target in targets}
        for target in targets:
            turns[target.name].rss_idle_mib = target.running.rss_mib()
            turns[target.name].start_s.append(target.running.start_s)
            progress(f"warm up {target.name}")
            drive(target.running.url, target.request, connections=32, seconds=_WARM_SECONDS, name="warm")
        for turn in range(rounds):
            for width in widths:
                for target in targets:
                    progress(f"{target.name} at {width}, round {turn + 1}")
                    take(turns[target.name], target, width, seconds, f"{turn}-{width}")
        for target in targets:
            turns[target.name].rss_mib = target.running.rss_mib()
    return turns


def take(turns: Turns, target: Target, width: int, seconds: float, name: str) -> None:
    """Measure one turn."""
    before = target.running.cpu_seconds()
    sample = drive(target.running.url, target.request, connections=width, seconds=seconds, name=name)
    spent = target.running.cpu_seconds() - before
    turns.samples[width].append(sample)
    turns.cpu[width].append(spent * 1e6 / max(sample.requests, 1))


def starts(count: int, progress: Progress) -> list[float]:
    """Return how long a production gateway takes from its start to its first good `/readyz`, so many times."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder, running(start_module(_UPSTREAM)) as upstream:
        installed = install(Path(folder) / "home", upstream.url)
        taken: list[float] = []
        for number in range(count):
            progress(f"start {number + 1}")
            with running(start_gateway(installed.home, upstream.url)) as gateway:
                taken.append(gateway.start_s)
        return taken


@contextmanager
def running(process: Running) -> Iterator[Running]:
    """End a process at the end of the block."""
    try:
        yield process
    finally:
        process.stop()


_UPSTREAM = "bench.speed.upstream"


@contextmanager
def _targets() -> Iterator[list[Target]]:
    """Start everything. Reads and writes have a gateway each, so that each has its own memory and ledger."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        upstream = stack.enter_context(running(start_module(_UPSTREAM)))
        bare = stack.enter_context(running(start_module("bench.speed.bare", upstream.url)))
        targets = [Target("bare", bare, Request(READ, BODY_GET))]
        nginx = start_nginx(folder / "nginx", upstream.url)
        if nginx is not None:
            targets.append(Target("nginx", stack.enter_context(running(nginx)), Request(READ, BODY_GET)))
        for kind, path, body in (("read", READ, BODY_GET), ("write", WRITE, BODY_CREATE)):
            installed = install(folder / kind, upstream.url)
            gateway = stack.enter_context(running(start_gateway(installed.home, upstream.url)))
            targets.append(Target(kind, gateway, Request(path, body, installed.keys, fresh_keys=kind == "write")))
        yield targets
