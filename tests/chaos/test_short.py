"""A tiny form of `python -m bench.chaos`, so that every change is killed once. The whole thing takes minutes."""

from typing import Any

import pytest

from bench.chaos.faults import Scenario, scenarios
from bench.chaos.run import run

ALWAYS_ANSWERED = {"reset_after", "late", "slow"}


def quick(scenario: Scenario) -> Scenario:
    """Leave out what only recovery's settle time would bring to an end."""
    faults = tuple(fault for fault in scenario.faults if fault["fault"] in ALWAYS_ANSWERED)
    return Scenario(scenario.name, faults, faults, kills=scenario.kills)


@pytest.mark.parametrize(("name", "kills"), [("kill", 1), ("reset_after", 0)])
async def test_no_write_is_lost_or_doubled_when_the_gateway_is_killed_or_not_answered(name: str, kills: int) -> None:
    scenario = quick(scenarios(7, kills=kills)[name])
    notes: list[Any] = []
    verdict = await run(scenario, 20, 7, limit_seconds=40, progress=lambda done, what: notes.append((done, what)))
    assert verdict.passed, verdict.blamed
    assert verdict.kills == kills
