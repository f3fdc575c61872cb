"""The loop of a model with tools: ask it, run what it calls, tell it, until it has nothing more to call.

A dialect is how one API says that; this module holds the loop alone, blocking and not.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from gatehouse_client.aio import AsyncBaseRun, AsyncClient
from gatehouse_client.sync import BaseRun, Client
from gatehouse_client.tools import Answer, Tool, act, act_async, tools_of
from gatehouse_client.values import ActionInfo

ResponseT = TypeVar("ResponseT")
SpokenT = TypeVar("SpokenT", contravariant=True)
Messages = list[Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that a model calls. `arguments` are JSON, parsed or not."""

    id: str
    name: str
    arguments: str | Mapping[str, Any]


class Dialect(Protocol[SpokenT]):
    """How one model API speaks."""

    strict: bool

    def tools(self, tools: Iterable[Tool]) -> list[Any]:
        """Return tools as its requests take them."""
        ...

    def said(self, response: SpokenT) -> tuple[str, list[ToolCall]]:
        """Return the text of a response, and what it calls."""
        ...

    def extended(self, messages: Messages, response: SpokenT, answers: Sequence[tuple[ToolCall, Answer]]) -> Messages:
        """Return the conversation with a response, and with what came of its calls."""
        ...


class TooManyTurns(RuntimeError):
    """The model went on calling tools. `messages` is the conversation so far."""

    def __init__(self, turns: int, messages: Messages) -> None:
        """Say how many turns there were."""
        super().__init__(f"the model still called tools after {turns} turns")
        self.messages = messages


@dataclass(frozen=True, slots=True)
class Ended(Generic[ResponseT]):
    """A conversation that ended. `text` is what the model said last."""

    text: str
    response: ResponseT
    messages: Messages


def converse(
    dialect: Dialect[ResponseT],
    ask: Callable[[Messages, list[Any]], ResponseT],
    client: Client,
    actions: Iterable[ActionInfo],
    messages: Iterable[Any],
    *,
    turns: int = 20,
) -> Ended[ResponseT]:
    """Let a model work. In a run what it says is recorded. Raises `TooManyTurns`, and what `ask` raises."""
    tools = tools_of(actions, strict_mode=dialect.strict)
    offered, conversation = dialect.tools(tools.values()), list(messages)
    for _ in range(turns):
        response = ask(conversation, offered)
        text, calls = dialect.said(response)
        if isinstance(client, BaseRun):
            client.model_output(_recorded(text, calls))
        answers = [(call, act(client, tools, call.name, call.arguments, call.id)) for call in calls]
        conversation = dialect.extended(conversation, response, answers)
        if not calls:
            return Ended(text, response, conversation)
    raise TooManyTurns(turns, conversation)


async def converse_async(
    dialect: Dialect[ResponseT],
    ask: Callable[[Messages, list[Any]], Awaitable[ResponseT]],
    client: AsyncClient,
    actions: Iterable[ActionInfo],
    messages: Iterable[Any],
    *,
    turns: int = 20,
) -> Ended[ResponseT]:
    """Let a model work. In a run what it says is recorded. Raises `TooManyTurns`, and what `ask` raises."""
    tools = tools_of(actions, strict_mode=dialect.strict)
    offered, conversation = dialect.tools(tools.values()), list(messages)
    for _ in range(turns):
        response = await ask(conversation, offered)
        text, calls = dialect.said(response)
        if isinstance(client, AsyncBaseRun):
            await client.model_output(_recorded(text, calls))
        answers = [(call, await act_async(client, tools, call.name, call.arguments, call.id)) for call in calls]
        conversation = dialect.extended(conversation, response, answers)
        if not calls:
            return Ended(text, response, conversation)
    raise TooManyTurns(turns, conversation)


def _recorded(text: str, calls: Sequence[ToolCall]) -> dict[str, Any]:
    return {"text": text} | ({"calls": [{"id": call.id, "name": call.name} for call in calls]} if calls else {})
