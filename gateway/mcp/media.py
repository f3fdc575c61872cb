"""Files of an output as content that a model can look at: images, sounds and small texts; the rest stays named."""

import base64
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

from connectors.sdk.errors import NotFound
from gateway.call import Agent
from gateway.files import Files

MOST_BYTES = 1024 * 1024
MOST_FILES = 8
_TEXTS = {"application/json", "application/xml", "application/yaml"}


class Media:
    """Reads files for results."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def of(self, agent: Agent, output: object) -> list[dict[str, Any]]:
        """Return content for the files that an output names, at most 8 of at most 1 MiB each."""
        found: list[dict[str, Any]] = []
        for file in islice(_named(output), MOST_FILES):
            try:
                info = await self._files.info(agent, file)
                if info.size > MOST_BYTES or _shown_as(info.media_type) is None:
                    continue
                content = await self._files.load(agent, file)
            except NotFound:
                continue  # a replay that came after the file's day
            found.append(_content(file, content.content, content.media_type))
        return found


def _named(value: object) -> Iterator[str]:
    """Yield the ids of the stored files in an output, wherever they stand."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        if isinstance(members.get("file"), str) and {"media_type", "size", "sha256"} <= members.keys():
            yield str(members["file"])
            return
        for member in members.values():
            yield from _named(member)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _named(item)


def _shown_as(media_type: str) -> str | None:
    kind, _, rest = media_type.partition(";")[0].strip().lower().partition("/")
    if kind in {"image", "audio"} and "svg" not in rest:
        return kind
    return "text" if kind == "text" or f"{kind}/{rest}" in _TEXTS else None


def _content(file: str, raw: bytes, media_type: str) -> dict[str, Any]:
    shown = _shown_as(media_type)
    if shown in {"image", "audio"}:
        return {"type": shown, "data": base64.b64encode(raw).decode(), "mimeType": media_type}
    text = raw.decode(errors="replace")
    resource = {"uri": f"gatehouse://files/{file}", "mimeType": media_type, "text": text}
    return {"type": "resource", "resource": resource}
