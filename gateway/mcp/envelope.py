"""What a request of revision 2026-07-28 carries with it: who speaks, in `_meta`, and the same in headers.

Sources: the specification 2026-07-28, "Per-request protocol fields", and "Streamable HTTP", "Standard request headers".
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import HEADER_MISMATCH, UNSUPPORTED_PROTOCOL_VERSION
from multidict import CIMultiDictProxy

from gateway.mcp.message import INVALID_PARAMS, Fault, Message
from gateway.mcp.peer import MODERN, REVISIONS, Peer

VERSION, METHOD, NAME = "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"
# Which parameter the header Mcp-Name repeats.
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_TASKS = {"tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"}
_ENCODED = re.compile(r"^=\?base64\?(.*)\?=$")

Headers = CIMultiDictProxy[str]


def is_modern(message: Message, headers: Headers) -> bool:
    """Whether a request is to be read by 2026-07-28. Raises `Fault` for a revision that is spoken nowhere."""
    named = headers.get(VERSION)
    if named == MODERN or PROTOCOL_VERSION_META_KEY in message.meta:
        return True
    if named is not None and named not in REVISIONS:
        raise unsupported(named)
    return False


def peer_of(message: Message, headers: Headers) -> Peer:
    """Return who sent a request, when all that says so agrees. Raises `Fault`."""
    meta = message.meta
    missing = [key for key in (PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY) if key not in meta]
    if missing:
        raise Fault(INVALID_PARAMS, f"`params._meta` lacks {' and '.join(missing)}.")
    _check_headers(message, headers, meta[PROTOCOL_VERSION_META_KEY])
    version, capabilities = meta[PROTOCOL_VERSION_META_KEY], meta[CLIENT_CAPABILITIES_META_KEY]
    if version != MODERN:
        raise unsupported(str(version)[:40])
    if not isinstance(capabilities, dict):
        raise Fault(INVALID_PARAMS, f"`params._meta` must hold an object under {CLIENT_CAPABILITIES_META_KEY}.")
    if not isinstance(meta.get(CLIENT_INFO_META_KEY, {}), dict):
        raise Fault(INVALID_PARAMS, f"`params._meta` must hold an object under {CLIENT_INFO_META_KEY}.")
    return Peer(MODERN, capabilities)


def unsupported(requested: str, supported: Sequence[str] = REVISIONS) -> Fault:
    """Return the answer to a revision that is not spoken here."""
    data = {"supported": list(supported), "requested": requested[:40]}
    return Fault(UNSUPPORTED_PROTOCOL_VERSION, "This protocol version is not supported.", data, status=400)


def _check_headers(message: Message, headers: Headers, version: object) -> None:
    """Raise `Fault` where a proxy that reads headers would see another request than the one in the body."""
    for name in (VERSION, METHOD, NAME):
        if len(headers.getall(name, ())) > 1:
            raise _mismatch(f"The header {name} is given more than once")
    if headers.get(VERSION) != version:
        raise _mismatch(f"The header {VERSION} does not say the version of `params._meta`")
    if headers.get(METHOD) != message.method:
        raise _mismatch(f"The header {METHOD} does not say the method of the body")
    parameter = _NAMED.get(message.method)
    if parameter is not None and decoded(headers.get(NAME)) != message.params.get(parameter):
        raise _mismatch(f"The header {NAME} does not say `params.{parameter}` of the body")
    parameter = _TASKS.get(message.method)
    if parameter is not None and NAME in headers and decoded(headers.get(NAME)) != message.params.get(parameter):
        raise _mismatch(f"The header {NAME} does not say `params.{parameter}` of the body")


def decoded(value: str | None) -> str | None:
    """Return what a header's value stands for; None where it is no canonical base64 of UTF-8 and says that it is."""
    found = _ENCODED.match(value) if value is not None else None
    if found is None:
        return value
    text = found.group(1)
    try:
        raw = base64.b64decode(text, validate=True)
        return raw.decode() if base64.b64encode(raw).decode() == text else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _mismatch(what: str) -> Fault:
    return Fault(HEADER_MISMATCH, f"{what}.", status=400)


def stamped(result: Mapping[str, Any], key: str, value: object) -> dict[str, Any]:
    """Return a result with something more in its `_meta`."""
    return {**result, "_meta": {**result.get("_meta", {}), key: value}}
