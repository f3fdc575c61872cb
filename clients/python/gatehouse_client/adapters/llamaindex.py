"""LlamaIndex: actions as tools. `pip install gatehouse-client[llamaindex]`.

    agent = FunctionAgent(tools=tools(gh, gh.actions("issues", full=True)), llm=llm)

LlamaIndex does not tell a tool the id of its call, so every call has a key of its own.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.tools import AsyncBaseTool, ToolMetadata, ToolOutput

from gatehouse_client.aio import AsyncClient
from gatehouse_client.sync import Client
from gatehouse_client.tools import Answer, Tool, act, act_async, tools_of
from gatehouse_client.values import ActionInfo

_LONGEST_DESCRIPTION = 1024  # more is refused by `ToolMetadata.to_openai_tool`
_SCHEMA = ("type", "properties", "required", "$defs", "additionalProperties")


@dataclass
class ActionMetadata(ToolMetadata):
    """What a model is shown of an action: its own schema, instead of one made from a Python class."""

    schema: dict[str, Any] = field(default_factory=dict[str, Any])

    def get_parameters_dict(self) -> dict[str, Any]:
        """Return the schema."""
        return {name: self.schema[name] for name in _SCHEMA if name in self.schema}


class ActionTool(AsyncBaseTool):
    """One action. A problem is an output too, with `is_error`."""

    def __init__(self, client: Client | AsyncClient, tool: Tool) -> None:
        """Take the client that runs it."""
        self._client = client
        self._tool = tool
        about = tool.action.description
        self._metadata = ActionMetadata(
            description=about if len(about) <= _LONGEST_DESCRIPTION else about[: _LONGEST_DESCRIPTION - 1] + "…",
            name=tool.name,
            fn_schema=None,
            schema=tool.schema,
        )

    @property
    def metadata(self) -> ToolMetadata:
        """What a model is shown."""
        return self._metadata

    def call(self, *given: Any, **input: Any) -> ToolOutput:
        """Run it; blocking."""
        if isinstance(self._client, AsyncClient):
            raise TypeError("this tool has an asynchronous client: await `acall`, or make it with `Gatehouse`")
        return self._output(input, act(self._client, {self._tool.name: self._tool}, self._tool.name, input, None))

    async def acall(self, *given: Any, **input: Any) -> ToolOutput:
        """Run it. A blocking client runs in a thread."""
        if isinstance(self._client, Client):
            return await asyncio.to_thread(self.call, *given, **input)
        tools = {self._tool.name: self._tool}
        return self._output(input, await act_async(self._client, tools, self._tool.name, input, None))

    def _output(self, input: dict[str, Any], answer: Answer) -> ToolOutput:
        return ToolOutput(
            content=answer.text,
            tool_name=self._tool.name,
            raw_input={"kwargs": input},
            raw_output=answer.value,
            is_error=answer.failed,
        )


def tools(client: Client | AsyncClient, actions: Iterable[ActionInfo]) -> list[ActionTool]:
    """Return actions as tools. The actions are full ones."""
    return [ActionTool(client, tool) for tool in tools_of(actions).values()]
