"""A production installation for the replicas: set up by `gatehouse init`, filled over the admin API."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bench.chaos.replicas.servers import DidNotStart, Postgres, Redis, Vault
from bench.chaos.replicas.vendors import Vendors, credential_of, method_of

TENANT, ENVIRONMENT, AGENT = "chaos", "prod", "writer"
_PLACE = f"/v1/admin/tenants/{TENANT}/environments/{ENVIRONMENT}"
_LIMITS = ("AGENT_PER_MINUTE", "WRITES_PER_MINUTE", "CONNECTION_PER_MINUTE", "TENANT_PER_MINUTE")


def environment_of(home: Path, postgres: Postgres, redis: Redis, vault: Vault) -> dict[str, str]:
    """Return the environment of a replica, without its port. Limits are out of the way."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("GATEHOUSE_", "OTEL_"))}
    return {
        **mine,
        **vault.environment,
        "GATEHOUSE_HOME": str(home),
        "GATEHOUSE_DATABASE_URL": postgres.url,
        "GATEHOUSE_REDIS_URL": redis.url,
        "GATEHOUSE_OPENED_NETWORKS": "127.0.0.0/8",
        "GATEHOUSE_INTAKE_PER_SECOND": "100000",
        **{f"GATEHOUSE_{name}": "6000000" for name in _LIMITS},
    }


async def init(environment: Mapping[str, str]) -> str:
    """Set the installation up and return its operator token. Raises `DidNotStart`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "init", "--json"),
        env=dict(environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, wrong = await process.communicate()
    if process.returncode != 0:
        raise DidNotStart(f"gatehouse init: {wrong.decode()[-400:]}")
    return str(orjson.loads(said)["operator_token"])


async def fill(session: aiohttp.ClientSession, url: str, operator: str, vendors: Vendors) -> str:
    """Make the tenant, the agent, four connections with their grants, and return the agent's key."""
    door = _Door(session, url, operator)
    await door.make("/v1/admin/tenants", {"id": TENANT})
    await door.make(f"/v1/admin/tenants/{TENANT}/environments", {"id": ENVIRONMENT})
    token = await door.make("/v1/admin/tokens", {"name": "chaos", "role": "owner", "tenant": TENANT})
    door = _Door(session, url, token["token"])
    await door.make(f"{_PLACE}/agents", {"name": AGENT})
    for name, at in vendors.urls.items():
        connection = f"{name}/main"
        given = {
            "connector": name,
            "name": connection,
            "method": method_of(name),
            "credential": dict(credential_of(name)),
            "base_url": at,
        }
        await door.make(f"{_PLACE}/connections", {**given, "test": True})
        granted = {"agent": AGENT, "connection": connection, "scopes": [f"{name}:*:*"], "autonomy": "auto"}
        await door.make(f"{_PLACE}/grants", granted)
    key = await door.make(f"{_PLACE}/agents/{AGENT}/keys", {})
    return str(key["key"])


class _Door:
    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def make(self, path: str, wanted: Mapping[str, object]) -> Mapping[str, Any]:
        async with self._session.post(self._url + path, json=wanted, headers=self._headers) as answer:
            said = await answer.json(content_type=None)
            if answer.status not in {200, 201}:
                raise DidNotStart(f"POST {path}: {answer.status} {said}")
            return dict(said)
