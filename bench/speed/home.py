"""A production installation made for measuring: tenants' rows and credentials are real, and put in as one batch."""

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from credentials import CredentialStore, EmbeddedStore, MasterKey, Where, check_fields
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.github import github
from gateway.admin.directory import digest_of
from gateway.clock import SystemClock, stamp
from gateway.ids import new_id
from gateway.installation import Derived, Home, ledger_of, load_master_key, set_up
from gateway.ledger.wrapping import MasterKeyWrapper
from gateway.settings import Settings
from gateway.vault import vault_of

TENANT, ENVIRONMENT = "bench", "prod"
_SHOWN_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Installation:
    """A home, and keys of agents in it."""

    home: Path
    keys: tuple[str, ...]


def install(
    path: Path, upstream: str, *, agents: int = 1, grants_each: int = 1, more: Mapping[str, Any] | None = None
) -> Installation:
    """Set up a home whose agents may all call GitHub at `upstream`, each by `grants_each` grants.

    `more` are settings that name servers: a database, a Vault.
    """
    settings, home = Settings(home=path, **(more or {})), Home(path)
    asyncio.run(set_up(settings, home, sandbox=False))
    master = load_master_key(settings, home)
    derived = Derived.of(master)
    connection = new_id("conn")
    asyncio.run(_keep_credential(settings, home, master, connection))
    made = [(new_id("agt"), new_id("key"), secrets.token_urlsafe(32)) for _ in range(agents)]
    wrapped = asyncio.run(MasterKeyWrapper(derived.bodies).new(TENANT, 1)).wrapped
    asyncio.run(
        ledger_of(settings, home).run(
            lambda rows: _fill(rows, derived, wrapped, connection, upstream, made, grants_each)
        )
    )
    shown = made[:: max(1, len(made) // _SHOWN_KEYS)][:_SHOWN_KEYS]
    return Installation(path, tuple(f"ghk_{key.removeprefix('key_')}_{secret}" for _, key, secret in shown))


async def _keep_credential(settings: Settings, home: Home, master: MasterKey, connection: str) -> None:
    vault = vault_of(settings)
    store: CredentialStore = vault.store if vault is not None else EmbeddedStore(home.credentials, master)
    await store.open()
    try:
        credential = check_fields(github.auth["token"], {"token": "ghp_measured"})
        await store.put(Where(TENANT, ENVIRONMENT, connection), credential, expected=0)
    finally:
        await store.close()


def _fill(
    rows: Rows,
    derived: Derived,
    wrapped: bytes,
    connection: str,
    upstream: str,
    made: list[tuple[str, str, str]],
    grants_each: int,
) -> None:
    at = stamp(SystemClock().now())
    place = (TENANT, ENVIRONMENT)
    _insert(rows, "tenants", "id, title, domains, version, created_at", [(TENANT, "Bench", "[]", 1, at)])
    _insert(rows, "environments", "tenant, environment, title, version, created_at", [(*place, "Bench", 1, at)])
    _insert(rows, "data_keys", "tenant, number, wrapped, created_at", [(TENANT, 1, wrapped, at)])
    agents = [(id, *place, f"agent-{n}", "", "{}", 1, at) for n, (id, _, _) in enumerate(made)]
    _insert(rows, "agents", "id, tenant, environment, name, description, limits, version, created_at", agents)
    keys = [(key, *place, id, digest_of(derived.credentials_digest, secret), "[]", 1, at) for id, key, secret in made]
    _insert(rows, "agent_keys", "id, tenant, environment, agent, digest, cidrs, version, created_at", keys)
    columns = "id, tenant, environment, connector, name, method, base_url, account, health, version, created_at"
    values = (connection, *place, "github", "github/main", "token", upstream, "1", "healthy", 1, at)
    _insert(rows, "connections", columns, [values])
    columns = (
        "id, tenant, environment, agent, connection, patterns, scopes, constraints, autonomy, idempotency,"
        " idempotency_days, version, created_at"
    )
    _insert(rows, "grants", columns, _grants(made, connection, grants_each, at))


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


def _insert(rows: Rows, table: str, columns: str, values: Iterable[tuple[object, ...]]) -> None:
    names = [name.strip() for name in columns.split(",")]
    statement = text(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(':' + name for name in names)})")
    rows.execute(statement, [dict(zip(names, row, strict=True)) for row in values])
