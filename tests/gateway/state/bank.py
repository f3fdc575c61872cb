"""A stand-in for Redis with `settle.lua`, with a clock that a test moves: limits only, no vendors' budgets.

That it does what the script does is itself tested, against a real Redis.
"""

import math
from collections.abc import Sequence
from typing import Any

import orjson

SHARE = 0.25


class Bank:
    """Settles requests as the script does, at the time it is given."""

    def __init__(self) -> None:
        self.whole_at: dict[str, float] = {}

    def settle(self, keys: Sequence[str], body: bytes, now: float) -> bytes:
        asked = orjson.loads(body)
        limits, ahead, unit = asked["l"], [], []
        for key, (window, quota, back, _) in zip(keys, limits, strict=False):
            unit.append(window / quota)
            before = min(max(self.whole_at.get(key, now) - now, 0.0), window)
            ahead.append(max(before - back * unit[-1], 0.0))
        answers: list[list[Any]] = []
        for charges, *_ in asked["a"]:
            early = [(ahead[i - 1] + cost * unit[i - 1] - limits[i - 1][0], i) for i, cost in charges]
            worst = max(early, key=lambda one: one[0])
            if worst[0] > 1e-6:
                answers.append([1, worst[1], worst[0]])
                continue
            answers.append([0])
            for i, cost in charges:
                ahead[i - 1] += cost * unit[i - 1]
        leased = []
        for at, (window, _, _, more) in enumerate(limits):
            left = math.floor((window - ahead[at]) / unit[at] + 1e-6)
            given = max(min(more, math.floor(left * SHARE)), 0)
            ahead[at] += given * unit[at]
            leased.append([given, ahead[at]])
            self.whole_at[keys[at]] = now + ahead[at]
        return orjson.dumps({"now": now, "a": answers, "l": leased, "v": []})
