"""The contract suite over what ships, and over a connector that breaks it."""

import pytest

from connectors.github import github
from connectors.sdk import Connector
from connectors.sdk.contract import TierReport
from connectors.sdk.contract.suite import ALL
from gateway.contract import bench_of, check
from gateway.registry import SHIPPED, load
from gateway.tiers import declared, is_recorded


@pytest.mark.parametrize("name", SHIPPED)
async def test_every_connector_that_ships_is_gold_and_says_so(name: str) -> None:
    connector = load().connectors[name]

    report = await check(connector)

    assert [f"{f.action}: {f.check}: {f.message}" for f in report.findings] == []
    assert report.tier == "gold"
    assert report.actions == len(connector.actions)
    assert is_recorded(connector, report), f"gatehouse connector check {name} --write"
    assert declared(connector) in {report.tier, "platinum"}


async def test_the_suite_finds_a_handler_that_takes_a_web_page_for_success() -> None:
    report = await _broken("github.comment.delete")

    assert [(f.action, f.check) for f in report.findings] == [("github.comment.delete", "web page")]


async def _broken(name: str) -> TierReport:
    """Run the check over GitHub with one handler that does not look at its answer."""
    from connectors.github.comment import COMMENT, OneComment
    from connectors.sdk import Done, Upstream
    from connectors.sdk.action import Action
    from connectors.sdk.contract import run_suite

    async def careless(api: Upstream, what: OneComment) -> Done:
        """Delete a comment and believe whatever is answered."""
        await api.delete(COMMENT, what)
        return Done()

    real = github.actions[name]
    fields = {field: getattr(real, field) for field in Action.__dataclass_fields__}
    made = Connector.__new__(Connector)
    made.__dict__.update(github.__dict__)
    made.actions = {name: Action(**{**fields, "handler": careless})}
    page = next(check for check in ALL if check.name == "web page")
    async with bench_of(made) as bench:
        return await run_suite(bench, checks=[page])
