"""The loops over OpenAI's and Anthropic's own SDKs, against a scripted model server."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncOpenAI, OpenAI

from gatehouse_client import AsyncGatehouse, Gatehouse
from gatehouse_client.adapters import anthropic, openai
from gatehouse_client.loop import Ended, TooManyTurns
from gatehouse_client.tools import tools_of
from tests.clients.adapters.model import Model
from tests.clients.sandbox import Sandbox

USER = [{"role": "user", "content": "The login is broken. File it."}]
ISSUE = {"owner": "acme", "repo": "web", "title": "Broken login"}
Converse = Callable[..., Ended[Any]]


def with_openai(model: Model, client: Any, actions: Iterable[Any], **more: Any) -> Ended[Any]:
    sdk = OpenAI(base_url=f"{model.url}/v1", api_key="none", max_retries=0)
    return openai.converse(sdk, client, actions, USER, model="scripted", **more)


def with_anthropic(model: Model, client: Any, actions: Iterable[Any], **more: Any) -> Ended[Any]:
    sdk = Anthropic(base_url=model.url, api_key="none", max_retries=0)
    return anthropic.converse(sdk, client, actions, USER, model="scripted", max_tokens=100, **more)


@pytest.fixture(params=[with_openai, with_anthropic])
def converse(request: pytest.FixtureRequest) -> Converse:
    found: Converse = request.param
    return found


def told(model: Model) -> list[tuple[Any, bool]]:
    """Return what the model was told of its calls in the last request, and whether as an error."""
    found = []
    for message in model.asked[-1]["messages"]:
        if message["role"] == "tool":
            found.append((json.loads(message["content"]), "error" in json.loads(message["content"])))
        elif isinstance(message.get("content"), list):
            results = [part for part in message["content"] if part["type"] == "tool_result"]
            found += [(json.loads(part["content"]), part["is_error"]) for part in results]
    return found


def issues(gh: Gatehouse) -> list[Any]:
    return list(gh.actions(connector="github", q="issue", full=True))


def test_a_model_works_until_it_calls_nothing_more(
    converse: Converse, model: Model, gh: Gatehouse, box: Sandbox
) -> None:
    model.script.extend([[("github__issue__create", ISSUE)], "Filed."])
    before = len(box.applied("github"))

    with gh.run("ticket 12") as run:
        ended = converse(model, run, issues(gh))

    assert ended.text == "Filed."
    assert len(box.applied("github")) == before + 1
    ((output, failed),) = told(model)
    assert (output["title"], failed) == ("Broken login", False)
    types = [event.type for event in gh.timeline(run.id)]
    assert types[0] == "model_output"
    assert types[-2:] == ["model_output", "outcome"]
    assert "upstream_request" in types


def test_several_calls_of_one_turn_are_all_answered(converse: Converse, model: Model, gh: Gatehouse) -> None:
    model.script.extend([[("github__issue__create", ISSUE), ("github__issue__search", {"q": "login"})], "Done."])

    ended = converse(model, gh, issues(gh))

    assert ended.text == "Done."
    assert [failed for _, failed in told(model)] == [False, False]


def test_a_model_is_told_what_is_wrong_and_does_better(converse: Converse, model: Model, gh: Gatehouse) -> None:
    model.script.extend(
        [
            [("github__issue__create", {"owner": "acme", "repo": "web", "colour": "red"})],
            [("github__issue__crate", ISSUE)],
            [("github__issue__create", ISSUE)],
            "Filed.",
        ]
    )

    ended = converse(model, gh, issues(gh))

    assert ended.text == "Filed."
    first, second, third = told(model)
    assert first[1]
    assert {fault["pointer"] for fault in first[0]["error"]["errors"]} == {"/colour", "/title"}
    assert second[0]["error"]["code"] == "action_not_found"
    assert third[0]["title"] == "Broken login"
    assert not third[1]


def test_a_model_that_goes_on_and_on_is_stopped(converse: Converse, model: Model, gh: Gatehouse) -> None:
    model.script.extend([[("github__issue__search", {"q": "login"})]] * 3)

    with pytest.raises(TooManyTurns) as caught:
        converse(model, gh, issues(gh), turns=3)

    assert len(model.asked) == 3
    assert caught.value.messages[0] == USER[0]


def test_an_answer_that_is_acted_on_twice_in_a_run_acts_once(
    converse: Converse, model: Model, gh: Gatehouse, box: Sandbox
) -> None:
    before = len(box.applied("github"))

    with gh.run() as run:
        for _ in range(2):  # an agent that starts anew from what it had written down
            model.calls = 0
            model.script.extend([[("github__issue__create", ISSUE)], "Filed."])
            converse(model, run, issues(gh))

    assert len(box.applied("github")) == before + 1
    assert "call_replayed" in [event.type for event in gh.timeline(run.id)]


def test_openai_is_given_strict_tools_and_their_nulls_are_left_out(model: Model, gh: Gatehouse, box: Sandbox) -> None:
    nulls = {"body": None, "labels": None, "assignees": None, "milestone": None}
    model.script.extend([[("github__issue__create", ISSUE | nulls)], "Filed."])

    with_openai(model, gh, issues(gh))

    assert [failed for _, failed in told(model)] == [False]
    offered = {tool["function"]["name"]: tool["function"] for tool in model.asked[0]["tools"]}
    create = offered["github__issue__create"]
    assert create["strict"] is True
    assert create["parameters"]["required"] == list(create["parameters"]["properties"])


def test_tools_for_a_loop_of_ones_own_are_what_the_gateway_offers(gh: Gatehouse) -> None:
    actions = issues(gh)

    def offered(form: str) -> Any:
        import httpx

        headers = gh._address.headers
        query = {"connector": "github", "q": "issue", "format": form, "limit": "200"}
        return httpx.get(f"{gh._address.url}/v1/actions", params=query, headers=headers).json()["items"]

    assert openai.tools(actions, strict=False) == offered("openai")
    assert anthropic.tools(actions) == offered("anthropic")


async def test_the_asynchronous_loops_do_the_same(model: Model, agh: AsyncGatehouse) -> None:
    actions = [action async for action in agh.actions(connector="github", q="issue", full=True)]
    for converse, sdk, more in (
        (openai.converse_async, AsyncOpenAI(base_url=f"{model.url}/v1", api_key="none"), {}),
        (anthropic.converse_async, AsyncAnthropic(base_url=model.url, api_key="none"), {"max_tokens": 9}),
    ):
        model.script.extend([[("github__issue__create", ISSUE)], "Filed."])
        async with agh.run() as run:
            ended = await converse(sdk, run, actions, USER, model="scripted", **more)  # type: ignore[operator]
        assert ended.text == "Filed."
        assert [failed for _, failed in told(model)] == [False]
        assert "model_output" in [event.type async for event in agh.timeline(run.id)]
        await sdk.close()  # type: ignore[attr-defined]


def test_all_actions_together_are_tools(gh: Gatehouse) -> None:
    known = tools_of(gh.actions(full=True), strict_mode=True)

    assert len(known) > 150
    assert all(tool.schema.get("type") == "object" for tool in known.values())
