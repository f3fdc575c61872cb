"""Pydantic AI: actions as tools. `pip install gatehouse-client[pydantic-ai]`.

    agent = Agent(model, tools=tools(gh, gh.actions("issues", full=True)))

In a run the idempotency key is made of the run and the id of the tool call.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from pydantic_ai import ModelRetry, RunContext, Tool

from gatehouse_client import tools as gatehouse
from gatehouse_client.aio import AsyncClient
from gatehouse_client.errors import BY_CODE, FixTheCall
from gatehouse_client.sync import Client
from gatehouse_client.values import ActionInfo

_RETRIES = 3


def tools(client: Client | AsyncClient, actions: Iterable[ActionInfo]) -> list[Tool[Any]]:
    """Return actions as tools. The actions are full ones. A call that has to change is given back to the model."""
    return [_tool(client, tool) for tool in gatehouse.tools_of(actions).values()]


def _tool(client: Client | AsyncClient, tool: gatehouse.Tool) -> Tool[Any]:
    async def run(context: RunContext[Any], **input: Any) -> Any:
        known, call = {tool.name: tool}, context.tool_call_id
        if isinstance(client, Client):
            answer = await asyncio.to_thread(gatehouse.act, client, known, tool.name, input, call)
        else:
            answer = await gatehouse.act_async(client, known, tool.name, input, call)
        if answer.failed and issubclass(BY_CODE.get(answer.value["error"]["code"], object), FixTheCall):
            raise ModelRetry(answer.text)
        return answer.value

    made = Tool[Any].from_schema(run, tool.name, tool.action.description, tool.schema, takes_ctx=True)
    made.max_retries = _RETRIES
    return made
