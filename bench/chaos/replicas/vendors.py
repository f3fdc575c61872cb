"""The four simulated vendors as processes: what they are told to break, and their records together."""

import asyncio
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from bench.chaos.replicas.servers import Server
from bench.chaos.vendor import Seen, Vendor
from connectors.sdk.simulate import find

NAMES = ("github", "jira", "zendesk", "salesforce")


class Vendors:
    """All of them. Their state lives as long as they do."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._servers = {
            name: Server((sys.executable, "-m", "connectors.sdk.simulate", name), folder / f"{name}.log")
            for name in NAMES
        }
        self.urls: dict[str, str] = {}
        self.each: dict[str, Vendor] = {}

    async def start(self) -> None:
        """Start them, seeded."""
        told = await asyncio.gather(*(server.start(told=True) for server in self._servers.values()))
        self.urls = {name: one["url"] for name, one in zip(self._servers, told, strict=True)}
        self.each = {name: Vendor(self._session, url, name, _authorization(name)) for name, url in self.urls.items()}

    async def stop(self) -> None:
        """End them."""
        await asyncio.gather(*(server.end() for server in self._servers.values()))

    async def break_with(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Set the same faults at all of them."""
        await asyncio.gather(*(vendor.break_with(faults) for vendor in self.each.values()))

    async def mend(self) -> None:
        """Take all faults away."""
        await asyncio.gather(*(vendor.mend() for vendor in self.each.values()))

    async def applied(self) -> list[Seen]:
        """Return every effect so far, at any of them."""
        found = await asyncio.gather(*(vendor.applied() for vendor in self.each.values()))
        return [seen for one in found for seen in one]

    async def received(self) -> list[Seen]:
        """Return every request so far, at any of them."""
        found = await asyncio.gather(*(vendor.received() for vendor in self.each.values()))
        return [seen for one in found for seen in one]


def credential_of(name: str) -> Mapping[str, str]:
    """Return the credential that a simulator knows."""
    return find(name).credential


def method_of(name: str) -> str:
    """Return how that credential proves itself."""
    return find(name).method


def _authorization(name: str) -> str:
    given = credential_of(name)
    if "username" in given:
        return "Basic " + b64encode(f"{given['username']}:{given['token']}".encode()).decode()
    return f"Bearer {given['token']}"
