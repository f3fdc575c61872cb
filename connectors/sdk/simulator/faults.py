"""Faults that a test asks for: which requests they hit, and how often."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, cast

from connectors.sdk.simulator.answer import Answer

# What each fault does, and whether the request is applied.
KINDS: Mapping[str, str] = {
    "429": "refused for the rate, not applied",
    "500": "failed, not applied",
    "html": "answered 200 with a web page, not applied",
    "slow": "applied and answered after `delay_ms`, also when the client has left",
    "late": "applied at once, answered after `delay_ms`",
    "never": "not applied, no answer until the client leaves",
    "reset_before": "connection reset, not applied",
    "reset_after": "applied, then connection reset without an answer",
    "half_body": "applied, answered with half of the announced body, then closed",
    "huge": "applied, answered with 1 GB",
    "gzip_bomb": "applied, answered with a small body that decompresses to 256 MiB",
    "redirect": "answered 302 to another host, not applied",
    "status": "answered with `status` in the vendor's own words, not applied",
    "throttle": "refused for its limits in the vendor's `shape` (a number, from 0), not applied",
    "misfit": "applied, answered with JSON of another shape",
    "loop": "the first one applied and answered, every later one of its path answered with that answer again",
}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class UnknownFault(ValueError):
    """The fault cannot be set. The message says why."""


@dataclass(slots=True)
class Fault:
    """One fault. Without a wildcard `path` is a part of the path, with one it is all of it (`*` crosses slashes).

    Of the matching requests `skip` are let through; each one after them is hit until `times` are used up, and under a
    `seed` a coin decides for each of them. `first` is what a loop keeps, by method and path.
    """

    kind: str
    method: str | None = None
    path: str = ""
    times: int = 1
    seed: int | None = None
    probability: float = 0.5
    delay_ms: float = 2000
    location: str = "https://elsewhere.invalid/"
    skip: int = 0
    status: int = 500
    shape: int = 0
    hit: int = 0
    first: dict[tuple[str, str], Answer] = field(default_factory=dict[tuple[str, str], Answer], repr=False)
    _coin: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        """Start the coin, so that one seed always gives one sequence."""
        self._coin = random.Random(self.seed)  # noqa: S311 - a test's coin, no secret

    def takes(self, method: str, path: str) -> bool:
        """Whether this request is hit; counts it if so."""
        if self.hit >= self.times or not self._matches(method, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.seed is not None and self._coin.random() >= self.probability:
            return False
        self.hit += 1
        return True

    def _matches(self, method: str, path: str) -> bool:
        if self.method is not None and self.method != method:
            return False
        if any(character in self.path for character in "*?["):
            return fnmatchcase(path, self.path)
        return self.path in path

    def shown(self) -> dict[str, object]:
        """Return it as `GET /_sim/faults` lists it."""
        match = f"{self.method} {self.path}" if self.method else self.path
        shown: dict[str, object] = {"match": match, "fault": self.kind, "times": self.times, "hit": self.hit}
        return shown if self.seed is None else {**shown, "seed": self.seed, "probability": self.probability}


class Faults:
    """The faults that are set, in the order they were set. The first that takes a request has it."""

    def __init__(self) -> None:
        self._set: list[Fault] = []

    def add(self, wanted: Mapping[str, Any]) -> Fault:
        """Set a fault from the body of `POST /_sim/faults`. Raises `UnknownFault`."""
        fault = _parse(wanted)
        self._set.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all."""
        self._set.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that hits this request, if any, and count it."""
        return next((fault for fault in self._set if fault.takes(method, path)), None) if self._set else None

    def shown(self) -> list[dict[str, object]]:
        """Return all, used up or not."""
        return [fault.shown() for fault in self._set]


def _parse(wanted: Mapping[str, Any]) -> Fault:
    known = {"match", "fault", "times", "seed", "probability", "delay_ms", "location", "skip", "status", "shape"}
    unknown = set(wanted) - known
    if unknown:
        raise UnknownFault(f"unknown member {', '.join(sorted(unknown))}")
    kind = str(wanted.get("fault", ""))
    if kind not in KINDS:
        raise UnknownFault(f"unknown fault {kind!r}; known are {', '.join(KINDS)}")
    method, path = _match(wanted.get("match", ""))
    try:
        return Fault(
            kind,
            method,
            path,
            times=int(wanted.get("times", 1)),
            seed=None if wanted.get("seed") is None else int(wanted["seed"]),
            probability=float(wanted.get("probability", 0.5)),
            delay_ms=float(wanted.get("delay_ms", 2000)),
            location=str(wanted.get("location", "https://elsewhere.invalid/")),
            skip=int(wanted.get("skip", 0)),
            status=int(wanted.get("status", 500)),
            shape=int(wanted.get("shape", 0)),
        )
    except (TypeError, ValueError) as error:
        raise UnknownFault(f"a number is expected: {error}") from error


def _match(match: object) -> tuple[str | None, str]:
    if isinstance(match, str):
        first, _, rest = match.partition(" ")
        return (first.upper(), rest.strip()) if first.upper() in _METHODS else (None, match)
    if isinstance(match, dict):
        given = cast("dict[str, Any]", match)
        if set(given) <= {"method", "path"}:
            method = given.get("method")
            return (str(method).upper() if method else None), str(given.get("path") or "")
    raise UnknownFault("`match` is a text such as `POST /repos/*/*/issues`, or {method, path}")
