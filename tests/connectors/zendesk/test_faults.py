"""What was written is found again, or is not, as the vendor really has it."""

from typing import Any

import aiohttp
import pytest

from connectors.sdk import ActionError, Reconcile
from connectors.zendesk import zendesk
from connectors.zendesk.simulator import ZendeskSimulator

FINDING = sorted(name for name, action in zendesk.actions.items() if isinstance(action.idempotency, Reconcile))


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "half_body", "500", "429"])
@pytest.mark.parametrize("name", FINDING)
async def test_find_tells_what_really_happened(
    name: str, fault: str, simulator: ZendeskSimulator, arrange: Any, driver: Any
) -> None:
    given = arrange(simulator)[name]
    for method in ("POST", "PUT", "DELETE"):
        simulator.faults.add({"match": {"method": method}, "fault": fault})

    try:
        await driver.run(name, given)
    except (aiohttp.ClientError, ActionError):
        pass
    simulator.faults.clear()
    found = await driver.find(name, given)

    assert (found is not None) == (len(simulator.applied) == 1)
    assert len(simulator.applied) == (1 if fault in {"reset_after", "half_body"} else 0)


def test_no_action_sends_again_because_a_read_found_nothing() -> None:
    strategies = [zendesk.actions[name].idempotency for name in FINDING]

    assert [strategy.consistent for strategy in strategies if isinstance(strategy, Reconcile)] == [False] * len(FINDING)
