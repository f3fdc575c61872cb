"""The rows of the table: what breaks while the calls of a row run, drawn from the seed."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.chaos.replicas.replica import Replica, clock_library
from bench.chaos.replicas.servers import Postgres, Redis, Vault

_FOREVER = 1_000_000
_LEASE_SECONDS = 10.0
# What reads that look for an effect allow for clocks that differ is a minute.
_CLOCK_STEPS = (-40.0, -15.0, 20.0, 45.0)
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the faults at the vendors, and what happens to the rest, over and over until the calls have ended.

    A blow ends with everything up again. `pause` are the least and the most seconds between two of them.
    """

    name: str
    vendors: tuple[Mapping[str, Any], ...]
    blows: tuple[str, ...] = ()
    pause: tuple[float, float] = (1.0, 4.0)
    most_blows: int = 6


def rows(seed: int) -> dict[str, Row]:
    """Return all rows by name."""
    hanging = (*_faults(seed, reset_after=0.1), *_faults(seed + 5, late=0.1, delay_ms=900))
    away = _faults(seed, late=0.05, delay_ms=400)
    found = [
        Row("kill", (*_faults(seed + 9, never=0.03), *hanging), ("kill",)),
        Row("freeze", hanging, ("freeze",), pause=(2.0, 5.0), most_blows=2),
        Row("redis", away, ("redis",)),
        Row("postgres", away, ("postgres_fast", "postgres_immediate")),
        Row("vault", away, ("vault",)),
        Row(
            "vendor",
            _faults(seed, **{"reset_before": 0.05, "reset_after": 0.1, "429": 0.02, "500": 0.05, "html": 0.05}),
        ),
        Row("late", _faults(seed, late=0.15, slow=0.15, delay_ms=2500)),
    ]
    if clock_library() is not None:
        found.append(Row("clock", hanging, ("clock", "kill"), most_blows=6))
    everything = (*_faults(seed, **{"reset_before": 0.02, "429": 0.01, "500": 0.02, "html": 0.02}), *hanging)
    blows = ("kill", "freeze", "redis", "postgres_fast", "postgres_immediate", "vault")
    found.append(Row("everything", everything, blows, pause=(0.5, 3.0), most_blows=10))
    return {row.name: row for row in found}


def _faults(seed: int, *, delay_ms: float = 0.0, **shares: float) -> tuple[dict[str, Any], ...]:
    """Return faults for shares of the writes of every vendor, and for a third of each share of the reads."""
    return tuple(
        {
            "match": f"{method} /*",
            "fault": kind,
            "times": _FOREVER,
            "seed": seed + 100 * place + number,
            "probability": share / (3 if method == "GET" else 1),
            **({"delay_ms": delay_ms} if delay_ms else {}),
        }
        for place, (kind, share) in enumerate(shares.items())
        for number, method in enumerate(("POST", "PATCH", "PUT", "GET"))
    )


class Blows:
    """Strikes what the replicas are and stand on. `struck` counts by name."""

    def __init__(
        self, seed: int, replicas: Sequence[Replica], postgres: Postgres, redis: Redis, vault: Vault, note: Note
    ) -> None:
        self._random = random.Random(seed)
        self._replicas = replicas
        self._postgres = postgres
        self._redis = redis
        self._vault = vault
        self._note = note
        self.struck: dict[str, int] = {}

    async def strike_until(self, ended: asyncio.Event, row: Row) -> None:
        """Strike one blow after the other until the calls have ended, at most so many."""
        left = row.most_blows
        while row.blows and left and not await self._ended(ended, self._random.uniform(*row.pause)):
            blow = row.blows[left % len(row.blows)] if len(row.blows) < 3 else self._random.choice(row.blows)
            left -= 1
            self._note(blow)
            self.struck[blow] = self.struck.get(blow, 0) + 1
            await self._of(blow)()
            self._note("")

    def _of(self, blow: str) -> Callable[[], Awaitable[None]]:
        return {
            "kill": self._kill,
            "freeze": self._freeze,
            "redis": self._away_redis,
            "vault": self._sealed,
            "clock": self._step,
            "postgres_fast": lambda: self._postgres.restart("fast"),
            "postgres_immediate": lambda: self._postgres.restart("immediate"),
        }[blow]

    async def _kill(self) -> None:
        replica = self._random.choice(self._replicas)
        await replica.kill()
        await replica.start()

    async def _freeze(self) -> None:
        replica = self._random.choice(self._replicas)
        replica.freeze()
        await asyncio.sleep(_LEASE_SECONDS + self._random.uniform(1.0, 4.0))
        replica.thaw()

    async def _away_redis(self) -> None:
        await self._redis.stop()
        await asyncio.sleep(self._random.uniform(0.5, 4.0))
        await self._redis.start()

    async def _sealed(self) -> None:
        await self._vault.seal()
        await asyncio.sleep(self._random.uniform(1.0, 5.0))
        await self._vault.unseal()

    async def _step(self) -> None:
        self._random.choice(self._replicas).step_clock(self._random.choice(_CLOCK_STEPS))

    @staticmethod
    async def _ended(ended: asyncio.Event, seconds: float) -> bool:
        try:
            await asyncio.wait_for(ended.wait(), seconds)
        except TimeoutError:
            return False
        return True
