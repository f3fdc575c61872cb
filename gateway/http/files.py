"""`/v1/files`: raw bodies in, raw bodies out, streamed."""

import re

from aiohttp import web

from connectors.sdk.errors import Issue, MalformedRequest, Overloaded, PayloadTooLarge
from gateway.files import MOST_BYTES, FileInfo, Files
from gateway.http.agent import Visit
from gateway.http.request import check_parameters
from gateway.http.response import json_response

_MEDIA_TYPE = re.compile(r"^[a-zA-Z0-9!#$&^_.+-]{1,64}/[a-zA-Z0-9!#$&^_.+-]{1,64}(; ?[a-zA-Z0-9_.+=\"-]{1,64})*$")


class FileRoutes:
    """The routes of files."""

    def __init__(self, files: Files, uploads: int) -> None:
        """Take how many uploads may be under way: each holds chunks in memory."""
        self._files = files
        self._uploads = uploads
        self._under_way = 0

    async def upload(self, visit: Visit) -> web.StreamResponse:
        """Answer `POST /v1/files`."""
        request = visit.request
        check_parameters(request, ())
        media_type = request.headers.get("Content-Type", "application/octet-stream")
        if not _MEDIA_TYPE.match(media_type):
            raise MalformedRequest(
                "The Content-Type is no media type.", issues=[Issue(parameter="Content-Type", message="type/subtype")]
            )
        declared = request.content_length
        if declared is not None and declared > MOST_BYTES:
            raise PayloadTooLarge(f"The file has {declared} bytes; at most {MOST_BYTES} are kept.")
        if self._under_way >= self._uploads:
            raise Overloaded(f"{self._uploads} uploads are under way, which is the bound.", retry_after_ms=1000)
        self._under_way += 1
        try:
            info = await self._files.receive(visit.principal.agent, media_type, request.content.iter_any())
        finally:
            self._under_way -= 1
        return json_response(_shown(info), 201, {"Location": f"/v1/files/{info.id}"})

    async def download(self, visit: Visit) -> web.StreamResponse:
        """Answer `GET /v1/files/{id}`. Never shown inline by a browser: the content is a stranger's."""
        check_parameters(visit.request, ())
        info = await self._files.info(visit.principal.agent, visit.request.match_info["id"])
        response = web.StreamResponse(
            headers={
                "Content-Type": info.media_type,
                "Content-Length": str(info.size),
                "Content-Disposition": "attachment",
                "X-Content-Type-Options": "nosniff",
                "Digest": f"sha-256={info.sha256}",
                "Gatehouse-Trace": visit.trace.id,
                **visit.headers(),
            }
        )
        await response.prepare(visit.request)
        async for part in self._files.parts(info):
            await response.write(part)
        await response.write_eof()
        return response


def _shown(info: FileInfo) -> dict[str, object]:
    return {
        "id": info.id,
        "file": info.id,
        "media_type": info.media_type,
        "size": info.size,
        "sha256": info.sha256,
        "expires_at": info.expires_at,
    }
