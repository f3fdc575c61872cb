"""The gateway's own tools: find an action, read how it is called, call it, and see how a call stands."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.call import Principal
from gateway.catalogue import ActionCatalogue, summary
from gateway.clock import Clock
from gateway.cursor import Cursors
from gateway.describe import Describer
from gateway.mcp.arguments import ToolCall, bad_argument, check_known, needed, taken
from gateway.mcp.results import MOST_BYTES
from gateway.options import MOST_WAIT_SECONDS
from gateway.own_calls import OwnCalls

EFFECTS = ("read", "create", "update", "delete", "send", "pay", "provision")
_LONGEST_QUERY = 200
_MOST_FOUND, _MOST_ITEMS = 50, 200
_TEXT: Mapping[str, Any] = {"type": "string"}


def options_schema(more: Mapping[str, Any] | None = None, required: Sequence[str] = ()) -> dict[str, Any]:
    """Return the schema of `_gatehouse`."""
    key = {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "description": "A new one for each intended effect; the same one when you repeat a call.",
    }
    members: dict[str, Any] = {"idempotency_key": key, "connection": _TEXT, "run": _TEXT, "actor": _TEXT}
    shown: dict[str, Any] = {
        "type": "object",
        "description": "What is said beside the input.",
        "properties": members | dict(more or {}),
        "additionalProperties": False,
    }
    return shown | ({"required": list(required)} if required else {})


def _shown(name: str, title: str, description: str, properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    reads = name != "call_action"
    hints = {"readOnlyHint": reads, "destructiveHint": not reads, "idempotentHint": True, "openWorldHint": not reads}
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {
        "name": name,
        "title": title,
        "description": description,
        "inputSchema": schema | ({"required": list(required)} if required else {}),
        "annotations": {"title": title} | hints,
    }


GET_CALL = _shown(
    "get_call",
    "Look at a call",
    "Return how a call stands and its output once it has one. With `pointer`, return a page of an output that was too"
    " large to return at once.",
    {
        "call": {"type": "string", "description": "The call's id, such as call_01k..."},
        "wait": {"type": "integer", "minimum": 0, "maximum": 60, "description": "Seconds to wait for its end."},
        "pointer": {"type": "string", "description": "The part of the output to page through, such as /items."},
        "cursor": {"type": "string", "description": "next_cursor of the page before."},
        "limit": {"type": "integer", "minimum": 1, "maximum": _MOST_ITEMS},
    },
    "call",
)
DISCOVER = (
    _shown(
        "call_action",
        "Call an action",
        "Run an action of a connected system. Read its input_schema with describe_action first. All but reads need"
        " `_gatehouse.idempotency_key`.",
        {
            "action": {"type": "string", "description": "Its name, such as github.issue.create."},
            "input": {"type": "object", "description": "What its input_schema says."},
            "_gatehouse": options_schema(),
        },
        "action",
        "input",
    ),
    _shown(
        "describe_action",
        "Read how an action is called",
        "Return an action's description, input and output schema, examples, and the fields of one's own at a"
        " connection.",
        {
            "action": _TEXT,
            "connection": {"type": "string", "description": "Needed for its custom fields where there are several."},
            "kind": {"type": "string", "description": "The kind of record, where its custom fields depend on one."},
        },
        "action",
    ),
    GET_CALL,
    _shown(
        "search_actions",
        "Find actions",
        "Return the actions you may call that fit the words, best first; without `query`, all by name.",
        {
            "query": {"type": "string", "maxLength": _LONGEST_QUERY},
            "connector": {"type": "string", "description": "Only those of one system, such as github."},
            "effect": {"type": "string", "enum": list(EFFECTS)},
            "connection": _TEXT,
            "limit": {"type": "integer", "minimum": 1, "maximum": _MOST_FOUND},
            "cursor": {"type": "string", "description": "next_cursor of the page before."},
        },
    ),
)
NAMES = tuple(str(shown["name"]) for shown in DISCOVER)


class OwnTools:
    """Runs them, but for calling: that is `inner_call`'s and the pipeline's. All raise `ActionError`."""

    def __init__(
        self, catalogue: ActionCatalogue, describer: Describer, calls: OwnCalls, cursors: Cursors, clock: Clock
    ) -> None:
        self._catalogue = catalogue
        self._describer = describer
        self._calls = calls
        self._cursors = cursors
        self._clock = clock

    async def run(self, principal: Principal, asked: ToolCall) -> Mapping[str, Any]:
        """Return what a tool answers."""
        if asked.name == "search_actions":
            return self._search(principal, asked.arguments)
        if asked.name == "describe_action":
            return await self._describe(principal, asked.arguments)
        return await self._get(principal, asked.arguments)

    def _search(self, principal: Principal, given: Mapping[str, Any]) -> Mapping[str, Any]:
        check_known(given, ("query", "connector", "effect", "connection", "limit", "cursor"))
        query, effect = taken(given, "query", str), taken(given, "effect", str)
        if len(query or "") > _LONGEST_QUERY:
            raise bad_argument("query", f"must have at most {_LONGEST_QUERY} characters")
        if effect is not None and effect not in EFFECTS:
            raise bad_argument("effect", f"must be one of {', '.join(EFFECTS)}")
        found = self._catalogue.callable(
            principal,
            self._clock.now(),
            connector=taken(given, "connector", str),
            effect=effect,
            connection=taken(given, "connection", str),
            q=query,
        )
        cursor, size = taken(given, "cursor", str), _limit(given, 20, _MOST_FOUND)
        asked = sorted((name, str(value)) for name, value in given.items() if name not in {"cursor", "limit"})
        binding = f"mcp search:{principal.agent.id}:{asked}"
        start = int(self._cursors.open(cursor, binding)) if cursor is not None else 0
        end = start + size
        items = [
            {**summary(action, connections), "description": action.description}
            for action, connections in found[start:end]
        ]
        return {"items": items, "next_cursor": self._cursors.seal(str(end), binding) if end < len(found) else None}

    async def _describe(self, principal: Principal, given: Mapping[str, Any]) -> Mapping[str, Any]:
        check_known(given, ("action", "connection", "kind"))
        name = needed(given, "action", str)
        return await self._describer.of(
            principal, name, taken(given, "connection", str), _short(taken(given, "kind", str))
        )

    async def _get(self, principal: Principal, given: Mapping[str, Any]) -> Mapping[str, Any]:
        check_known(given, ("call", "wait", "pointer", "cursor", "limit"))
        id, pointer, wait = needed(given, "call", str), taken(given, "pointer", str), taken(given, "wait", int, 0)
        if not 0 <= wait <= MOST_WAIT_SECONDS:
            raise bad_argument("wait", f"must be whole seconds, at most {MOST_WAIT_SECONDS:g}")
        if pointer is not None or "cursor" in given:
            page = await self._calls.output(
                principal, id, pointer or "", taken(given, "cursor", str), _limit(given, 50, _MOST_ITEMS), MOST_BYTES
            )
            return {"items": page.items, "next_cursor": page.next_cursor}
        stored = await self._calls.get(principal, id, wait)
        return self._calls.shown(principal, stored)


def inner_call(asked: ToolCall) -> ToolCall:
    """Return the call of an action that `call_action` stands for. Raises `InvalidInput`."""
    check_known(asked.arguments, ("action", "input"))
    name = needed(asked.arguments, "action", str).replace("\x00", "\ufffd")
    return replace(asked, name=name, arguments=needed(asked.arguments, "input", dict))


def _limit(given: Mapping[str, Any], default: int, most: int) -> int:
    limit: int = taken(given, "limit", int, default)
    if not 1 <= limit <= most:
        raise bad_argument("limit", f"must be a whole number from 1 to {most}")
    return limit


def _short(kind: str | None) -> str | None:
    if kind is not None and len(kind) > 255:
        raise bad_argument("kind", "must have at most 255 characters")
    return kind
