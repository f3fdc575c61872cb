"""Actions as tools of a model: names, schemas, keys, and what a model is told of an answer or a problem.

Every adapter and loop is over this. A problem is an answer too: a model that is told why can do better.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from gatehouse_client.aio import AsyncClient
from gatehouse_client.errors import FixTheCall, GatehouseError, StillWaiting
from gatehouse_client.strict import NotStrict, relaxed, strict
from gatehouse_client.sync import Client
from gatehouse_client.values import ActionInfo, Call

_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Tool:
    """One action. `schema` is what the model is shown; `strict` whether it is one of strict mode."""

    name: str
    action: ActionInfo
    schema: dict[str, Any]
    strict: bool

    def input(self, arguments: str | Mapping[str, Any]) -> dict[str, Any]:
        """Return a model's arguments as the action takes them. Raises `FixTheCall` where they are no JSON object."""
        try:
            given = json.loads(arguments or "{}") if isinstance(arguments, str) else arguments
        except ValueError:
            given = None
        if not isinstance(given, Mapping):
            raise FixTheCall({"code": "malformed_request", "detail": "The arguments are not a JSON object."})
        members: dict[str, Any] = dict(given)
        if not self.strict:
            return members
        left: dict[str, Any] = relaxed(members, self.action.input_schema)
        return left


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model is told. `value` is JSON; `call` is there where the action ended well."""

    value: Any
    failed: bool = False
    call: Call[Any] | None = None

    @property
    def text(self) -> str:
        """The value as JSON text."""
        return json.dumps(self.value, ensure_ascii=False)


def tools_of(actions: Iterable[ActionInfo], *, strict_mode: bool = False) -> dict[str, Tool]:
    """Return tools by name. The actions are full ones: `gh.actions(full=True)`.

    With `strict_mode` those whose input it can say are strict; the others stay as they are.
    """
    found: dict[str, Tool] = {}
    for action in actions:
        name, schema, is_strict = tool_name(action.name), action.input_schema, False
        if strict_mode:
            try:
                schema, is_strict = strict(schema), True
            except NotStrict:
                pass
        found[name] = Tool(name, action, schema, is_strict)
    return found


def tool_name(action: str) -> str:
    """Return an action's name as tool APIs allow it; the gateway's `format=openai` names it alike."""
    plain = action.replace(".", "__")
    if len(plain) <= _LONGEST_NAME:
        return plain
    return f"{plain[:55]}_{sha256(action.encode()).hexdigest()[:8]}"


def key_of(run: str | None, tool_call: str | None, name: str) -> str | None:
    """Return the idempotency key of a tool call in a run, so that a model's answer acted on twice acts once.

    Outside a run there is none: the ids of tool calls are unique within a conversation at best.
    """
    if not run or not tool_call:
        return None
    digest = sha256("\n".join((name, tool_call)).encode()).hexdigest()
    return f"{run}.{digest[:32]}"


def act(
    client: Client, tools: Mapping[str, Tool], name: str, arguments: str | Mapping[str, Any], tool_call: str | None
) -> Answer:
    """Run the action that a model called, and return what it is told: also what went wrong."""
    try:
        tool = _found(tools, name)
        at = client.using(key=key_of(client.options.run, tool_call, name))
        return answer(at.call(tool.action.name, tool.input(arguments)))
    except GatehouseError as error:
        return problem(error)


async def act_async(
    client: AsyncClient, tools: Mapping[str, Tool], name: str, arguments: str | Mapping[str, Any], tool_call: str | None
) -> Answer:
    """Run the action that a model called, and return what it is told: also what went wrong."""
    try:
        tool = _found(tools, name)
        at = client.using(key=key_of(client.options.run, tool_call, name))
        return answer(await at.call(tool.action.name, tool.input(arguments)))
    except GatehouseError as error:
        return problem(error)


def answer(call: Call[Any]) -> Answer:
    """Return what a model is told of a call that ended well."""
    if call.status != "succeeded":
        note = "Nothing was sent: this agent's calls are only rendered."
        return Answer({"status": call.status, "note": note}, call=call)
    if call.truncated:
        return Answer({"output": call.output, "truncated": call.truncated, "call": call.id}, call=call)
    return Answer(call.output, call=call)


def problem(error: GatehouseError) -> Answer:
    """Return what a model is told of a problem. A call that waits for a person is none."""
    if isinstance(error, StillWaiting):
        return Answer({"status": error.code, "call": error.call, "detail": error.detail})
    members = ("code", "detail", "hint", "errors", "upstream", "retryable", "call")
    told = {name: error.problem[name] for name in members if error.problem.get(name) is not None}
    return Answer({"error": told}, failed=True)


def _found(tools: Mapping[str, Tool], name: str) -> Tool:
    if name not in tools:
        raise FixTheCall({"code": "action_not_found", "detail": f"There is no tool {name[:80]!r}."})
    return tools[name]
