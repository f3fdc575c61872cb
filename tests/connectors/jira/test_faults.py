"""A write under every fault: what its `find` says agrees with what Jira has really applied."""

from typing import Any

import aiohttp
import pytest

from connectors.jira import jira
from connectors.jira.simulator import JiraSimulator
from connectors.sdk import ActionError, Reconcile

FINDING = sorted(
    name for name, action in jira.actions.items() if action.writes and isinstance(action.idempotency, Reconcile)
)
METHODS = {"jira.attachment.delete": "DELETE "}


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "half_body", "html", "500", "429"])
@pytest.mark.parametrize("name", FINDING)
async def test_find_tells_what_really_happened(
    name: str, fault: str, simulator: JiraSimulator, arrange: Any, driver: Any
) -> None:
    given = arrange(simulator)[name]
    simulator.faults.add({"match": METHODS.get(name, ""), "fault": fault})

    try:
        await driver.run(name, given)
    except (aiohttp.ClientError, ActionError):
        pass
    found = await driver.find(name, given)

    assert (found is not None) == (len(simulator.applied) == 1)
    assert len(simulator.applied) == (1 if fault in {"reset_after", "half_body"} else 0)
