"""The vendor's own limits, read from its answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """One budget of the vendor: `remaining` of `limit` until `resets_at` (Unix seconds)."""

    name: str
    limit: int
    remaining: int
    resets_at: float


@dataclass(frozen=True, slots=True)
class Throttled:
    """The vendor refused before processing, for its limits: wait this long. Nothing was changed."""

    seconds: float
    reason: str
