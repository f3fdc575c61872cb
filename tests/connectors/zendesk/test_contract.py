"""The contract suite over the connector."""

from connectors.zendesk import zendesk
from gateway.contract import check


async def test_the_connector_is_gold() -> None:
    report = await check(zendesk)

    assert [f"{f.action}: {f.check}: {f.message}" for f in report.findings] == []
    assert (report.tier, report.actions) == ("gold", len(zendesk.actions))
