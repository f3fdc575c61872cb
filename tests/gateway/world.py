"""A whole gateway on loopback, two simulated vendors, and rows for tenants, agents, keys, connections and grants.

Waits of the gateway take no time (its clock moves instead). `crash` drops the gateway as a kill would: nothing that
was under way is settled; `start` puts a new one over the same home.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientSession
from credentials import Where, check_fields
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.github import github
from connectors.github.simulator import GitHubSimulator, OAuthApp
from gateway.app import Gateway
from gateway.approvals import Approval
from gateway.clock import stamp
from gateway.ids import new_id
from gateway.installation import Home, ledger_of, set_up
from gateway.keys import opened_keys
from gateway.ledger.verify import Report, verify, verify_file
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.telemetry import Telemetry
from gateway.upstream.transport import AiohttpTransport
from tests.gateway import postgres
from tests.gateway.caller import Caller
from tests.gateway.clock import MovableClock
from tests.gateway.toy import toy_connector
from tests.gateway.toyshop import Toyshop
from tests.gateway.valve import Valve

TOKENS = {"github": "ghp_sandbox", "toy": "toy-token-9d81c2"}
ALL = ("*:*:*",)


def settings_for(home: Path, **more: Any) -> Settings:
    given: dict[str, Any] = {
        "home": home,
        "port": 0,
        "metrics_port": 0,
        "opened_networks": ["127.0.0.0/8"],
        "intake_per_second": 100_000,
        "drain_seconds": 0,
        "trace_ratio": 0,
    }
    return Settings(**(given | more))


async def fresh_home(path: Path) -> str | None:
    """Set up an installation, and return the database that is the template of its copies, where there is one."""
    if not postgres.ON_POSTGRES:
        await set_up(settings_for(path), Home(path), sandbox=False)
        return None
    name = await postgres.create()
    await set_up(settings_for(path, database_url=postgres.url_of(name)), Home(path), sandbox=False)
    (path / "template").write_text(name)
    return name


def template_of(path: Path) -> str:
    """Return the database that a copied home goes with."""
    return (path / "template").read_text()


@dataclass(frozen=True)
class Link:
    """A connection as it was seeded."""

    id: str
    name: str
    connector: str
    tenant: str
    environment: str


class World:
    """Everything a test of the gateway needs."""

    def __init__(self, home: Path, *, telemetry: Telemetry | None = None, **settings: Any) -> None:
        self.settings = settings_for(home, **settings)
        self.home = Home(home)
        self.clock = MovableClock()
        self.registry = Registry([github, toy_connector()])
        self.github = GitHubSimulator(clock=lambda: self.clock.now().timestamp())
        self.toy = Toyshop(clock=lambda: self.clock.now().timestamp())
        self.telemetry = telemetry
        self.callers: type[Caller] = Caller
        self.database: str | None = None
        self.gateway: Gateway
        self.valve: Valve
        self._places: set[tuple[str, str]] = set()

    async def open(self) -> None:
        """Start the vendors and the gateway."""
        self.session = ClientSession()
        if postgres.ON_POSTGRES:
            self.database = await postgres.create(template_of(self.home.path))
            self.settings = self.settings.model_copy(update={"database_url": postgres.url_of(self.database)})
        await self.github.start()
        await self.toy.start()
        await self.start()

    async def start(self) -> None:
        """Start a gateway over the home."""
        self.valve = Valve(AiohttpTransport(opened=self.settings.opened()))
        self.gateway = Gateway(
            self.settings,
            clock=self.clock,
            registry=self.registry,
            transport=self.valve,
            telemetry=self.telemetry,
            sleep=self.clock.sleep,
        )
        if self.database is not None:
            # There is one gateway here, and on a busy machine its loop may stand still for longer than replicas may.
            self.gateway.freshness._alone = True
        await self.gateway.start()

    @asynccontextmanager
    async def beside(self) -> AsyncGenerator[Gateway]:
        """Run a second gateway over the same PostgreSQL, whose writer is newer than the first one's."""
        other = Gateway(
            self.settings,
            clock=self.clock,
            registry=self.registry,
            telemetry=Telemetry(ratio=0, exporter=None),
            sleep=self.clock.sleep,
        )
        # Both share one loop, which on a busy machine may stand still for longer than replicas may.
        other.freshness._alone = True
        await other.start()
        try:
            yield other
        finally:
            await other.stop()

    async def stop(self) -> None:
        await self.gateway.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def crash(self) -> None:
        """Drop the gateway with all that is under way."""
        gateway = self.gateway
        tasks = list(gateway._tasks)
        for task in tasks:
            task.cancel()
        for runner in (gateway._runner, gateway._metrics_runner):
            assert runner is not None
            await runner.cleanup()
        for stop in self.valve.stops:
            stop.release()
        await self.valve.close()
        await gateway.tokens.close()
        await gateway.store.close()
        await gateway.database.close()

    async def close(self) -> None:
        await self.session.close()
        await self.gateway.stop()
        await self.github.stop()
        await self.toy.stop()
        if self.database is not None:
            await postgres.drop(self.database)

    async def place(self, tenant: str, environment: str, domains: Sequence[str] = ("acme.example",)) -> None:
        """Make a tenant and an environment where they are not there yet."""
        gateway, at = self.gateway, stamp(self.clock.now())
        new_tenant = tenant not in {known for known, _ in self._places}
        wrapped = (await gateway.data_keys.make(tenant))["wrapped"] if new_tenant else b""
        self._places.add((tenant, environment))

        def job(rows: Rows) -> None:
            values = {"t": tenant, "e": environment, "at": at, "w": wrapped, "d": orjson.dumps(domains).decode()}
            if new_tenant:
                _insert(rows, "tenants", {"id": tenant, "title": tenant, "domains": values["d"]}, at)
                rows.execute(
                    text("INSERT INTO data_keys (tenant, number, wrapped, created_at) VALUES (:t, 1, :w, :at)"), values
                )
            _insert(rows, "environments", {"tenant": tenant, "environment": environment, "title": environment}, at)

        await gateway.database.write(job)

    async def agent(
        self,
        name: str = "bot",
        *,
        tenant: str = "acme",
        environment: str = "prod",
        limits: Mapping[str, int] | None = None,
        cidrs: Sequence[str] = (),
        expires_at: datetime | None = None,
    ) -> Caller:
        """Make an agent with a key and no grant."""
        if (tenant, environment) not in self._places:
            await self.place(tenant, environment)
        id, key, secret = new_id("agt"), new_id("key"), secrets.token_urlsafe(32)
        at = stamp(self.clock.now())
        scope = {"tenant": tenant, "environment": environment}
        agent = {"id": id, **scope, "name": name, "description": "", "limits": orjson.dumps(limits or {}).decode()}
        row = {
            "id": key,
            **scope,
            "agent": id,
            "digest": self.gateway.directory.digest(secret),
            "cidrs": orjson.dumps(list(cidrs)).decode(),
            "expires_at": stamp(expires_at) if expires_at else None,
        }

        def job(rows: Rows) -> None:
            _insert(rows, "agents", agent, at)
            _insert(rows, "agent_keys", row, at)

        await self.change(job)
        bearer = f"ghk_{key.removeprefix('key_')}_{secret}"
        return self.callers(id, name, tenant, environment, key, bearer, self.session, self)

    async def connection(
        self,
        name: str = "github/main",
        *,
        tenant: str = "acme",
        environment: str = "prod",
        base_url: str | None = None,
        credential: Mapping[str, str] | None = None,
        method: str = "token",
        **columns: Any,
    ) -> Link:
        """Make a healthy connection to the simulator of the name's vendor."""
        if (tenant, environment) not in self._places:
            await self.place(tenant, environment)
        connector = name.partition("/")[0]
        id = new_id("conn")
        url = base_url or (self.github.url if connector == "github" else self.toy.url)
        fields = credential or {"token": TOKENS[connector]}
        checked = check_fields(self.registry.connectors[connector].auth[method], fields)
        await self.gateway.store.put(Where(tenant, environment, id), checked, expected=0)
        row = {
            "id": id,
            "tenant": tenant,
            "environment": environment,
            "connector": connector,
            "name": name,
            "method": method,
            "base_url": url,
            "account": "1003",
            "health": "healthy",
            **columns,
        }
        await self.change(lambda rows: _insert(rows, "connections", row, stamp(self.clock.now())))
        return Link(id, name, connector, tenant, environment)

    async def authorize(self, app: OAuthApp) -> dict[str, str]:
        """Have a user of the simulated GitHub authorize an app; return the credential."""
        self.github._oauth_apps[app.client_id] = app
        query = {"client_id": app.client_id, "redirect_uri": "http://127.0.0.1/back", "scope": "repo"}
        url = f"{self.github.url}/login/oauth"
        async with self.session.get(f"{url}/authorize", params=query, allow_redirects=False) as answer:
            code = answer.headers["Location"].rpartition("code=")[2]
        form = {"client_id": app.client_id, "client_secret": app.client_secret, "code": code}
        accept = {"Accept": "application/json"}
        async with self.session.post(f"{url}/access_token", data=form, headers=accept) as answer:
            given = await answer.json()
        self.github.received.clear()
        expires = self.clock.now() + timedelta(seconds=given["expires_in"])
        return {
            "access_token": given["access_token"],
            "refresh_token": given["refresh_token"],
            "expires_at": expires.isoformat(),
            "client_id": app.client_id,
            "client_secret": app.client_secret,
        }

    async def grant(
        self,
        agent: Caller,
        link: Link,
        *scopes: str,
        constraints: Mapping[str, Any] | None = None,
        autonomy: str = "auto",
        rollout: int | None = None,
        idempotency: str = "required",
        days: int = 1,
        expires_at: datetime | None = None,
    ) -> str:
        """Grant scopes (all of the connector where none are named) and return the grant's id."""
        known = sorted(self.registry.connectors[link.connector].scopes)
        id = new_id("grt")
        row = {
            "id": id,
            "tenant": agent.tenant,
            "environment": agent.environment,
            "agent": agent.id,
            "connection": link.id,
            "patterns": orjson.dumps(list(scopes) or [f"{link.connector}:*:*"]).decode(),
            "scopes": orjson.dumps(list(scopes) or known).decode(),
            "constraints": orjson.dumps(constraints or {}).decode(),
            "autonomy": autonomy,
            "rollout": rollout,
            "idempotency": idempotency,
            "idempotency_days": days,
            "expires_at": stamp(expires_at) if expires_at else None,
        }
        await self.change(lambda rows: _insert(rows, "grants", row, stamp(self.clock.now())))
        return id

    async def caller(self, name: str = "bot", *, vendor: str = "toy", **terms: Any) -> Caller:
        """Make an agent, a connection of its own and a grant. `terms` are those of `grant`."""
        place = {key: terms.pop(key) for key in ("tenant", "environment") if key in terms}
        scopes = terms.pop("scopes", ())
        agent = await self.agent(name, limits=terms.pop("limits", None), **place)
        link = await self.connection(f"{vendor}/{name}", **place)
        await self.grant(agent, link, *scopes, **terms)
        return agent

    async def change(self, job: Any) -> None:
        """Change rows as the control plane does: everybody forgets what they remember."""
        await self.gateway.database.write(job)
        await self.gateway.directory.refresh()

    async def update(self, table: str, id: str, **columns: Any) -> None:
        """Change columns of one row, and its version."""
        names = ", ".join(f"{name}=:{name}" for name in columns)
        more = "" if table in {"calls", "approvals", "files"} else ", version=version+1"
        statement = text(f"UPDATE {table} SET {names}{more} WHERE id=:id")
        await self.change(lambda rows: rows.execute(statement, {"id": id, **columns}).rowcount)

    async def revoke(self, grant: str) -> None:
        await self.update("grants", grant, revoked_at=stamp(self.clock.now()))

    async def freeze(self, kind: str, target: str, *, tenant: str = "acme", environment: str = "prod") -> str:
        id = new_id("frz")
        row = {
            "id": id,
            "tenant": tenant,
            "environment": environment,
            "kind": kind,
            "target": target,
            "reason": "test",
            "created_by": "test",
        }
        await self.change(lambda rows: _insert(rows, "freezes", row, stamp(self.clock.now()), versioned=False))
        return id

    async def lift(self, freeze: str) -> None:
        now = stamp(self.clock.now())
        statement = text("UPDATE freezes SET lifted_at=:at WHERE id=:id")
        await self.change(lambda rows: rows.execute(statement, {"at": now, "id": freeze}).rowcount)

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        """Return what a query gives."""
        return await self.gateway.database.read(lambda rows: rows.execute(text(statement), values).fetchall())

    async def behind(self, statement: str, **values: Any) -> list[Any]:
        """Do something in the ledger while no gateway runs, and return its rows."""

        def job(rows: Rows) -> list[Any]:
            found = rows.execute(text(statement), values)
            return list(found.fetchall()) if found.returns_rows else []

        return await ledger_of(self.settings, self.home).run(job)

    async def events(self, **where: str) -> list[tuple[str, dict[str, Any]]]:
        """Return type and opened data of the chain's events, in order."""
        condition = " AND ".join(f"{name}=:{name}" for name in where) or "1=1"
        found = await self.rows(f"SELECT type, tenant, id, body FROM events WHERE {condition} ORDER BY seq", **where)
        return [(row[0], self.gateway.bodies.open(row[1], row[2], row[3])) for row in found]

    async def approval(self, call: str) -> Approval:
        found = await self.gateway.approvals.of_call(call)
        assert found is not None
        return found

    async def decide(self, call: str, *, approve: bool = True, comment: str | None = None) -> None:
        """Decide as the approval page does: take the decision, then let the queue act on it."""
        decided = await self.gateway.approvals.decide(
            await self.approval(call), approve=approve, by="tok_person", comment=comment, address="127.0.0.1"
        )
        if approve:
            self.gateway.queue.submit(call)
        else:
            await self.gateway.queue.deny(decided)

    def reached(self, vendor: str = "toy") -> list[str]:
        """Return what reached a vendor, as `METHOD path`."""
        simulator = self.toy if vendor == "toy" else self.github
        return [f"{received.method} {received.path}" for received in simulator.received]

    def applied(self, vendor: str = "toy") -> list[str]:
        """Return what was changed at a vendor, as `METHOD path`."""
        simulator = self.toy if vendor == "toy" else self.github
        return [f"{effect.method} {effect.path}" for effect in simulator.applied]

    async def verify(self) -> Report:
        """Check the ledger as the command does."""
        await self.gateway._checkpoints.sign()
        return await self.check()

    async def check(self) -> Report:
        """Check it as it is, whether or not a gateway runs."""
        bodies, kept = self.gateway.bodies, self.home.checkpoint
        async with opened_keys(self.settings, self.home) as keys:
            if self.database is None:
                return await asyncio.to_thread(verify_file, self.home.ledger, keys.signer, kept, bodies)
            ledger = ledger_of(self.settings, self.home)
            return await ledger.look(lambda rows: verify(rows, keys.signer, kept, bodies))


def _insert(rows: Rows, table: str, values: Mapping[str, Any], at: str, *, versioned: bool = True) -> None:
    given = {**values, "created_at": at} | ({"version": 1} if versioned else {})
    names = ", ".join(given)
    rows.execute(text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(':' + name for name in given)})"), given)
