"""Anthropic's Messages: actions as tools, and a loop. `pip install gatehouse-client[anthropic]`.

    ended = converse(Anthropic(), run, run.actions("issues", full=True), messages, model="...", max_tokens=4096)

Source: Anthropic API reference, Messages, "Tool use".
"""

from collections.abc import Iterable, Sequence
from typing import Any

from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import Message

from gatehouse_client import loop
from gatehouse_client.aio import AsyncClient
from gatehouse_client.sync import Client
from gatehouse_client.tools import Answer, Tool, tools_of
from gatehouse_client.values import ActionInfo


class MessagesDialect:
    """The dialect."""

    strict = False

    def tools(self, tools: Iterable[Tool]) -> list[Any]:
        """Return tools."""
        return [
            {"name": tool.name, "description": tool.action.description, "input_schema": tool.schema} for tool in tools
        ]

    def said(self, response: Message) -> tuple[str, list[loop.ToolCall]]:
        """Return a message's text and calls."""
        text = "".join(block.text for block in response.content if block.type == "text")
        calls = [
            loop.ToolCall(block.id, block.name, block.input) for block in response.content if block.type == "tool_use"
        ]
        return text, calls

    def extended(
        self, messages: loop.Messages, response: Message, answers: Sequence[tuple[loop.ToolCall, Answer]]
    ) -> loop.Messages:
        """Return the conversation with the model's message, and one message of the user's with all results."""
        own = {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in response.content]}
        told = [
            {"type": "tool_result", "tool_use_id": call.id, "content": answer.text, "is_error": answer.failed}
            for call, answer in answers
        ]
        return [*messages, own, *([{"role": "user", "content": told}] if told else [])]


def tools(actions: Iterable[ActionInfo]) -> list[Any]:
    """Return actions as tools, for a loop of one's own."""
    return MessagesDialect().tools(tools_of(actions).values())


def converse(
    model_api: Anthropic,
    client: Client,
    actions: Iterable[ActionInfo],
    messages: Iterable[Any],
    *,
    turns: int = 20,
    **request: Any,
) -> loop.Ended[Message]:
    """Let a model work; `request` has `model`, `max_tokens` and whatever else goes into each request."""

    def ask(conversation: loop.Messages, offered: list[Any]) -> Message:
        found: Message = model_api.messages.create(messages=conversation, tools=offered, **request)
        return found

    return loop.converse(MessagesDialect(), ask, client, actions, messages, turns=turns)


async def converse_async(
    model_api: AsyncAnthropic,
    client: AsyncClient,
    actions: Iterable[ActionInfo],
    messages: Iterable[Any],
    *,
    turns: int = 20,
    **request: Any,
) -> loop.Ended[Message]:
    """Let a model work; `request` has `model`, `max_tokens` and whatever else goes into each request."""

    async def ask(conversation: loop.Messages, offered: list[Any]) -> Message:
        found: Message = await model_api.messages.create(messages=conversation, tools=offered, **request)
        return found

    return await loop.converse_async(MessagesDialect(), ask, client, actions, messages, turns=turns)
