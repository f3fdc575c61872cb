"""A tiny form of `python -m bench.chaos`, so that every change is killed once. The whole thing takes minutes."""

from typing import Any

from bench.chaos.faults import Scenario, scenarios
from bench.chaos.run import run

APPLIED_AT_ONCE = {"reset_after", "late"}


def quick(scenario: Scenario) -> Scenario:
    """Leave out what only recovery's settle time would bring to an end."""
    faults = tuple(fault for fault in scenario.faults if fault["fault"] in APPLIED_AT_ONCE)
    return Scenario(scenario.name, faults, faults, kills=scenario.kills)


async def test_no_write_is_lost_or_doubled_when_the_gateway_is_killed_and_the_vendor_does_not_answer() -> None:
    scenario = quick(scenarios(7, kills=1)["kill"])
    notes: list[Any] = []
    verdict = await run(scenario, 20, 7, limit_seconds=40, progress=lambda done, what: notes.append((done, what)))
    assert verdict.passed, verdict.blamed
    assert verdict.kills == 1
