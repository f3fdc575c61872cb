"""A gateway in this process whose connector has as many actions as are asked for, and a client of its lists."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from pydantic import Field

from bench.speed.home import install
from connectors.sdk import Account, Connector, Effect, Input, Output, Resource, StaticToken, Upstream
from gateway.app import Gateway
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.telemetry import Telemetry

_REPEATS = 40
REVISION = "2026-07-28"


class _Wanted(Input):
    """Which record to read."""

    account: str = Field(min_length=1, max_length=100, description="Name of the account that holds the record.")
    number: int = Field(ge=1, description="Number of the record in its account.")
    fields: list[str] = Field(default_factory=list[str], max_length=20, description="Members to read; all without it.")


class _Found(Output):
    """A record, cut down to what an agent acts on."""

    number: int
    title: str
    state: str
    labels: list[str] = Field(default_factory=list[str])
    url: str = ""


def wide_connector(actions: int) -> Connector:
    """Return a connector named `github`, so that the grants of a measured installation cover it."""
    made = Connector(
        id="github",
        title="Wide",
        version="1",
        base_url="https://api.github.com",
        hosts=["api.github.com"],
        auth=[StaticToken()],
        scopes={"github:issue:read": "Read records", "github:issue:write": "Write records"},
        account=_account,
    )
    resource = Resource("{account}", canonical=str.lower)
    for number in range(actions):

        async def read(api: Upstream, what: _Wanted) -> _Found:
            """Read one record of this kind by its number: title, state and labels."""
            return api.read(_Found, await api.get("/records/{account}/{number}", what))

        made.action(
            f"kind_{number:05}.get",
            scopes={"github:issue:read"},
            effect=Effect.READ,
            resource=resource,
            vendor_scopes={"repo"},
        )(read)
    return made


async def _account(api: Upstream, method: str) -> Account:
    """Nobody asks."""
    del api, method
    return Account("1", "measured")


class Client:
    """Asks for lists as a client of 2026-07-28 does."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self._session = session
        self._url = url
        self._key = key

    async def tools(self, mode: str) -> bytes:
        """Return the answer to `tools/list`, as it came."""
        headers = {
            "authorization": f"Bearer {self._key}",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": REVISION,
            "mcp-method": "tools/list",
        }
        body = orjson.dumps(message("tools/list", {}))
        async with self._session.post(f"{self._url}/mcp?tools={mode}", data=body, headers=headers) as answer:
            raw = await answer.read()
            assert answer.status == 200, raw[:500]
            return raw


def message(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return a request of 2026-07-28."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}


@asynccontextmanager
async def wide(actions: int) -> AsyncGenerator[Client]:
    """Give a client of a gateway with so many granted actions."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        installed = await asyncio.to_thread(install, Path(folder) / "home", "https://api.github.com")
        settings = Settings(home=installed.home, port=0, metrics_port=0, log_level="error")
        registry = Registry([wide_connector(actions)])
        gateway = Gateway(settings, registry=registry, telemetry=Telemetry(ratio=0, exporter=None))
        await gateway.start()
        try:
            async with aiohttp.ClientSession() as session:
                yield Client(session, gateway.url, installed.keys[0])
        finally:
            await gateway.stop()


async def listed(actions: int, mode: str) -> dict[str, float]:
    """Return what lists of so many tools take: the first and the later ones in milliseconds, and their size."""
    async with wide(actions) as client:
        taken: list[float] = []
        raw = b""
        for _ in range(_REPEATS + 1):
            began = time.perf_counter()
            raw = await client.tools(mode)
            taken.append((time.perf_counter() - began) * 1000)
        tools = orjson.loads(raw)["result"]["tools"]
        later = taken[1:]
        return {
            "actions": actions,
            "tools": len(tools),
            "kib": round(len(raw) / 1024, 1),
            "first_ms": round(taken[0], 2),
            "later_ms": round(statistics.median(later), 2),
            "later_ms_min": round(min(later), 2),
            "later_ms_max": round(max(later), 2),
            "tokens": tokens(orjson.dumps(tools).decode()) if mode == "discover" else 0,
        }


def tokens(text: str) -> int:
    """Count tokens by the vocabulary o200k, which current models of OpenAI read."""
    from bpe_openai import get_encoding

    return len(get_encoding("o200k_base").encode(text))
