"""LangChain: actions as tools. `pip install gatehouse-client[langchain]`.

    agent = create_agent(model, tools(gh, gh.actions("issues", full=True)))

In a run the idempotency key is made of the run and the id of the tool call.
"""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.tools import BaseTool, ToolException
from pydantic import Field

from gatehouse_client.aio import AsyncClient
from gatehouse_client.sync import Client
from gatehouse_client.tools import Answer, Tool, act, act_async, tools_of
from gatehouse_client.values import ActionInfo, Call

_tool_call: ContextVar[str | None] = ContextVar("gatehouse_tool_call", default=None)


class ActionTool(BaseTool):
    """One action. The content is its output as JSON, the artifact the call; a problem is an error that says why."""

    client: Client | AsyncClient = Field(exclude=True, repr=False)
    tool: Tool
    handle_tool_error: bool = True
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"

    def run(self, tool_input: str | dict[str, Any], *given: Any, tool_call_id: str | None = None, **more: Any) -> Any:
        """Run it as a tool call of a model."""
        before = _tool_call.set(tool_call_id)
        try:
            return super().run(tool_input, *given, tool_call_id=tool_call_id, **more)
        finally:
            _tool_call.reset(before)

    async def arun(
        self, tool_input: str | dict[str, Any], *given: Any, tool_call_id: str | None = None, **more: Any
    ) -> Any:
        """Run it as a tool call of a model."""
        before = _tool_call.set(tool_call_id)
        try:
            return await super().arun(tool_input, *given, tool_call_id=tool_call_id, **more)
        finally:
            _tool_call.reset(before)

    def _run(self, *, run_manager: CallbackManagerForToolRun | None = None, **input: Any) -> tuple[str, Call[Any]]:
        if isinstance(self.client, AsyncClient):
            raise TypeError("this tool has an asynchronous client: await it, or make it with `Gatehouse`")
        return _told(act(self.client, {self.name: self.tool}, self.name, input, _tool_call.get()))

    async def _arun(
        self, *, run_manager: AsyncCallbackManagerForToolRun | None = None, **input: Any
    ) -> tuple[str, Call[Any]]:
        if isinstance(self.client, Client):
            found: tuple[str, Call[Any]] = await super()._arun(**input)
            return found
        return _told(await act_async(self.client, {self.name: self.tool}, self.name, input, _tool_call.get()))


def tools(client: Client | AsyncClient, actions: Iterable[ActionInfo]) -> list[BaseTool]:
    """Return actions as tools. The actions are full ones."""
    return [
        ActionTool(
            name=name,
            description=tool.action.description,
            args_schema=tool.schema,
            client=client,
            tool=tool,
            metadata={"action": tool.action.name, "effect": tool.action.effect},
        )
        for name, tool in tools_of(actions).items()
    ]


def _told(answer: Answer) -> tuple[str, Any]:
    if answer.failed:
        raise ToolException(answer.text)
    return answer.text, answer.call
