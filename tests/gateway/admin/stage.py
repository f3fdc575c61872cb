"""A whole gateway on loopback, over a real ledger in a temporary folder, with a desk as its vendor."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, ClientSession

from gateway.admin.rows import Place
from gateway.admin.tenants import NewEnvironment, NewTenant
from gateway.admin.tokens import NewToken, at_start
from gateway.app import Gateway
from gateway.installation import Home, set_up
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

    def __init__(self, folder: Path, **more: Any) -> None:
        self.clock = Clock()
        self.desk = Desk()
        settings = Settings(
            home=folder,
            port=0,
            metrics_port=0,
            opened_networks=["127.0.0.0/8"],
            public_url=None,
            trace_ratio=0,
            **more,
        )
        self.settings = settings
        self.tokens: dict[str, str] = {}
        self.numbers = itertools.count()

    async def start(self) -> None:
        await self.desk.start()
        home = Home(self.settings.home)
        self.first_token = await set_up(self.settings, home, sandbox=False, clock=self.clock)
        self.gateway = Gateway(self.settings, clock=self.clock, registry=Registry([desk_connector()]))
        await self.gateway.start()
        self.services = self.gateway.admin
        self.url = self.gateway.url
        self.session = ClientSession()
        for tenant, environments in {"acme": ("dev", "prod"), "rival": ("prod",)}.items():
            await self.services.tenants.create(BY, NewTenant(id=tenant))
            for environment in environments:
                await self.services.tenants.create_environment(BY, tenant, NewEnvironment(id=environment))
        self.tokens["operator"] = self.first_token

    async def stop(self) -> None:
        await self.session.close()
        await self.gateway.stop()
        await self.desk.stop()

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


async def staged(folder: Path, **more: Any) -> Stage:
    """Return a started stage. `more` are further settings."""
    stage = Stage(folder, **more)
    await stage.start()
    return stage
