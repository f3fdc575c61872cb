"""The sandbox: a gateway on loopback with vendor simulators beside it, seeded so that a call works at once."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from connectors.sdk.errors import NotFound
from connectors.sdk.simulate import find
from gateway.admin.agents import NewAgent
from gateway.admin.connections import ConnectionChange, NewConnection, Reconnection
from gateway.admin.grants import NewGrant
from gateway.admin.keys import NewKey
from gateway.admin.roles import Role
from gateway.admin.rows import Place
from gateway.admin.tenants import NewEnvironment, NewTenant
from gateway.admin.tokens import NewToken, at_start
from gateway.app import Gateway
from gateway.installation import Home, NotSetUp, read_meta, set_up
from gateway.settings import Settings
from gateway.simulators import read_json
from scopes.grant import Autonomy

TENANT, ENVIRONMENT, AGENT = "sandbox", "dev", "try-me"
PLACE = Place(TENANT, ENVIRONMENT)
BY = at_start("sandbox")


# All in the home: no server is asked, whatever the environment names.
EMBEDDED = {"database_url": None, "redis_url": None, "vault_addr": None}


def sandbox_settings(settings: Settings) -> Settings:
    """Return the settings of a sandbox: loopback only, plain http to simulators, limits out of the way."""
    return settings.model_copy(
        update={
            "host": "127.0.0.1",
            "metrics_host": "127.0.0.1",
            # A gateway beside the sandbox may hold the default; `sandbox.json` tells which port it became.
            "metrics_port": settings.metrics_port if "metrics_port" in settings.model_fields_set else 0,
            "drain_idle_seconds": 0,
            "opened_networks": ["127.0.0.0/8", "::1/128"],
            **EMBEDDED,
            "intake_per_second": 100_000,
            "agent_per_minute": 6_000_000,
            "writes_per_minute": 6_000_000,
            "connection_per_minute": 6_000_000,
            "tenant_per_minute": 6_000_000,
        }
    )


async def prepare(settings: Settings, home: Home) -> None:
    """Set the sandbox up where it is not, and refuse a ledger that is no sandbox's. Raises `NotSetUp`."""
    if not home.ledger.exists():
        await set_up(settings, home, sandbox=True)
    kind = (await read_meta(settings, home)).get("kind")
    if kind != "sandbox":
        raise NotSetUp(f"{home.path} holds a {kind} installation; a sandbox needs a folder of its own (GATEHOUSE_HOME)")


async def seed(gateway: Gateway, home: Home, simulators: Mapping[str, str]) -> dict[str, Any]:
    """Make the tenant, the agent, its key, the connections and the grants; return how to try them.

    What an earlier start made is used again; a lost `sandbox.json` gets new keys.
    """
    known = read_json(home.sandbox)
    await _make_tenant(gateway)
    connections = {name: await _connect(gateway, name, url) for name, url in simulators.items()}
    if not (isinstance(known.get("agent_key"), str) and isinstance(known.get("admin_token"), str)):
        known = await _make_keys(gateway)
    return {
        "url": gateway.url,
        "metrics_url": gateway.metrics_url,
        "agent_key": known["agent_key"],
        "admin_token": known["admin_token"],
        "tenant": PLACE.tenant,
        "environment": PLACE.environment,
        "connections": connections,
        "simulators": {name: {"url": url} for name, url in simulators.items()},
    }


def write_private(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file that only its owner can read."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
    fresh.replace(path)


def how_to_try(told: Mapping[str, Any]) -> str:
    """Return the three lines that show what this is."""
    url, key = told["url"], told["agent_key"]
    auth = f"-H 'Authorization: Bearer {key}'"
    issue = '{"owner":"acme","repo":"web","title":"Broken login","body":"Steps: ..."}'
    find = '{"q":"Broken login"}'
    return "\n".join(
        [
            f"Gatehouse sandbox: {url}   (agent key: {key})",
            "",
            "1. Create a GitHub issue, once, however often you repeat this line:",
            f"curl -s {url}/v1/actions/github.issue.create {auth} -H 'Idempotency-Key: try-1' --json '{issue}'",
            "2. Find it again:",
            f"curl -s {url}/v1/actions/github.issue.search {auth} --json '{find}'",
            "3. Show the run's timeline:",
            f"curl -s {url}/v1/runs/$(curl -s {url}/v1/actions/github.issue.create {auth} -H 'Idempotency-Key: try-1'"
            f" --json '{issue}' | grep -o 'run_[0-9a-z]*' | head -1) {auth}",
            "",
            "The same for programs is in .gatehouse/sandbox.json. Stop with Ctrl-C.",
        ]
    )


async def _make_tenant(gateway: Gateway) -> None:
    admin = gateway.admin
    try:
        await admin.agents.get(PLACE, AGENT)
    except NotFound:
        await admin.tenants.create(BY, NewTenant(id=PLACE.tenant, title="Sandbox"))
        await admin.tenants.create_environment(BY, PLACE.tenant, NewEnvironment(id=PLACE.environment))
        await admin.agents.create(PLACE, BY, NewAgent(name=AGENT, description="The agent of the quick start"))


async def _connect(gateway: Gateway, connector: str, url: str) -> str:
    """Make the connection and the grant of a simulator, or point the one there is at its address of today."""
    name, admin = f"{connector}/main", gateway.admin
    simulator = find(gateway.registry.connectors[connector].package + ".simulator")
    credential = dict(simulator.credential)
    try:
        found = await admin.connections.get(PLACE, name)
    except NotFound:
        wanted = NewConnection(
            connector=connector, name=name, method=simulator.method, credential=credential, base_url=url, test=True
        )
        await admin.connections.create(PLACE, BY, wanted)
        scopes = [f"{connector}:*:*"]
        await admin.grants.create(
            PLACE, BY, NewGrant(agent=AGENT, connection=name, scopes=scopes, autonomy=Autonomy.AUTO)
        )
        return name
    if found["base_url"] != url:
        await admin.connections.update(PLACE, BY, name, ConnectionChange(base_url=url), None)
        await admin.connections.reconnect(PLACE, BY, name, Reconnection(credential=credential), None)
    return name


async def _make_keys(gateway: Gateway) -> dict[str, Any]:
    key = await gateway.admin.keys.create(PLACE, BY, AGENT, NewKey())
    token = await gateway.admin.tokens.create(BY, NewToken(name="sandbox owner", role=Role.OWNER, tenant=PLACE.tenant))
    return {"agent_key": key["key"], "admin_token": token["token"]}
