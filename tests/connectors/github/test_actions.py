"""Every action against the simulator, and every request that any of them sends against GitHub's own description."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from connectors.github import github
from connectors.github.connector import account
from connectors.github.simulator import GitHubSimulator
from connectors.sdk import Effect, Located, NaturalKey, Reconcile, UpstreamNotFound

NAMES = sorted(github.actions)
WRITES = sorted(name for name, action in github.actions.items() if action.writes)
FINDING = [name for name in WRITES if isinstance(github.actions[name].idempotency, Reconcile | NaturalKey)]
Arrange = Callable[[GitHubSimulator], dict[str, dict[str, Any]]]


def test_there_is_one_valid_input_for_every_action(simulator: GitHubSimulator, arrange: Arrange) -> None:
    assert sorted(arrange(simulator)) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_an_action_succeeds_with_one_request_that_has_the_declared_effect(
    name: str, simulator: GitHubSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]

    output = await driver.run(name, given)

    assert github.actions[name].output_adapter.dump_json(output)
    assert [request.effect for request in driver.sent] == [github.actions[name].writes]
    assert len(simulator.applied) == (1 if github.actions[name].writes else 0)


@pytest.mark.parametrize("name", NAMES)
async def test_an_action_succeeds_below_the_root_of_an_enterprise_server(
    name: str, simulator: GitHubSimulator, arrange: Arrange, driver_for: Any
) -> None:
    driver = driver_for(f"{simulator.url}/api/v3", "ghp_sandbox")

    assert await driver.run(name, arrange(simulator)[name])


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", NAMES)
async def test_requests_and_answers_fit_githubs_own_description(
    name: str, simulator: GitHubSimulator, arrange: Arrange, driver: Any, description: Any
) -> None:
    given = arrange(simulator)[name]
    action = github.actions[name]
    if isinstance(action.resource, Located):
        await driver.do(action.resource.read(driver.api(), action.input.model_validate(given)))
    await driver.run(name, given)
    if name in FINDING:
        await driver.find(name, given)

    for request, response in driver.exchanges:
        operation = description.check_request(request.method, request.path, request.query, request.body)
        if response.status < 400 and "raw" not in response.headers.get("content-type", ""):
            description.check_response(operation, response.status, response.body)


@pytest.mark.parametrize("name", FINDING)
async def test_find_tells_nothing_before_and_the_same_output_after_the_effect(
    name: str, simulator: GitHubSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]

    before = await driver.find(name, given)
    output = await driver.run(name, given)
    after = await driver.find(name, given)

    assert before is None
    assert after is not None
    assert type(after) is type(output) or isinstance(output, type(after)) or isinstance(after, type(output))
    for identity in ("id", "number", "sha", "name", "done"):
        assert getattr(after, identity, None) == getattr(output, identity, None)


@pytest.mark.parametrize("name", FINDING)
async def test_find_sends_reads_only(name: str, simulator: GitHubSimulator, arrange: Arrange, driver: Any) -> None:
    given = arrange(simulator)[name]
    await driver.run(name, given)
    driver.exchanges.clear()

    await driver.find(name, given)

    assert {request.method for request in driver.sent} == {"GET"}
    assert not any(request.effect for request in driver.sent)


@pytest.mark.parametrize("name", WRITES)
async def test_the_same_input_gives_the_same_bytes(
    name: str, simulator: GitHubSimulator, arrange: Arrange, driver: Any, session: Any
) -> None:
    action, given = github.actions[name], arrange(simulator)[name]

    def first() -> Any:
        handler = action.handler(driver.api(), action.input.model_validate_json(orjson.dumps(given)))
        try:
            return handler.send(None)
        finally:
            handler.close()

    assert first() == first()
    assert first().effect


MARKED = ["github.comment.create", "github.issue.create", "github.pull.create", "github.release.create"]


@pytest.mark.parametrize("name", [*MARKED, "github.review.create"])
async def test_a_marker_is_sent_and_never_shown(
    name: str, simulator: GitHubSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)[name]

    output = await driver.run(name, given)
    found = await driver.find(name, given)

    assert simulator.applied[0].marker == f"gatehouse:{driver.api().marker}"
    assert output.body == found.body == given["body"]


async def test_another_calls_marker_is_not_found(simulator: GitHubSimulator, arrange: Arrange, driver: Any) -> None:
    given = arrange(simulator)["github.issue.create"]
    await driver.run("github.issue.create", given, "f" * 32)

    assert await driver.find("github.issue.create", given) is None


async def test_find_pages_back_to_an_issue_that_a_hundred_others_followed(
    simulator: GitHubSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)["github.issue.create"]
    mine = await driver.run("github.issue.create", given)
    for number in range(120):
        await driver.run("github.issue.create", given, f"{number:032x}")
    driver.exchanges.clear()

    found = await driver.find("github.issue.create", given)

    assert found.number == mine.number
    assert len(driver.sent) == 2


async def test_find_looks_back_no_further_than_a_minute_before_the_call(driver: Any) -> None:
    given = {"owner": "acme", "repo": "web", "title": "x"}
    await driver.do(
        github.actions["github.issue.create"].idempotency.find(  # type: ignore[union-attr]
            driver.api(back=timedelta(hours=1)), github.actions["github.issue.create"].input.model_validate(given)
        )
    )

    assert "since=" in driver.sent[0].query
    assert "state=all" in driver.sent[0].query


async def test_a_pull_request_of_somebody_else_for_the_same_branches_is_not_mistaken_for_ours(
    simulator: GitHubSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)["github.pull.create"]
    await driver.run("github.pull.create", given, "e" * 32)

    assert await driver.find("github.pull.create", given) is None


async def test_a_label_of_another_colour_is_not_mistaken_for_ours(driver: Any) -> None:
    given = {"owner": "acme", "repo": "web", "name": "triage", "color": "c5def5"}
    await driver.run("github.label.create", {**given, "color": "000000"})

    assert await driver.find("github.label.create", given) is None


async def test_absence_counts_only_while_the_repository_can_be_read(
    simulator: GitHubSimulator, arrange: Arrange, driver: Any
) -> None:
    given = arrange(simulator)["github.comment.delete"]
    del simulator.world.repositories["acme/web"]

    with pytest.raises(UpstreamNotFound):
        await driver.find("github.comment.delete", given)


async def test_the_account_behind_a_token_is_its_user_with_the_scopes_that_github_tells(driver: Any) -> None:
    found = await driver.do(account(driver.api(), "token"))

    assert (found.label, found.granted) == (
        "acme-bot",
        frozenset({"repo", "workflow", "read:org", "notifications", "user"}),
    )


@pytest.mark.parametrize("name", WRITES)
def test_every_write_has_a_valid_example(name: str) -> None:
    action = github.actions[name]

    assert action.examples
    for example in action.examples:
        action.input.model_validate_json(orjson.dumps(dict(example)))


def test_deletes_are_declared_as_deletes_under_a_scope_of_their_own() -> None:
    for name, action in github.actions.items():
        deletes = name.endswith(".delete")
        assert (action.effect is Effect.DELETE) == deletes
        assert all(scope.endswith(":delete") for scope in action.scopes) == deletes
