"""A production installation made for measuring: tenants' rows and credentials are real, and put in as one batch."""

import asyncio
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
from credentials import EmbeddedStore, Where, check_fields

from connectors.github import github
from gateway.admin.directory import digest_of
from gateway.clock import SystemClock, stamp
from gateway.ids import new_id
from gateway.installation import Derived, Home, load_master_key, set_up
from gateway.ledger.wrapping import MasterKeyWrapper
from gateway.settings import Settings

TENANT, ENVIRONMENT = "bench", "prod"
_SHOWN_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Installation:
    """A home, and keys of agents in it."""

    home: Path
    keys: tuple[str, ...]


def install(path: Path, upstream: str, *, agents: int = 1, grants_each: int = 1) -> Installation:
    """Set up a home whose agents may all call GitHub at `upstream`, each by `grants_each` grants."""
    settings, home = Settings(home=path), Home(path)
    asyncio.run(set_up(settings, home, sandbox=False))
    master = load_master_key(settings, home)
    derived = Derived.of(master)
    connection = new_id("conn")
    asyncio.run(_keep_credential(home, EmbeddedStore(home.credentials, master), connection))
    made = [(new_id("agt"), new_id("key"), secrets.token_urlsafe(32)) for _ in range(agents)]
    raw = sqlite3.connect(home.ledger)
    try:
        _fill(raw, derived, connection, upstream, made, grants_each)
        raw.commit()
    finally:
        raw.close()
    shown = made[:: max(1, len(made) // _SHOWN_KEYS)][:_SHOWN_KEYS]
    return Installation(path, tuple(f"ghk_{key.removeprefix('key_')}_{secret}" for _, key, secret in shown))


async def _keep_credential(home: Home, store: EmbeddedStore, connection: str) -> None:
    await store.open()
    try:
        credential = check_fields(github.auth["token"], {"token": "ghp_measured"})
        await store.put(Where(TENANT, ENVIRONMENT, connection), credential, expected=0)
    finally:
        await store.close()


def _fill(
    raw: sqlite3.Connection,
    derived: Derived,
    connection: str,
    upstream: str,
    made: list[tuple[str, str, str]],
    grants_each: int,
) -> None:
    at = stamp(SystemClock().now())
    place = (TENANT, ENVIRONMENT)
    wrapped = asyncio.run(MasterKeyWrapper(derived.bodies).new(TENANT, 1)).wrapped
    _insert(raw, "tenants", "id, title, domains, version, created_at", [(TENANT, "Bench", "[]", 1, at)])
    _insert(raw, "environments", "tenant, environment, title, version, created_at", [(*place, "Bench", 1, at)])
    _insert(raw, "data_keys", "tenant, number, wrapped, created_at", [(TENANT, 1, wrapped, at)])
    agents = [(id, *place, f"agent-{n}", "", "{}", 1, at) for n, (id, _, _) in enumerate(made)]
    _insert(raw, "agents", "id, tenant, environment, name, description, limits, version, created_at", agents)
    keys = [(key, *place, id, digest_of(derived.credentials_digest, secret), "[]", 1, at) for id, key, secret in made]
    _insert(raw, "agent_keys", "id, tenant, environment, agent, digest, cidrs, version, created_at", keys)
    columns = "id, tenant, environment, connector, name, method, base_url, account, health, version, created_at"
    values = (connection, *place, "github", "github/main", "token", upstream, "1", "healthy", 1, at)
    _insert(raw, "connections", columns, [values])
    columns = (
        "id, tenant, environment, agent, connection, patterns, scopes, constraints, autonomy, idempotency,"
        " idempotency_days, version, created_at"
    )
    _insert(raw, "grants", columns, _grants(made, connection, grants_each, at))


def _grants(made: list[tuple[str, str, str]], connection: str, each: int, at: str) -> Iterator[tuple[object, ...]]:
    """Give every agent what it needs by its first grant, and further ones for other repositories."""
    patterns = orjson.dumps(["github:issue:*"]).decode()
    scopes = orjson.dumps(sorted(scope for scope in github.scopes if scope.startswith("github:issue:"))).decode()
    for id, _, _ in made:
        for number in range(each):
            bounds = "{}" if number == 0 else orjson.dumps({"resources": [f"acme/other-{number}"]}).decode()
            yield (
                *(new_id("grt"), TENANT, ENVIRONMENT, id, connection, patterns, scopes, bounds),
                *("auto", "required", 1, 1, at),
            )


def _insert(raw: sqlite3.Connection, table: str, columns: str, rows: object) -> None:
    marks = ",".join("?" * len(columns.split(",")))
    raw.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # type: ignore[arg-type]
