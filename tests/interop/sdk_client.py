"""The official Python SDK's client, as a program of its own: lists tools, calls one twice, and prints what it got.

    sdk_client.py URL KEY MODE TOOL ARGUMENTS

MODE is `auto`, `legacy` or a revision. Runs in the environment of requirements/interop.txt.
"""

import asyncio
import json
import sys
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, key: str, mode: str, tool: str, arguments: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(url, http_client=http)
        told: list[float] = []

        async def heard(progress: float, total: float | None, message: str | None) -> None:
            told.append(progress)

        async with Client(transport, mode=mode) as client:
            tools = (await client.list_tools()).tools
            results: list[Any] = [
                await client.call_tool(tool, json.loads(arguments), progress_callback=heard) for _ in range(2)
            ]
            shown = {
                "revision": client.protocol_version,
                "server": client.server_info.name if client.server_info else None,
                "tools": [one.name for one in tools],
                "results": [result.model_dump(mode="json", by_alias=True) for result in results],
                "progress": told,
            }
    sys.stdout.write(json.dumps(shown))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
