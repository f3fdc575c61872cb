"""LangChain's tools over the client."""

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from gatehouse_client import AsyncGatehouse, Call, Gatehouse
from gatehouse_client.adapters.langchain import tools
from tests.clients.sandbox import Sandbox

ISSUE = {"owner": "acme", "repo": "web", "title": "Broken login"}


def named(found: list[Any]) -> dict[str, Any]:
    return {tool.name: tool for tool in found}


def called(name: str, arguments: dict[str, Any], id: str = "call_1") -> Any:
    message = AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": id}])
    return message.tool_calls[0]


def test_a_tool_call_becomes_a_tool_message_with_the_call_as_artifact(gh: Gatehouse) -> None:
    tool = named(tools(gh, gh.actions(connector="github", full=True)))["github__issue__create"]

    message = tool.invoke(called("github__issue__create", ISSUE))

    assert isinstance(message, ToolMessage)
    assert message.tool_call_id == "call_1"
    assert message.status == "success"
    assert json.loads(message.content)["title"] == "Broken login"
    assert isinstance(message.artifact, Call)


def test_a_problem_is_a_message_that_says_why(gh: Gatehouse, box: Sandbox) -> None:
    tool = named(tools(gh, gh.actions(connector="github", full=True)))["github__issue__create"]
    before = box.applied("github")

    message = tool.invoke(called("github__issue__create", {"owner": "acme"}))

    assert message.status == "error"
    assert json.loads(message.content)["error"]["code"] == "invalid_input"
    assert box.applied("github") == before


def test_a_tool_call_that_is_acted_on_twice_in_a_run_acts_once(gh: Gatehouse, box: Sandbox) -> None:
    before = len(box.applied("github"))

    with gh.run() as run:
        tool = named(tools(run, gh.actions(connector="github", full=True)))["github__issue__create"]
        first, again = (tool.invoke(called("github__issue__create", ISSUE, "call_7")) for _ in range(2))
        other = tool.invoke(called("github__issue__create", ISSUE, "call_8"))

    assert first.content == again.content != other.content
    assert len(box.applied("github")) == before + 2


async def test_calls_at_the_same_time_keep_their_keys_apart(agh: AsyncGatehouse, gh: Gatehouse, box: Sandbox) -> None:
    before = len(box.applied("github"))
    actions = list(gh.actions(connector="github", full=True))

    async with agh.run() as run:
        with gh.run() as blocking:
            for client in (run, blocking):  # a blocking client runs in threads
                tool = named(tools(client, actions))["github__issue__create"]
                ids = ["call_1", "call_2", "call_1", "call_3"]
                await tool.ainvoke(called("github__issue__create", ISSUE, "call_1"))
                found = await asyncio.gather(*(tool.ainvoke(called("github__issue__create", ISSUE, id)) for id in ids))
                assert [message.status for message in found] == ["success"] * 4

    assert len(box.applied("github")) == before + 6


def test_a_blocking_call_of_an_asynchronous_client_says_what_to_do(gh: Gatehouse, agh: AsyncGatehouse) -> None:
    tool = tools(agh, gh.actions(q="issue", full=True))[0]

    with pytest.raises(TypeError, match="await it"):
        tool.invoke({})


def test_a_model_is_shown_the_actions_own_schema(gh: Gatehouse) -> None:
    action = gh.describe("github.issue.create")

    shown = convert_to_openai_tool(tools(gh, [action])[0])["function"]

    assert shown["name"] == "github__issue__create"
    assert set(shown["parameters"]["properties"]) == set(action.input_schema["properties"])
    assert shown["parameters"]["required"] == ["owner", "repo", "title"]


def test_a_tool_does_not_show_the_key(gh: Gatehouse, box: Sandbox) -> None:
    tool = tools(gh, [gh.describe("github.issue.create")])[0]

    assert box.key not in repr(tool) + str(tool.model_dump(exclude={"args_schema"}))
