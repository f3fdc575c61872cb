"""A whole gateway on loopback with the control plane's services, over a real ledger in a temporary folder."""

import asyncio
import itertools
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, ClientSession, web
from aiohttp.test_utils import TestServer

from gateway.admin.access_requests import AccessRequests
from gateway.admin.agents import Agents
from gateway.admin.audit import Audit
from gateway.admin.calls import Calls
from gateway.admin.connections import Connections
from gateway.admin.data_keys import DataKeys
from gateway.admin.decisions import Decisions
from gateway.admin.freezes import FreezeSwitch
from gateway.admin.grants import Grants
from gateway.admin.health import ConnectionHealth
from gateway.admin.keys import Keys
from gateway.admin.probing import Probing
from gateway.admin.records import Records
from gateway.admin.resolution import Resolver
from gateway.admin.rows import Place
from gateway.admin.tenants import NewEnvironment, NewTenant, Tenants
from gateway.admin.timelines import Timelines
from gateway.admin.tokens import AdminTokens, NewToken, at_start
from gateway.admin.usage import Usage
from gateway.app import Gateway
from gateway.http.admin import AdminDoor, Services
from gateway.http.approval_page import ApprovalPage
from gateway.http.edge import edge, sign_answer
from gateway.installation import Home, set_up
from gateway.limits import Policy
from gateway.registry import Registry
from gateway.settings import Settings
from tests.gateway.admin.desk import Desk, desk_connector

PLACE = Place("acme", "prod")
E = "/v1/admin/tenants/acme/environments/prod"
BY = at_start("tests")


