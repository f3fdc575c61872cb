"""The faults: what the simulated vendor does to requests while the calls run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_FOREVER = 1_000_000
_WRITES, _READS = 0.4, 0.15


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table. `patience_seconds` is how long a client waits for one answer before it asks again.

    `later` takes the place of the faults after the first kill. `fills` is how often the home's disk is filled.
    """

    name: str
    faults: tuple[Mapping[str, Any], ...]
    later: tuple[Mapping[str, Any], ...] = ()
    kills: int = 0
    fills: int = 0
    patience_seconds: float = 15.0


def scenarios(seed: int, *, kills: int) -> dict[str, Scenario]:
    """Return all faults by name. Each hits a seeded share of the writes, and a smaller one of the reads."""
    everywhere = {kind: Scenario(kind, _on_all(kind, seed)) for kind in ("reset_before", "reset_after", "500", "html")}
    # One 429 makes the whole connection wait, so fewer of them do.
    throttled = (*_on_writes("429", seed, _READS), *_on_reads("429", seed, _READS / 3))
    # The vendor applies and does not answer, or takes its time, longer than a restart: so effects hang in the air when
    # the process dies, and some appear only when the next one already looks for them.
    # Some it swallows: only they show that recovery sends again what is not there, once the settle time has passed.
    hanging = (
        *_on_writes("reset_after", seed, 0.25),
        *_on_writes("late", seed + 1, 0.35, delay_ms=900),
        *_on_writes("slow", seed + 2, 0.25, delay_ms=6000),
    )
    # Clients give up before a slow answer comes and ask again.
    slow = _on_all("slow", seed, delay_ms=1500)
    return {
        "kill": Scenario("kill", (*_on_writes("never", seed + 3, 0.2), *hanging), later=hanging, kills=kills),
        **everywhere,
        "429": Scenario("429", throttled),
        "slow": Scenario("slow", slow, patience_seconds=1.0),
        "disk": Scenario("disk", _on_writes("late", seed, _READS, delay_ms=400), fills=3),
    }


def _on_all(kind: str, seed: int, **more: object) -> tuple[Mapping[str, Any], ...]:
    return (*_on_writes(kind, seed, _WRITES, **more), *_on_reads(kind, seed, _READS, **more))


def _on_reads(kind: str, seed: int, share: float, **more: object) -> tuple[Mapping[str, Any], ...]:
    match = {"match": "GET /repos/*", "fault": kind, "times": _FOREVER}
    return ({**match, "seed": seed + 7, "probability": share, **more},)


def _on_writes(kind: str, seed: int, share: float, **more: object) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {
            "match": f"{method} /repos/*",
            "fault": kind,
            "times": _FOREVER,
            "seed": seed + place,
            "probability": share,
            **more,
        }
        for place, method in enumerate(("POST", "PATCH"))
    )
