"""LlamaIndex's tools over the client."""

import json

from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.calling import acall_tool_with_selection, call_tool_with_selection

from gatehouse_client import AsyncGatehouse, Gatehouse
from gatehouse_client.adapters.llamaindex import tools
from tests.clients.sandbox import Sandbox

ISSUE = {"owner": "acme", "repo": "web", "title": "Broken login"}


def test_a_tool_that_a_model_selected_runs(gh: Gatehouse, box: Sandbox) -> None:
    found = tools(gh, gh.actions(connector="github", full=True))
    before = len(box.applied("github"))
    selected = ToolSelection(tool_id="call_1", tool_name="github__issue__create", tool_kwargs=ISSUE)

    output = call_tool_with_selection(selected, found)

    assert not output.is_error
    assert json.loads(output.content)["title"] == "Broken login"
    assert len(box.applied("github")) == before + 1


def test_a_problem_is_an_output_that_says_why(gh: Gatehouse, box: Sandbox) -> None:
    found = tools(gh, gh.actions(connector="github", full=True))
    before = box.applied("github")
    wrong = {"owner": "acme", "repo": "web", "colour": "red"}

    output = call_tool_with_selection(
        ToolSelection(tool_id="call_1", tool_name="github__issue__create", tool_kwargs=wrong), found
    )

    assert output.is_error
    assert output.raw_output["error"]["code"] == "invalid_input"
    assert box.applied("github") == before


async def test_both_clients_are_awaited(gh: Gatehouse, agh: AsyncGatehouse) -> None:
    actions = list(gh.actions(connector="github", full=True))
    selected = ToolSelection(tool_id="call_1", tool_name="github__issue__search", tool_kwargs={"q": "login"})

    for client in (gh, agh):
        output = await acall_tool_with_selection(selected, tools(client, actions))
        assert "items" in json.loads(output.content)


def test_every_action_is_a_tool_that_llamaindex_can_offer(gh: Gatehouse) -> None:
    actions = list(gh.actions(full=True))

    for action, tool in zip(actions, tools(gh, actions), strict=True):
        offered = tool.metadata.to_openai_tool()["function"]
        assert offered["parameters"]["properties"] == action.input_schema.get("properties", {})
