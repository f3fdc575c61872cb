"""A stand-in for Redis with `settle.lua`, with a clock that a test moves: limits only, no vendors' budgets.

That it does what the script does is itself tested, against a real Redis.
"""

import math
from collections.abc import Sequence
from typing import Any

import orjson

SHARE = 0.25
OUT = 2


class Bank:
    """Settles requests as the script does, at the time it is given. Keeps when a limit is whole, and its entries."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[float, list[tuple[str, int, float]]]] = {}

    def ahead(self, key: str, now: float) -> float:
        return max(self.kept.get(key, (now, []))[0] - now, 0.0)

    def settle(self, keys: Sequence[str], body: bytes, now: float) -> bytes:
        asked = orjson.loads(body)
        limits, me = asked["l"], asked["m"]
        ahead, unit, rest, taken = [], [], [], [0] * len(limits)
        for key, (window, quota, ended, unused, _) in zip(keys, limits, strict=False):
            whole_at, entries = self.kept.get(key, (now, []))
            live = [entry for entry in entries if abs(now - entry[2]) <= OUT]
            others = [entry for entry in live if entry[0] != me]
            mine = next((entry for entry in live if entry[0] == me), None)
            one = window / quota
            at = min(max(whole_at - now, sum(entry[1] for entry in live) * one), window)
            if mine is not None and mine[2] == ended:
                at = max(at - min(unused, mine[1]) * one, sum(entry[1] for entry in others) * one, 0.0)
            ahead.append(at)
            unit.append(one)
            rest.append(others)
        answers: list[list[Any]] = []
        for charges, *_ in asked["a"]:
            early = [(ahead[i - 1] + cost * unit[i - 1] - limits[i - 1][0], i) for i, cost in charges]
            worst = max(early, key=lambda found: found[0])
            if worst[0] > 1e-6:
                answers.append([1, worst[1], worst[0]])
                continue
            answers.append([0])
            for i, cost in charges:
                ahead[i - 1] += cost * unit[i - 1]
                taken[i - 1] += cost
        leased = []
        for at, (window, _, _, _, more) in enumerate(limits):
            left = math.floor((window - ahead[at]) / unit[at] + 1e-6)
            given = max(min(more, math.floor(left * SHARE)), 0)
            ahead[at] += given * unit[at]
            leased.append([given, ahead[at], now])
            mine_now = [(me, given + taken[at], now)] if given + taken[at] else []
            self.kept[keys[at]] = (now + ahead[at], rest[at] + mine_now)
        return orjson.dumps({"now": now, "a": answers, "l": leased, "v": []})
