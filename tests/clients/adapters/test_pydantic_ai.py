"""Pydantic AI's tools over the client, in a whole agent with a scripted model."""

from collections.abc import Callable
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from gatehouse_client import AsyncGatehouse, Gatehouse
from gatehouse_client.adapters.pydantic_ai import tools
from tests.clients.sandbox import Sandbox

ISSUE = {"owner": "acme", "repo": "web", "title": "Broken login"}


def scripted(*turns: str | tuple[str, dict[str, Any], str]) -> Callable[[list[ModelMessage], AgentInfo], ModelResponse]:
    left = iter(turns)

    def say(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        turn = next(left)
        if isinstance(turn, str):
            return ModelResponse(parts=[TextPart(turn)])
        name, arguments, id = turn
        return ModelResponse(parts=[ToolCallPart(name, arguments, id)])

    return say


def parts(result: Any, kind: type) -> list[Any]:
    return [part for message in result.all_messages() for part in message.parts if isinstance(part, kind)]


async def test_an_agent_runs_an_action(gh: Gatehouse, agh: AsyncGatehouse, box: Sandbox) -> None:
    actions = list(gh.actions(connector="github", full=True))
    before = len(box.applied("github"))

    for client in (gh, agh):
        model = FunctionModel(scripted(("github__issue__create", ISSUE, "call_1"), "Filed."))
        result = await Agent(model, tools=tools(client, actions)).run("File it.")
        assert result.output == "Filed."
        assert parts(result, ToolReturnPart)[0].content["title"] == "Broken login"

    assert len(box.applied("github")) == before + 2


async def test_a_call_that_has_to_change_is_given_back_to_the_model(agh: AsyncGatehouse, gh: Gatehouse) -> None:
    wrong = {"owner": "acme", "repo": "web"}
    turns = [("github__issue__create", wrong, "call_1"), ("github__issue__create", ISSUE, "call_2"), "Filed."]

    result = await Agent(FunctionModel(scripted(*turns)), tools=tools(agh, [gh.describe("github.issue.create")])).run(
        "File it."
    )

    assert result.output == "Filed."
    first, second = parts(result, ToolReturnPart)
    assert first.outcome == "retried"
    assert "/title" in first.content
    assert second.content["title"] == "Broken login"


async def test_what_only_a_person_can_allow_is_told_and_not_tried_again(box: Sandbox) -> None:
    async with AsyncGatehouse(box.url, box.agent("reader", "github/main", scopes=["github:issue:read"])) as agh:
        with Gatehouse(box.url, box.key) as gh:
            create = gh.describe("github.issue.create")
        model = FunctionModel(scripted(("github__issue__create", ISSUE, "call_1"), "I may not."))

        result = await Agent(model, tools=tools(agh, [create])).run("File it.")

    assert result.output == "I may not."
    (told,) = parts(result, ToolReturnPart)
    assert told.outcome != "retried"
    assert told.content["error"]["code"] == "scope_denied"


async def test_a_tool_call_that_is_acted_on_twice_in_a_run_acts_once(agh: AsyncGatehouse, box: Sandbox) -> None:
    before = len(box.applied("github"))

    async with agh.run() as run:
        for _ in range(2):
            model = FunctionModel(scripted(("github__issue__create", ISSUE, "call_1"), "Filed."))
            await Agent(model, tools=tools(run, [await agh.describe("github.issue.create")])).run("File it.")

    assert len(box.applied("github")) == before + 1
