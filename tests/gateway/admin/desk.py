"""A help desk as a vendor: a connector with three actions, and the desk itself on loopback."""

import asyncio
from datetime import timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from connectors.sdk import (
    Account,
    Connector,
    Effect,
    Input,
    Irreversible,
    JwtBearer,
    Output,
    Resource,
    RootInToken,
    SecretText,
    StaticToken,
    Unknowable,
    Upstream,
)
from connectors.sdk.auth import same_scopes


class Me(Output):
    id: int
    name: str
    scopes: list[str]


class TicketQuery(Input):
    queue: str
    number: int


class NewTicket(Input):
    queue: str
    title: str


class Ticket(Output):
    number: int
    title: str
    door_code: SecretText | None = None


async def account(api: Upstream, method: str) -> Account:
    del method
    me = api.read(Me, await api.get("/me"))
    return Account(str(me.id), me.name, granted=frozenset(me.scopes))


def desk_connector() -> Connector:
    desk = Connector(
        id="desk",
        title="Desk",
        version="1",
        base_url="https://api.desk.example",
        hosts=["api.desk.example"],
        auth=[
            StaticToken(),
            JwtBearer(
                token_url="{origin}/token",
                audience="{origin}",
                lifetime=timedelta(hours=1),
                discover=RootInToken("home"),
                revoke_url="{origin}/revoke",
                oauth_scopes=same_scopes,
                scopes_in="assertion",
            ),
        ],
        scopes={
            "desk:ticket:read": "Read tickets",
            "desk:ticket:write": "Open tickets",
            "desk:ticket:delete": "Delete tickets",
        },
        account=account,
    )

    @desk.action(
        "ticket.get",
        scopes={"desk:ticket:read"},
        effect=Effect.READ,
        resource=Resource("{queue}"),
        vendor_scopes={"tickets.read"},
    )
    async def get(api: Upstream, what: TicketQuery) -> Ticket:
        """Return a ticket."""
        return api.read(Ticket, await api.get("/tickets/{number}", what))

    @desk.action(
        "ticket.create",
        scopes={"desk:ticket:write"},
        effect=Effect.CREATE,
        resource=Resource("{queue}"),
        vendor_scopes={"tickets.write"},
        idempotency=Unknowable("the desk has no search"),
        undo=Irreversible("a ticket stays"),
    )
    async def create(api: Upstream, what: NewTicket) -> Ticket:
        """Open a ticket."""
        return api.read(Ticket, await api.post("/tickets", json={"queue": what.queue, "title": what.title}))

    return desk


class Desk:
    """The vendor. `accounts` are tokens and whom they belong to; `mode` is ok, down or silent.

    `keys` are users' public keys, for assertions; `home` is the API's root that token answers name.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Any]] = {
            "token-of-ann": {"id": 1, "name": "Ann", "scopes": ["tickets.read"]},
            "token-of-ann-2": {"id": 1, "name": "Ann", "scopes": ["tickets.read", "tickets.write"]},
            "token-of-bob": {"id": 2, "name": "Bob", "scopes": []},
        }
        self.keys: dict[str, RSAKey] = {}
        self.home: str | None = None
        self.account_of_minted = 7
        self.asserted: list[dict[str, Any]] = []
        self.revoked: list[str] = []
        self.mode = "ok"
        self.seen: list[tuple[str, str]] = []
        self.tickets: list[dict[str, Any]] = []
        self.asked = asyncio.Event()

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/me", self._me),
                web.get("/home/me", self._me),
                web.post("/token", self._token),
                web.post("/revoke", self._revoke),
                web.post("/tickets", self._create),
                web.get("/tickets/{number}", self._get),
            ]
        )
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        self.url = f"http://127.0.0.1:{self.server.port}"

    async def stop(self) -> None:
        await self.server.close()

    def _who(self, request: web.Request) -> dict[str, Any]:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.seen.append((request.path, token))
        self.asked.set()
        if self.mode == "down":
            raise web.HTTPServiceUnavailable
        if token not in self.accounts:
            raise web.HTTPUnauthorized
        return self.accounts[token]

    async def _token(self, request: web.Request) -> web.Response:
        assertion = str((await request.post())["assertion"])
        for user, key in self.keys.items():
            try:
                claims = jwt.decode(assertion, key, algorithms=["RS256"]).claims
            except JoseError:
                continue
            if (claims["sub"], claims["aud"]) == (user, self.url):
                self.asserted.append(claims)
                token = f"minted-{len(self.asserted)}-of-{user}"
                self.accounts[token] = {
                    "id": self.account_of_minted,
                    "name": user.title(),
                    "scopes": str(claims.get("scope", "tickets.read")).split(),
                }
                home = {"home": self.home} if self.home is not None else {}
                return web.json_response({"access_token": token, "token_type": "Bearer", **home})
        said = {"error": "invalid_grant", "error_description": "the desk's own words"}
        return web.json_response(said, status=400)

    async def _revoke(self, request: web.Request) -> web.Response:
        self.revoked.append(str((await request.post())["token"]))
        return web.Response()

    async def _me(self, request: web.Request) -> web.Response:
        return web.json_response(self._who(request))

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self._who(request)
        ticket = {"number": len(self.tickets) + 1, "title": (await request.json())["title"]}
        self.tickets.append(ticket)
        if self.mode == "silent":
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(ticket, status=201)

    async def _get(self, request: web.Request) -> web.Response:
        self._who(request)
        return web.json_response(self.tickets[int(request.match_info["number"]) - 1])
