"""The sandbox: a gateway on loopback with vendor simulators beside it, seeded so that a call works at once.

A simulator is a process of its own, as a vendor would be: it outlives a crash of the gateway, and a gateway that
comes back within some minutes finds it again, with its record of what was applied.
"""

import asyncio
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
from credentials import Where, check_fields
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from gateway.app import Gateway
from gateway.clock import stamp
from gateway.ids import new_id
from gateway.installation import Home, NotSetUp, read_meta, set_up
from gateway.settings import Settings

TENANT, ENVIRONMENT, AGENT = "sandbox", "dev", "try-me"
_LINGER_SECONDS = 300
_KEEPALIVE_SECONDS = 30
_ACCOUNTS: Mapping[str, Mapping[str, str]] = {"github": {"token": "ghp_sandbox"}}


@dataclass(frozen=True, slots=True)
class Simulated:
    """A running simulator. `process` is None where an earlier gateway started it."""

    name: str
    url: str
    pid: int
    process: asyncio.subprocess.Process | None = None


def sandbox_settings(settings: Settings) -> Settings:
    """Return the settings of a sandbox: loopback only, plain http to simulators, limits out of the way."""
    return settings.model_copy(
        update={
            "host": "127.0.0.1",
            "metrics_host": "127.0.0.1",
            "opened_networks": ["127.0.0.0/8", "::1/128"],
            "intake_per_second": 100_000,
            "agent_per_minute": 6_000_000,
            "writes_per_minute": 6_000_000,
            "connection_per_minute": 6_000_000,
            "tenant_per_minute": 6_000_000,
        }
    )


def prepare(settings: Settings, home: Home) -> None:
    """Set the sandbox up where it is not, and refuse a ledger that is no sandbox's. Raises `NotSetUp`."""
    if not home.ledger.exists():
        set_up(settings, home, sandbox=True)
    kind = read_meta(home).get("kind")
    if kind != "sandbox":
        raise NotSetUp(f"{home.path} holds a {kind} installation; a sandbox needs a folder of its own (GATEHOUSE_HOME)")


