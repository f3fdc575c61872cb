"""OpenAI's Chat Completions: actions as function tools, and a loop. `pip install gatehouse-client[openai]`.

    ended = converse(OpenAI(), run, run.actions("issues", full=True), messages, model="gpt-5")

Source: OpenAI API reference, Chat Completions, "tools" and "Function calling", strict mode.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion

from gatehouse_client import loop
from gatehouse_client.aio import AsyncClient
from gatehouse_client.sync import Client
from gatehouse_client.tools import Answer, Tool, tools_of
from gatehouse_client.values import ActionInfo


class ChatCompletions:
    """The dialect. Inputs that strict mode can say are strict."""

    def __init__(self, *, strict: bool = True) -> None:
        """Take whether to ask for strict mode; servers that only resemble OpenAI's may not know it."""
        self.strict = strict

    def tools(self, tools: Iterable[Tool]) -> list[Any]:
        """Return function tools."""
        return [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.action.description,
                    "parameters": tool.schema,
                    **({"strict": True} if tool.strict else {}),
                },
            }
            for tool in tools
        ]

    def said(self, response: ChatCompletion) -> tuple[str, list[loop.ToolCall]]:
        """Return the first choice's text and calls."""
        message = response.choices[0].message
        calls = [
            loop.ToolCall(call.id, call.function.name, call.function.arguments)
            for call in message.tool_calls or ()
            if call.type == "function"
        ]
        return message.content or "", calls

    def extended(
        self, messages: loop.Messages, response: ChatCompletion, answers: Sequence[tuple[loop.ToolCall, Answer]]
    ) -> loop.Messages:
        """Return the conversation with the model's message, and a tool message for each call."""
        own = response.choices[0].message.model_dump(exclude_none=True)
        told = [{"role": "tool", "tool_call_id": call.id, "content": answer.text} for call, answer in answers]
        return [*messages, own, *told]


def tools(actions: Iterable[ActionInfo], *, strict: bool = True) -> list[Any]:
    """Return actions as function tools, for a loop of one's own."""
    return ChatCompletions(strict=strict).tools(tools_of(actions, strict_mode=strict).values())


def converse(
    model_api: OpenAI,
    client: Client,
    actions: Iterable[ActionInfo],
    messages: Iterable[Any],
    *,
    strict: bool = True,
    turns: int = 20,
    **request: Any,
) -> loop.Ended[ChatCompletion]:
    """Let a model work; `request` has its `model` and whatever else goes into each request."""

    def ask(conversation: loop.Messages, offered: list[Any]) -> ChatCompletion:
        more = {"tools": offered} if offered else {}
        create: Any = model_api.chat.completions.create
        found: ChatCompletion = create(messages=conversation, **more, **request)
        return found

    return loop.converse(ChatCompletions(strict=strict), ask, client, actions, messages, turns=turns)


async def converse_async(
    model_api: AsyncOpenAI,
    client: AsyncClient,
    actions: Iterable[ActionInfo],
    messages: Iterable[Any],
    *,
    strict: bool = True,
    turns: int = 20,
    **request: Any,
) -> loop.Ended[ChatCompletion]:
    """Let a model work; `request` has its `model` and whatever else goes into each request."""

    async def ask(conversation: loop.Messages, offered: list[Any]) -> ChatCompletion:
        more = {"tools": offered} if offered else {}
        create: Any = model_api.chat.completions.create
        found: ChatCompletion = await create(messages=conversation, **more, **request)
        return found

    return await loop.converse_async(ChatCompletions(strict=strict), ask, client, actions, messages, turns=turns)