class Clock:
    """Time of day that stands still until it is moved; monotonic time goes on."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 5, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


class Stage:
    """Everything a test of the control plane needs. Tenants: acme (dev, prod) and rival (prod)."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.desk = Desk()
        settings = Settings(
            home=folder, port=0, metrics_port=0, opened_networks=["127.0.0.0/8"], public_url=None, trace_ratio=0
        )
        home = Home(folder)
        self.first_token = set_up(settings, home, sandbox=False, clock=self.clock)
        self.gateway = Gateway(settings, clock=self.clock, registry=Registry([desk_connector()]))
        self.tokens: dict[str, str] = {}
        self.numbers = itertools.count()

    async def start(self) -> None:
        await self.desk.start()
        await self.gateway.start()
        self._wire()
        passing = edge(self.gateway.limiter, Policy("intake", 10_000, 1), (), self.gateway.telemetry.metrics)
        self.application = web.Application(middlewares=[passing])
        self.application.on_response_prepare.append(sign_answer)
        self.application.add_routes([*self.door.routes(), *self.page.routes()])
        self.server = TestServer(self.application, host="127.0.0.1")
        await self.server.start_server()
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.session = ClientSession()
        for tenant, environments in {"acme": ("dev", "prod"), "rival": ("prod",)}.items():
            await self.services.tenants.create(BY, NewTenant(id=tenant))
            for environment in environments:
                await self.services.tenants.create_environment(BY, tenant, NewEnvironment(id=environment))
        self.tokens["operator"] = self.first_token

    async def stop(self) -> None:
        await self.session.close()
        await self.server.close()
        await self.gateway.stop()
        await self.desk.stop()

    def _wire(self) -> None:
        g, clock = self.gateway, self.clock
        data_keys = DataKeys(g.database, g.bodies, clock)
        records = Records(g.bodies)
        grants = Grants(g.control, g.registry)
        probing = Probing(g.store, g.tokens, g.prober, g.freezes)
        self.services = Services(
            tokens=AdminTokens(g.control, g.directory, data_keys),
            tenants=Tenants(g.control, data_keys),
            agents=Agents(g.control, g.registry),
            keys=Keys(g.control, g.directory),
            connections=Connections(g.control, g.registry, g.store, g.tokens, probing, g.settings.opened()),
            grants=grants,
            access_requests=AccessRequests(g.control, grants),
            freezes=FreezeSwitch(g.control, g.registry),
            decisions=Decisions(g.database, g.approvals, g.queue, clock),
            calls=Calls(g.database, records),
            resolver=Resolver(g.database, g.bodies, g.looks, g.journal, g.registry, clock),
            timelines=Timelines(g.database, records),
            audit=Audit(g.database, records, self._verify),
            usage=Usage(g.database, records, g.quota),
        )
        self.health = ConnectionHealth(g.database, g.events, g.directory, clock)
        self.door = AdminDoor(self.services, g.cursors, clock)
        self.page = ApprovalPage(self.services.tokens, self.services.decisions, g.approvals, g.cursors, clock, None)

    async def _verify(self) -> Mapping[str, Any]:
        return {"ok": True, "events": self.gateway.database.head().count}

    async def token(self, role: str, tenant: str | None = "acme", environment: str | None = None) -> str:
        """Return a token of a role, the same one each time."""
        name = f"{role}/{tenant}/{environment}"
        if role == "operator":
            return self.first_token
        if name not in self.tokens:
            wanted = NewToken.model_validate({"name": name, "role": role, "tenant": tenant, "environment": environment})
            self.tokens[name] = (await self.services.tokens.create(BY, wanted))["token"]
        return self.tokens[name]

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str = "admin",
        tenant: str | None = "acme",
        environment: str | None = None,
        **headers: str,
    ) -> tuple[int, Any, ClientResponse]:
        """Ask the admin API. Paths that begin with `E/` are below acme's prod."""
        token = await self.token(role, tenant, environment)
        url = self.url + (E + path[1:] if path.startswith("E/") else path)
        given = {"Authorization": f"Bearer {token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with self.session.request(method, url, json=body, headers=given) as answer:
            return answer.status, await answer.json(content_type=None), answer

    async def connection(self, name: str = "desk/main", token: str = "token-of-ann", **more: Any) -> dict[str, Any]:
        wanted = {"connector": "desk", "name": name, "method": "token", "credential": {"token": token}}
        status, made, _ = await self.ask("POST", "E/connections", wanted | {"base_url": self.desk.url} | more)
        assert status == 201, made
        return dict(made)

    async def caller(self, **terms: Any) -> tuple[dict[str, Any], str]:
        """Return an agent with a grant on a connection, and its key."""
        await self.connection(token="token-of-ann-2")
        _, agent, _ = await self.ask("POST", "E/agents", {"name": "bot"})
        wanted = {"agent": "bot", "connection": "desk/main", "scopes": ["desk:*:*"]}
        status, granted, _ = await self.ask("POST", "E/grants", wanted | terms)
        assert status == 201, granted
        _, key, _ = await self.ask("POST", "E/agents/bot/keys", {})
        return agent, key["key"]

    async def call(self, key: str, action: str, body: object, idempotency: str | None = None) -> tuple[int, Any]:
        """Call an action as an agent, under a key of its own unless one is given."""
        idempotency = idempotency or f"k-{next(self.numbers)}"
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": idempotency}
        url = f"{self.gateway.url}/v1/actions/{action}"
        async with self.session.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def ended(self, key: str, call: str) -> Any:
        """Return a call once it has ended."""
        url = f"{self.gateway.url}/v1/calls/{call}?wait=10"
        async with self.session.get(url, headers={"Authorization": f"Bearer {key}"}) as answer:
            return await answer.json(content_type=None)

    async def events(self, what: str) -> list[dict[str, Any]]:
        """Return the admin events of a kind, newest first."""
        _, page, _ = await self.ask("GET", "E/audit?type=admin&limit=200")
        return [event["data"] for event in page["items"] if event["data"]["what"] == what]


async def staged(folder: Path) -> Stage:
    """Return a started stage."""
    stage = Stage(folder)
    await stage.start()
    return stage


Asked = Awaitable[tuple[int, Any, ClientResponse]]
