"""Every action against the simulator, and every request that any of them sends against Atlassian's description."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from connectors.jira import jira
from connectors.jira.connector import account
from connectors.jira.simulator import JiraSimulator
from connectors.jira.simulator.access import CLOUD_ID
from connectors.jira.simulator.seed import AGENT
from connectors.sdk import Effect, Located, NaturalKey, Reconcile, UpstreamNotFound

NAMES = sorted(jira.actions)
WRITES = sorted(name for name, action in jira.actions.items() if action.writes)
FINDING = [name for name in WRITES if isinstance(jira.actions[name].idempotency, Reconcile | NaturalKey)]
LOCATED = [name for name in NAMES if isinstance(jira.actions[name].resource, Located)]
MARKED = ["jira.comment.create", "jira.issue.create", "jira.worklog.create"]
# An attachment's id does not say whose it is: its issue is read first.
CHECKED_FIRST = {"jira.attachment.delete", "jira.attachment.download"}
Arrange = Callable[[JiraSimulator], dict[str, dict[str, Any]]]


def test_there_is_one_valid_input_for_every_action(simulator: JiraSimulator, arrange: Arrange) -> None:
    assert sorted(arrange(simulator)) == NAMES
    jira.check_references()


@pytest.mark.parametrize("name", NAMES)
async def test_an_action_succeeds_with_one_request_that_has_the_declared_effect(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]

    output = await driver.run(name, given)

    assert jira.actions[name].output_adapter.dump_json(output)
    reads = [False] if name in CHECKED_FIRST else []
    assert [request.effect for request in driver.sent] == [*reads, jira.actions[name].writes]
    assert len(simulator.applied) == (1 if jira.actions[name].writes else 0)


@pytest.mark.parametrize("name", NAMES)
async def test_an_action_succeeds_below_the_sites_root_at_the_gateway(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver_for: Any
) -> None:
    driver = driver_for(f"{simulator.url}/ex/jira/{CLOUD_ID}")

    assert await driver.run(name, arrange(simulator)[name])


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", NAMES)
async def test_requests_and_answers_fit_atlassians_own_description(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver: Any, description: Any
) -> None:
    given = arrange(simulator)[name]
    if name in LOCATED:
        await driver.locate(name, given)
    await driver.run(name, given)
    if name in FINDING:
        await driver.find(name, given)

    for request, response in driver.exchanges:
        operation = description.check_request(request.method, request.path, request.query, request.body)
        if response.status < 400:
            description.check_response(operation, response.status, response.body)


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", NAMES)
async def test_an_action_declares_the_scopes_that_atlassian_names_for_its_requests(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver: Any, description: Any
) -> None:
    given = arrange(simulator)[name]
    if name in LOCATED:
        await driver.locate(name, given)
    await driver.run(name, given)
    if name in FINDING:
        await driver.find(name, given)

    needed: set[str] = set()
    for request in driver.sent:
        facts = description.operation(request.method, request.path).facts
        needed |= set(facts["x-atlassian-oauth2-scopes"][0]["scopes"])
    assert needed == jira.actions[name].vendor_scopes


@pytest.mark.parametrize("name", LOCATED)
async def test_what_an_input_concerns_is_read_from_jira(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver: Any
) -> None:
    assert await driver.locate(name, arrange(simulator)[name]) == "OPS"
    assert not any(request.effect for request in driver.sent)


@pytest.mark.parametrize("name", FINDING)
async def test_find_tells_nothing_before_and_the_same_output_after_the_effect(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]

    before = await driver.find(name, given)
    output = await driver.run(name, given)
    after = await driver.find(name, given)

    assert before is None
    assert after == output


@pytest.mark.parametrize("name", FINDING)
async def test_find_sends_reads_only(name: str, simulator: JiraSimulator, arrange: Arrange, driver: Any) -> None:
    given = arrange(simulator)[name]
    await driver.run(name, given)
    driver.exchanges.clear()

    await driver.find(name, given)

    assert {request.method for request in driver.sent} == {"GET"}
    assert not any(request.effect for request in driver.sent)


@pytest.mark.parametrize("name", WRITES)
async def test_the_same_input_gives_the_same_bytes(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver_for: Any
) -> None:
    given = arrange(simulator)[name]
    bodies: list[Any] = []
    for _ in range(2):
        driver = driver_for(simulator.url)
        arrange(simulator)
        try:
            await driver.run(name, given)
        except UpstreamNotFound:
            pass
        bodies.append([(one.method, one.target, one.headers, one.body) for one in driver.sent if one.effect])
        simulator.reset()

    assert bodies[0] == bodies[1] or name in CHECKED_FIRST
    assert bodies[0]


@pytest.mark.parametrize("name", MARKED)
async def test_a_marker_is_sent_and_never_shown(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]
    marker = driver.api().marker

    output = await driver.run(name, given)
    found = await driver.find(name, given)
    shown = [await driver.run(read, arrange(simulator)[read]) for read in NAMES if not jira.actions[read].writes]

    assert simulator.applied[0].marker == f"gatehouse:{marker}"
    for one in (output, found, *shown):
        assert marker not in one.model_dump_json()
        assert "gatehouse" not in one.model_dump_json()


@pytest.mark.parametrize("name", [*MARKED, "jira.issue.create_many"])
async def test_another_calls_marker_is_not_found(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]
    await driver.run(name, given, "f" * 32)

    assert await driver.find(name, given) is None


@pytest.mark.parametrize("name", MARKED)
async def test_find_pages_back_to_what_a_hundred_others_followed(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]
    mine = await driver.run(name, given)
    for number in range(120):
        await driver.run(name, given, f"{number:032x}")
    driver.exchanges.clear()

    found = await driver.find(name, given)

    assert found.id == mine.id
    assert len(driver.sent) == (1 if "worklog" in name else 2)


async def test_find_looks_back_no_further_than_a_minute_before_the_call(
    simulator: JiraSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)["jira.comment.create"]
    await driver.run("jira.comment.create", given)
    simulator.world.find("OPS-1").comments[-1].created -= 3600  # type: ignore[union-attr]
    find: Any = jira.actions["jira.comment.create"].idempotency
    what = jira.actions["jira.comment.create"].input.model_validate(given)

    assert await driver.do(find.find(driver.api(), what)) is None
    assert await driver.do(find.find(driver.api(back=timedelta(hours=2)), what)) is not None
    assert await driver.do(find.find(driver.api(back=None), what)) is not None


@pytest.mark.parametrize("name", ["jira.comment.create", "jira.worklog.create"])
async def test_a_list_that_shows_no_properties_is_not_taken_for_an_absence(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arrange(simulator)[name]
    mine = await driver.run(name, given)
    await driver.run(name, given, "e" * 32)
    from connectors.jira.simulator.ask import Ask

    monkeypatch.setattr(Ask, "all", lambda _self, _name: [])

    assert (await driver.find(name, given)).id == mine.id


async def test_an_index_that_lags_hides_what_was_created_and_so_absence_permits_no_new_send(session: Any) -> None:
    from connectors.jira.simulator import JiraSimulator as Made

    simulator = Made(index_lag=3600)
    url = await simulator.start()
    from tests.connectors.jira.conftest import Driver

    driver = Driver(session, url)
    given = {"project": "OPS", "type": "Task", "summary": "x"}
    try:
        await driver.run("jira.issue.create", given)
        found = await driver.find("jira.issue.create", given)
    finally:
        await simulator.stop()

    assert found is None
    strategy = jira.actions["jira.issue.create"].idempotency
    assert isinstance(strategy, Reconcile)
    assert not strategy.consistent


@pytest.mark.parametrize("name", ["jira.comment.delete", "jira.worklog.delete", "jira.attachment.delete"])
async def test_absence_counts_only_while_the_issue_can_be_read(
    name: str, simulator: JiraSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]
    issue = simulator.world.find("OPS-1")
    assert issue is not None
    simulator.world.delete(issue)

    with pytest.raises(UpstreamNotFound):
        await driver.find(name, given)


async def test_a_deleted_issue_counts_as_gone_only_while_its_project_can_be_read(
    simulator: JiraSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)["jira.issue.delete"]
    await driver.run("jira.issue.delete", given)
    del simulator.world.projects["OPS"]

    with pytest.raises(UpstreamNotFound):
        await driver.find("jira.issue.delete", given)


@pytest.mark.parametrize("method", ["token", "oauth"])
async def test_the_account_behind_a_credential_is_its_user(method: str, driver: Any) -> None:
    found = await driver.do(account(driver.api(), method))

    assert (found.id, found.label, found.granted) == (AGENT.account_id, "Agent", None)


@pytest.mark.parametrize("name", WRITES)
def test_every_write_has_a_valid_example(name: str) -> None:
    action = jira.actions[name]

    assert action.examples
    for example in action.examples:
        action.input.model_validate_json(orjson.dumps(dict(example)))


def test_deletes_are_declared_as_deletes_under_a_scope_of_their_own() -> None:
    for name, action in jira.actions.items():
        deletes = name.endswith(".delete")
        assert (action.effect is Effect.DELETE) == deletes
        assert all(scope.endswith(":delete") for scope in action.scopes) == deletes
