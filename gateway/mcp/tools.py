"""The tools that a client is shown: one for each granted action, or four by which it finds and calls any of them.

Order is by name, so that the same grants give the same list. A tool's schemas, title and hints are the action's own;
beside the input stands `_gatehouse` where something must be said besides.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

from connectors.sdk import Action
from gateway.call import Connection, Principal, Proved
from gateway.catalogue import LONGEST_NAME, ActionCatalogue, tool, tool_name
from gateway.clock import Clock
from gateway.mcp.arguments import BESIDE
from gateway.mcp.own_tools import DISCOVER, GET_CALL, options_schema
from scopes.grant import Autonomy, Grant, covering

Mode = Literal["direct", "discover"]
MOST_DIRECT = 40
_KEPT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Offer:
    """The tools of a caller as it is now. `good_until` is when a grant among them expires.

    `written` is the list as JSON, made once: a long one takes its time. `promised` are the tools that declare an output
    schema, which a good result must then fit.
    """

    principal: Principal
    mode: Mode
    written: bytes
    promised: frozenset[str]
    good_until: datetime | None


class Tools:
    """Answers what a client may call. Offers are kept while the caller's grants are what they were."""

    def __init__(self, catalogue: ActionCatalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._offers: OrderedDict[tuple[str, Proved | None, Mode | None], Offer] = OrderedDict()
        self._kept_bytes = 0

    def offer(self, principal: Principal, wanted: Mode | None) -> Offer:
        """Return the tools: as `wanted`, or in whichever form fits their number. None where nothing is granted."""
        now = self._clock.now()
        key = (principal.key, principal.proved, wanted)
        known = self._offers.get(key)
        if known is not None and known.principal is principal and (known.good_until is None or now < known.good_until):
            return known
        offer = self._made(principal, wanted, now)
        self._keep(key, offer)
        return offer

    def action(self, principal: Principal, name: str) -> str:
        """Return the name of the action that a direct tool stands for, whether or not it is granted."""
        if len(name) == LONGEST_NAME:
            for action, _ in self._catalogue.callable(principal, self._clock.now()):
                if tool_name(action.name) == name:
                    return action.name
        return name.replace("__", ".")

    def _keep(self, key: tuple[str, Proved | None, Mode | None], offer: Offer) -> None:
        replaced = self._offers.pop(key, None)
        self._kept_bytes += len(offer.written) - (len(replaced.written) if replaced is not None else 0)
        self._offers[key] = offer
        while self._kept_bytes > _KEPT_BYTES and len(self._offers) > 1:
            _, oldest = self._offers.popitem(last=False)
            self._kept_bytes -= len(oldest.written)

    def _made(self, principal: Principal, wanted: Mode | None, now: datetime) -> Offer:
        found = self._catalogue.callable(principal, now)
        mode: Mode = wanted or ("discover" if len(found) > MOST_DIRECT else "direct")
        expiries = [grant.expires_at for grant in principal.grants if grant.expires_at and grant.expires_at > now]
        tools: Sequence[Mapping[str, Any]] = ()
        if found and mode == "direct":
            direct = [self._direct(principal, action, connections) for action, connections in found]
            tools = [*direct, GET_CALL]
        elif found:
            tools = DISCOVER
        promised = frozenset(tool["name"] for tool in tools if "outputSchema" in tool)
        return Offer(principal, mode, orjson.dumps(tools), promised, min(expiries, default=None))

    def _direct(self, principal: Principal, action: Action, connections: Sequence[Connection]) -> dict[str, Any]:
        grants = self._covering(principal, action, connections)
        shown = tool(action, "mcp")
        shown["inputSchema"] = _with_options(action, connections, grants)
        # The revisions before 2026-07-28 know objects alone.
        if not _runs_at_once(action, grants) or shown["outputSchema"].get("type") != "object":
            del shown["outputSchema"]
        return shown

    def _covering(self, principal: Principal, action: Action, connections: Sequence[Connection]) -> list[Grant]:
        now = self._clock.now()
        return [
            grant
            for connection in connections
            for grant in covering(principal.grants, connection=connection.id, scopes=action.scopes, now=now)
        ]


def _runs_at_once(action: Action, grants: Sequence[Grant]) -> bool:
    """Whether no grant makes a call wait for a person, or only shadow: then a good result is always an output."""
    levels = {grant.autonomy for grant in grants}
    if Autonomy.SHADOW in levels:
        return False
    return not action.writes or (levels == {Autonomy.AUTO} and all(grant.rollout is None for grant in grants))


def _with_options(action: Action, connections: Sequence[Connection], grants: Sequence[Grant]) -> dict[str, Any]:
    """Return an action's input schema, with `_gatehouse` where a call needs more than the input."""
    schema = action.input_schema
    names = sorted(connection.name for connection in connections)
    needs_key = action.writes and any(grant.idempotency != "derive" for grant in grants)
    required = ["idempotency_key"] * needs_key + ["connection"] * (len(names) > 1)
    if not (action.writes or required):
        return schema
    options = options_schema({"connection": {"type": "string", "enum": names}} if len(names) > 1 else {}, required)
    properties = {**schema.get("properties", {}), BESIDE: options}
    wanted = [*schema.get("required", []), *([BESIDE] if required else [])]
    return {**schema, "properties": properties, **({"required": wanted} if wanted else {})}