class Simulators:
    """Starts the simulators, keeps them alive, and ends those that this process started."""

    def __init__(self, home: Home, names: Sequence[str]) -> None:
        self._file = home.path / "simulators.json"
        self._log = home.path / "simulators.log"
        self._names = names
        self.running: list[Simulated] = []

    async def start(self) -> Mapping[str, str]:
        """Return the root URL of each simulator, started or found again."""
        before = _read(self._file)
        for name in self._names:
            self.running.append(
                await self._found(name, before.get(name)) or await self._started(name, before.get(name))
            )
        self._file.write_bytes(orjson.dumps({s.name: {"url": s.url, "pid": s.pid} for s in self.running}))
        return {simulated.name: simulated.url for simulated in self.running}

    async def keep_alive(self) -> None:
        """Tell the simulators that the gateway lives, until cancelled."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            while True:
                for simulated in self.running:
                    try:
                        await client.post(f"{simulated.url}/_sim/keepalive")
                    except httpx.HTTPError:
                        continue
                await asyncio.sleep(_KEEPALIVE_SECONDS)

    async def stop(self) -> None:
        """End the simulators, also those found again: their gateway stops now."""
        for simulated in self.running:
            if simulated.process is not None:
                simulated.process.terminate()
                await simulated.process.wait()
            else:
                _terminate(simulated.pid)
        self._file.unlink(missing_ok=True)

    async def _found(self, name: str, before: Mapping[str, Any] | None) -> Simulated | None:
        if before is None:
            return None
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
                answer = await client.post(f"{before['url']}/_sim/keepalive")
        except httpx.HTTPError:
            return None
        return Simulated(name, str(before["url"]), int(before["pid"])) if answer.status_code == 200 else None

    async def _started(self, name: str, before: Mapping[str, Any] | None) -> Simulated:
        port = str(before["url"]).rpartition(":")[2] if before is not None else "0"
        try:
            return await self._spawn(name, port)
        except RuntimeError:
            return await self._spawn(name, "0")

    async def _spawn(self, name: str, port: str) -> Simulated:
        command = (
            sys.executable,
            "-m",
            "connectors.sdk.simulate",
            name,
            "--port",
            port,
            "--linger",
            str(_LINGER_SECONDS),
        )
        with self._log.open("ab") as log:
            # A session of its own: the terminal's interrupt is for the gateway, which then ends its simulators.
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            await process.wait()
            raise RuntimeError(f"the {name} simulator did not start; {self._log} says why")
        said = orjson.loads(line)
        return Simulated(name, said["url"], int(said["pid"]), process)


async def seed(gateway: Gateway, home: Home, simulators: Mapping[str, str]) -> dict[str, Any]:
    """Make the tenant, the agent, its key, the connections and the grants; return how to try them.

    What an earlier start made is used again; a lost `sandbox.json` gets new keys.
    """
    known = _read(home.sandbox)
    made = await gateway.database.read(_seeded)
    if not made:
        await _make_tenant(gateway)
    connections = {name: await _connect(gateway, name, url) for name, url in simulators.items()}
    agent_key = known.get("agent_key") if made else None
    admin_token = known.get("admin_token") if made else None
    if not (isinstance(agent_key, str) and isinstance(admin_token, str)):
        agent_key, admin_token = await _make_keys(gateway)
    await gateway.directory.refresh()
    return {
        "url": gateway.url,
        "metrics_url": gateway.metrics_url,
        "agent_key": agent_key,
        "admin_token": admin_token,
        "tenant": TENANT,
        "environment": ENVIRONMENT,
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
    now = stamp(gateway.control.clock.now())
    wrapped = gateway.bodies.new_key(TENANT)
    agent = new_id("agt")

    def job(rows: Rows) -> None:
        rows.execute(
            text("INSERT INTO tenants (id, title, domains, version, created_at) VALUES (:t, 'Sandbox', '[]', 1, :at)"),
            {"t": TENANT, "at": now},
        )
        rows.execute(
            text(
                "INSERT INTO environments (tenant, environment, title, version, created_at)"
                " VALUES (:t, :e, 'Development', 1, :at)"
            ),
            {"t": TENANT, "e": ENVIRONMENT, "at": now},
        )
        rows.execute(
            text("INSERT INTO data_keys (tenant, number, wrapped, created_at) VALUES (:t, 1, :w, :at)"),
            {"t": TENANT, "w": wrapped, "at": now},
        )
        rows.execute(
            text(
                "INSERT INTO agents (id, tenant, environment, name, description, limits, version, created_at)"
                " VALUES (:id, :t, :e, :n, 'The agent of the quick start', '{}', 1, :at)"
            ),
            {"id": agent, "t": TENANT, "e": ENVIRONMENT, "n": AGENT, "at": now},
        )

    await gateway.database.write(job)


async def _connect(gateway: Gateway, name: str, url: str) -> str:
    """Make the connection and the grant of a simulator, or point the one there is at its address of today."""
    connection_name = f"{name}/main"
    found = await gateway.database.read(lambda rows: _connection(rows, connection_name))
    if found is not None:
        id, base_url = found
        if base_url != url:
            await gateway.database.write(
                lambda rows: (
                    rows.execute(
                        text("UPDATE connections SET base_url=:u, version=version+1 WHERE id=:id"), {"u": url, "id": id}
                    ).rowcount
                )
            )
        return connection_name
    connector = gateway.registry.connectors[name]
    id, now = new_id("conn"), stamp(gateway.control.clock.now())
    credential = check_fields(connector.auth["token"], _ACCOUNTS[name])
    await gateway.store.put(Where(TENANT, ENVIRONMENT, id), credential, expected=0)
    values = {
        "id": id,
        "t": TENANT,
        "e": ENVIRONMENT,
        "c": name,
        "n": connection_name,
        "u": url,
        "at": now,
        "grant": new_id("grt"),
        "patterns": orjson.dumps([f"{name}:*:*"]).decode(),
        "scopes": orjson.dumps(sorted(connector.scopes)).decode(),
        "agent": AGENT,
    }
    await gateway.database.write(lambda rows: _insert_connection(rows, values))
    account = await _account(gateway, id)
    await gateway.database.write(
        lambda rows: (
            rows.execute(
                text("UPDATE connections SET account=:a, account_label=:l, health='healthy' WHERE id=:id"),
                account | {"id": id},
            ).rowcount
        )
    )
    return connection_name


def _insert_connection(rows: Rows, values: Mapping[str, Any]) -> None:
    rows.execute(
        text(
            "INSERT INTO connections (id, tenant, environment, connector, name, method, base_url, health, version,"
            " created_at) VALUES (:id, :t, :e, :c, :n, 'token', :u, 'untested', 1, :at)"
        ),
        values,
    )
    rows.execute(
        text(
            "INSERT INTO grants (id, tenant, environment, agent, connection, patterns, scopes, constraints, autonomy,"
            " idempotency, idempotency_days, version, created_at) SELECT :grant, :t, :e, id, :id, :patterns, :scopes,"
            " '{}', 'auto', 'required', 1, 1, :at FROM agents WHERE tenant=:t AND environment=:e AND name=:agent"
        ),
        values,
    )


async def _account(gateway: Gateway, id: str) -> dict[str, Any]:
    from gateway.admin.directory import read_connection

    row = await gateway.database.read(
        lambda rows: rows.execute(text("SELECT * FROM connections WHERE id=:id"), {"id": id}).mappings().one()
    )
    account = await gateway.prober.account(read_connection(row))
    return {"a": account.id, "l": account.label}


async def _make_keys(gateway: Gateway) -> tuple[str, str]:
    key, token = new_id("key"), new_id("tok")
    key_secret, token_secret = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    values = {
        "t": TENANT,
        "e": ENVIRONMENT,
        "agent": AGENT,
        "key": key,
        "key_digest": gateway.directory.digest(key_secret),
        "token": token,
        "token_digest": gateway.directory.digest(token_secret),
        "at": stamp(gateway.control.clock.now()),
    }

    def job(rows: Rows) -> None:
        rows.execute(
            text(
                "INSERT INTO agent_keys (id, tenant, environment, agent, digest, cidrs, version, created_at)"
                " SELECT :key, :t, :e, id, :key_digest, '[]', 1, :at FROM agents"
                " WHERE tenant=:t AND environment=:e AND name=:agent"
            ),
            values,
        )
        rows.execute(
            text(
                "INSERT INTO admin_tokens (id, tenant, environment, name, role, digest, version, created_at)"
                " VALUES (:token, :t, NULL, 'sandbox owner', 'owner', :token_digest, 1, :at)"
            ),
            values,
        )

    await gateway.database.write(job)
    return f"ghk_{key.removeprefix('key_')}_{key_secret}", f"gha_{token.removeprefix('tok_')}_{token_secret}"


def _seeded(rows: Rows) -> bool:
    return rows.execute(text("SELECT 1 FROM tenants WHERE id=:t"), {"t": TENANT}).scalar() is not None


def _connection(rows: Rows, name: str) -> tuple[str, str] | None:
    row = rows.execute(
        text(
            "SELECT id, base_url FROM connections WHERE tenant=:t AND environment=:e AND name=:n AND deleted_at IS NULL"
        ),
        {"t": TENANT, "e": ENVIRONMENT, "n": name},
    ).first()
    return (row[0], row[1]) if row is not None else None


def _read(path: Path) -> dict[str, Any]:
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _terminate(pid: int) -> None:
    """End a simulator that an earlier gateway started, if the id is still one."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"connectors.sdk.simulate" in command:
            os.kill(pid, 15)
    except OSError:
        return


__all__ = ["Simulators", "how_to_try", "prepare", "sandbox_settings", "seed", "write_private"]
