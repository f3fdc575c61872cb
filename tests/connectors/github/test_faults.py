"""A write under every fault: what its `find` says agrees with what GitHub has really applied."""

from typing import Any

import aiohttp
import pytest

from connectors.github import github
from connectors.github.simulator import GitHubSimulator
from connectors.sdk import ActionError, NaturalKey, Reconcile

FINDING = sorted(
    name
    for name, action in github.actions.items()
    if action.writes and isinstance(action.idempotency, Reconcile | NaturalKey)
)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "half_body", "html", "500", "429"])
@pytest.mark.parametrize("name", FINDING)
async def test_find_tells_what_really_happened(
    name: str, fault: str, simulator: GitHubSimulator, arrange: Any, driver: Any
) -> None:
    given = arrange(simulator)[name]
    simulator.faults.add({"match": "", "fault": fault})

    try:
        await driver.run(name, given)
    except (aiohttp.ClientError, ActionError):
        pass
    found = await driver.find(name, given)

    assert (found is not None) == (len(simulator.applied) == 1)
    assert len(simulator.applied) == (1 if fault in {"reset_after", "half_body"} else 0)


@pytest.mark.parametrize("name", ["github.branch.create", "github.label.create", "github.pull.create"])
async def test_the_vendor_refuses_a_repeat_under_a_natural_key_and_find_returns_the_first(
    name: str, simulator: GitHubSimulator, arrange: Any, driver: Any
) -> None:
    given = arrange(simulator)[name]
    first = await driver.run(name, given)

    with pytest.raises(ActionError) as caught:
        await driver.run(name, given)

    assert caught.value.upstream is not None
    assert caught.value.upstream.status == 422
    assert await driver.find(name, given) == first
    assert len(simulator.applied) == 1
