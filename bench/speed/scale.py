"""Whether many agents and grants make a call dearer: 10,000 agents with 100,000 grants against one of each."""

import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from bench.speed.home import install
from bench.speed.load import Request
from bench.speed.measure import BODY_GET, READ, Progress, Target, Turns, running, take
from bench.speed.target import start_gateway, start_module

AGENTS, GRANTS_EACH = 10_000, 10


def scale(*, seconds: float, rounds: int, progress: Progress) -> Mapping[str, object]:
    """Return the CPU of a read in both installations, in turns, and the ratio. A thousand of the agents take turns."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as name, ExitStack() as stack:
        upstream = stack.enter_context(running(start_module("bench.speed.upstream")))
        targets: list[Target] = []
        for kind, agents, each in (("small", 1, 1), ("large", AGENTS, GRANTS_EACH)):
            progress(f"install {kind}")
            installed = install(Path(name) / kind, upstream.url, agents=agents, grants_each=each)
            gateway = stack.enter_context(running(start_gateway(installed.home, upstream.url)))
            targets.append(Target(kind, gateway, Request(READ, BODY_GET, installed.keys)))
        turns = {target.name: Turns() for target in targets}
        for turn in range(rounds + 1):
            for target in targets:
                progress(f"{target.name}, round {turn}")
                take(turns[target.name] if turn else Turns(), target, 32, seconds, f"{turn}")
        cpu = {kind: statistics.median(taken.cpu[32]) for kind, taken in turns.items()}
        errors = sum(sample.errors for taken in turns.values() for sample in taken.samples[32])
        memory = {f"{target.name}_rss_mib": round(target.running.rss_mib(), 1) for target in targets}
    ratio = round(cpu["large"] / cpu["small"], 3)
    shown = {f"{kind}_cpu_us": round(value, 1) for kind, value in cpu.items()}
    return {**shown, "ratio": ratio, "errors": errors, "agents": AGENTS, "grants": AGENTS * GRANTS_EACH, **memory}
