"""Feeds recorded answers to a handler: what a real account said must still be asked for in that way, and must type.

A fixture is JSON: `action`, `input`, `exchanges` of `request` (method, path, query, body) and `response` (status,
headers, and `json`, `text` or `base64`), and `outcome`: `succeeded`, or the code that the call ended with.
`gatehouse connector record` writes them.
"""

import base64
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from connectors.sdk.connector import Connector
from connectors.sdk.drive import drive
from connectors.sdk.errors import ActionError
from connectors.sdk.exchange import Asked, FileContent, LoadFile, Request, Response, SaveFile
from connectors.sdk.model import StoredFile
from connectors.sdk.upstream import Upstream

_MARKER = "0" * 32
_FILE = "file_" + "0" * 26


class Unlike(AssertionError):
    """A handler asks otherwise than when it was recorded, or its answer ends otherwise. The message says how."""


async def replay(connector: Connector, fixture: Mapping[str, Any]) -> Any:
    """Return the output as JSON, None where the recorded call was refused. Raises `Unlike`."""
    action = connector.actions[fixture["action"]]
    given = action.input.model_validate(fixture["input"], strict=False)
    left = list(fixture["exchanges"])

    async def answer(asked: Asked) -> object:
        if isinstance(asked, LoadFile):
            return FileContent(b"recorded", "application/octet-stream")
        if isinstance(asked, SaveFile):
            digest = sha256(asked.content).hexdigest()
            return StoredFile(file=_FILE, media_type=asked.media_type, size=len(asked.content), sha256=digest)
        if not left:
            raise Unlike(f"{asked.method} {asked.path} was not asked when {action.name} was recorded")
        exchange = left.pop(0)
        _check(asked, exchange["request"])
        return _response(exchange["response"])

    outcome, output = "succeeded", None
    try:
        result = await drive(action.handler(Upstream(connector, marker=_MARKER), given), answer)
        output = action.output_adapter.dump_python(result, mode="json")
    except ActionError as error:
        outcome = error.code
        if outcome != fixture["outcome"]:
            raise Unlike(f"{action.name} ended as {fixture['outcome']}, and now: {outcome}: {error.detail}") from error
    if outcome != fixture["outcome"]:
        raise Unlike(f"{action.name} ended as {fixture['outcome']}, and now it succeeds")
    if left:
        raise Unlike(f"{left[0]['request']['method']} {left[0]['request']['path']} is no longer asked")
    return output


def _check(asked: Request, recorded: Mapping[str, Any]) -> None:
    if (asked.method, unquote(asked.path)) != (recorded["method"], unquote(recorded["path"])):
        raise Unlike(f"{recorded['method']} {recorded['path']} was asked, and now {asked.method} {asked.path}")
    then = {name for name, _ in parse_qsl(recorded["query"], keep_blank_values=True)}
    now = {name for name, _ in parse_qsl(asked.query, keep_blank_values=True)}
    if then != now:
        raise Unlike(f"{asked.path} was asked with {sorted(then)}, and now with {sorted(now)}")


def _response(recorded: Mapping[str, Any]) -> Response:
    if "json" in recorded:
        body = orjson.dumps(recorded["json"])
    elif "base64" in recorded:
        body = base64.b64decode(recorded["base64"])
    else:
        body = str(recorded.get("text", "")).encode()
    return Response(recorded["status"], recorded["headers"], body)
