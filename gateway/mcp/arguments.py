"""A tool call's arguments, apart from what is said beside the input: in `_meta` or under `_gatehouse`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from connectors.sdk.errors import InvalidInput, Issue
from gateway.call import Options
from gateway.mcp.message import INVALID_PARAMS, Fault, Message
from gateway.options import LONGEST, MOST_WAIT_SECONDS, check_key, check_number, check_text, refused_option

BESIDE = "_gatehouse"
_PREFIX = "gatehouse/"
_TEXTS = ("run", "connection", "actor", "reason")
_KNOWN = ("idempotency_key", "connection", "run", "actor", "confidence", "reason", "timeout", "respond_async", "wait")
_MOST_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a client asks a tool for. `said` are all arguments, as they were sent."""

    name: str
    arguments: Mapping[str, Any]
    said: Mapping[str, Any]
    options: Options


def name_of(message: Message) -> str:
    """Return the name of the tool that is called. Raises `Fault`."""
    name = message.params.get("name")
    if not isinstance(name, str):
        raise Fault(INVALID_PARAMS, "`params.name` must be a string.")
    # What callers invent is recorded too, and a ledger keeps no NUL in a text.
    return name.replace("\x00", "\ufffd")


def read_call(message: Message) -> ToolCall:
    """Return a tool call. Raises `Fault` for what is no call, `MalformedRequest` for an option that is said badly."""
    given = message.params.get("arguments")
    if given is not None and not isinstance(given, dict):
        raise Fault(INVALID_PARAMS, "`params.arguments` must be an object.")
    said = cast("dict[str, Any]", given or {})
    arguments = {name: value for name, value in said.items() if name != BESIDE}
    return ToolCall(name_of(message), arguments, said, _options(_said_beside(message.meta, said.get(BESIDE))))


def _said_beside(meta: Mapping[str, Any], given: object) -> dict[str, tuple[str, Any]]:
    """Return each option with the name it was given under. The same thing may be said twice, not two things."""
    if given is not None and not isinstance(given, dict):
        raise refused_option(BESIDE, "must be an object")
    found = {key.removeprefix(_PREFIX): (key, value) for key, value in meta.items() if key.startswith(_PREFIX)}
    for name, value in cast("dict[str, Any]", given or {}).items():
        if name in found and found[name][1] != value:
            raise refused_option(f"{BESIDE}.{name}"[:80], f"says another thing than `_meta` does under {_PREFIX}{name}")
        found[name] = (f"{BESIDE}.{name}", value)
    for name, (key, _) in found.items():
        if name not in _KNOWN:
            raise refused_option(key[:80], f"is not known; known are {', '.join(_KNOWN)}")
    return found


def _options(said: Mapping[str, tuple[str, Any]]) -> Options:
    texts = {name: _text(said.get(name), LONGEST[name]) for name in _TEXTS}
    key, timeout = said.get("idempotency_key"), _number(said.get("timeout"), 0.001, _MOST_TIMEOUT_SECONDS)
    return Options(
        key=check_key(key[0], _string(key)) if key is not None else None,
        run=texts["run"],
        connection=texts["connection"],
        actor=texts["actor"],
        confidence=_number(said.get("confidence"), 0, 1),
        reason=texts["reason"],
        timeout=timeout,
        respond_async=_flag(said.get("respond_async")),
        wait=_number(said.get("wait"), 0, MOST_WAIT_SECONDS),
    )


def _text(said: tuple[str, Any] | None, most: int) -> str | None:
    return check_text(said[0], _string(said), most) if said is not None else None


def _number(said: tuple[str, Any] | None, least: float, most: float) -> float | None:
    if said is None:
        return None
    name, value = said
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise refused_option(name, "must be a number")
    return check_number(name, value, least, most)


def _flag(said: tuple[str, Any] | None) -> bool:
    if said is None:
        return False
    name, value = said
    if not isinstance(value, bool):
        raise refused_option(name, "must be true or false")
    return value


def _string(said: tuple[str, Any]) -> str:
    name, value = said
    if not isinstance(value, str):
        raise refused_option(name, "must be a string")
    return value


def taken(arguments: Mapping[str, Any], name: str, kind: type[Any], default: Any = None) -> Any:
    """Return an argument of one of the gateway's own tools. Raises `InvalidInput`."""
    value = arguments.get(name, default)
    if value is default:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise bad_argument(name, f"must be of the type {_TYPES[kind]}")
    return value


def needed(arguments: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
    """Return an argument that must be there. Raises `InvalidInput`."""
    if name not in arguments:
        raise bad_argument(name, "is required")
    return taken(arguments, name, kind)


def check_known(arguments: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Refuse arguments that a tool does not know. Raises `InvalidInput`."""
    for name in arguments:
        if name not in known:
            raise bad_argument(name[:80], f"is not known here; known are {', '.join(known)}")


def bad_argument(name: str, why: str) -> InvalidInput:
    """Return the problem of an argument."""
    return InvalidInput(f"The argument {name!r} {why}.", issues=[Issue(pointer=f"/{name}", message=why)])


_TYPES: Mapping[type[Any], str] = {str: "string", int: "integer", dict: "object"}
