"""What was written is found again, or is not, as the vendor really has it."""

from typing import Any

import aiohttp
import pytest

from connectors.salesforce import salesforce
from connectors.salesforce.simulator import SalesforceSimulator
from connectors.sdk import ActionError, NaturalKey, Reconcile

FINDING = sorted(
    name for name, action in salesforce.actions.items() if isinstance(action.idempotency, Reconcile | NaturalKey)
)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "half_body", "500", "429"])
@pytest.mark.parametrize("name", FINDING)
async def test_find_tells_what_really_happened(
    name: str, fault: str, simulator: SalesforceSimulator, arrange: Any, driver: Any
) -> None:
    given = arrange(simulator)[name]
    for method in ("POST", "PATCH", "DELETE"):
        simulator.faults.add({"match": {"method": method}, "fault": fault})

    try:
        await driver.run(name, given)
    except (aiohttp.ClientError, ActionError):
        pass
    simulator.faults.clear()
    found = await driver.find(name, given)

    assert (found is not None) == (len(simulator.applied) == 1)
    # An answer without a body cannot break off in its middle.
    assert len(simulator.applied) == (1 if fault in {"reset_after", "half_body"} else 0)
