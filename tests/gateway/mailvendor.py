"""A vendor of mail whose OAuth can be told to answer in every way, and its connector with a method for each variety."""

import base64
import hashlib
import itertools
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.sdk import (
    Account,
    Connector,
    Effect,
    Input,
    Irreversible,
    OAuthUser,
    Output,
    Resource,
    Unknowable,
    Upstream,
)
from connectors.sdk.auth import RootInList, RootInToken

CLIENT = {"client_id": "mail-client", "client_secret": "client-hush-5d1f"}
URLS = {"authorize_url": "{origin}/authorize?prompt=consent", "token_url": "{origin}/token"}
PLAIN = OAuthUser(
    **URLS,
    revoke_url="{origin}/revoke",
    authorize_params={"audience": "mail"},
    always_scopes=frozenset({"offline_access"}),
)


class Me(Output):
    id: str
    name: str


class Letter(Input):
    box: str


class Sent(Output):
    box: str


async def account(api: Upstream, method: str) -> Account:
    del method
    me = api.read(Me, await api.get("/me"))
    return Account(me.id, me.name)


def mail_connector() -> Connector:
    mail = Connector(
        id="mail",
        title="Mail",
        version="1",
        base_url="https://api.mail.example",
        hosts=["api.mail.example", "*.sites.mail.example"],
        auth=[
            PLAIN,
            OAuthUser(**URLS, id="as_json", client_auth="json", scope_separator=","),
            OAuthUser(**URLS, id="as_basic", client_auth="basic", pkce=False),
            OAuthUser(**URLS, id="with_issuer", issuer="{origin}"),
            OAuthUser(**URLS, id="with_home", revoke_url="{origin}/revoke", discover=RootInToken("home")),
            OAuthUser(
                **URLS, id="with_sites", discover=RootInList("{api}/sites", root="{api}/site/{id}", title="name")
            ),
            OAuthUser(
                authorize_url="",
                token_url="{origin}/token",
                id="by_code",
                device_url="{origin}/device",
                device_hosts=("short.example",),
                revoke_url="{origin}/revoke",
            ),
        ],
        scopes={"mail:letter:read": "Read letters", "mail:letter:write": "Send letters"},
        account=account,
    )

    @mail.action(
        "letter.get",
        scopes={"mail:letter:read"},
        effect=Effect.READ,
        resource=Resource("{box}"),
        vendor_scopes={"letters.read"},
    )
    async def get(api: Upstream, what: Letter) -> Sent:
        """Return a letter."""
        return api.read(Sent, await api.get("/letters/{box}", what))

    @mail.action(
        "letter.send",
        scopes={"mail:letter:write"},
        effect=Effect.SEND,
        resource=Resource("{box}"),
        vendor_scopes={"letters.write"},
        idempotency=Unknowable("a letter is gone"),
        undo=Irreversible("a letter is gone"),
    )
    async def send(api: Upstream, what: Letter) -> Sent:
        """Send a letter."""
        return api.read(Sent, await api.post("/letters", json={"box": what.box}))

    return mail


class MailVendor:
    """The vendor. `login` is who consents; `answer` replaces the token endpoint's; what came in is kept.

    `device` are members of the next device code's answer beside the usual ones; a code is typed at once.
    """

    def __init__(self) -> None:
        self.login = "ann"
        self.answer: web.Response | None = None
        self.error: str | None = None
        self.issuer: str | None = None
        self.home: object = None
        self.sites: object = []
        self.device: dict[str, object] = {}
        self.asked: list[dict[str, str]] = []
        self.exchanged: list[dict[str, str]] = []
        self.revoked: list[str] = []
        self.seen: list[tuple[str, str]] = []
        self.issued: list[str] = []
        self._codes: dict[str, tuple[str, dict[str, str]]] = {}
        self._tokens: dict[str, str] = {}
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/authorize", self._authorize),
                web.post("/token", self._token),
                web.post("/device", self._device),
                web.post("/revoke", self._revoke),
                web.get("/sites", self._sites),
                web.get("/{rest:.*}", self._api),
            ]
        )
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        self.url = f"http://127.0.0.1:{self.server.port}"

    async def stop(self) -> None:
        await self.server.close()

    async def _authorize(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append(query)
        back = {"state": query["state"]} | ({"iss": self.issuer} if self.issuer else {})
        if self.error is not None:
            back |= {"error": self.error, "error_description": "vendor's own words"}
        else:
            code = f"code-{next(self._numbers)}-7be2"
            self._codes[code] = (self.login, query)
            back["code"] = code
        return web.Response(status=302, headers={"location": f"{query['redirect_uri']}?{urlencode(back)}"})

    async def _token(self, request: web.Request) -> web.Response:
        is_json = request.content_type == "application/json"
        fields = await request.json() if is_json else {name: str(v) for name, v in (await request.post()).items()}
        fields["how"] = "json" if is_json else "basic" if "authorization" in request.headers else "post"
        if fields["how"] == "basic":
            pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
            fields["client_id"], _, fields["client_secret"] = pair.partition(":")
        self.exchanged.append(fields)
        if self.answer is not None:
            return self.answer
        login, query = self._codes.pop(fields.get("code") or fields.get("device_code", ""), ("", {}))
        if fields["client_secret"] != CLIENT["client_secret"] or not login or not _proved(query, fields):
            return web.json_response({"error": "invalid_grant", "error_description": "vendor's own words"}, status=400)
        number = next(self._numbers)
        token, refresh = f"access-{number}-c41d", f"refresh-{number}-90aa"
        self._tokens[token] = login
        self.issued += [token, refresh]
        granted = {"scope": query.get("scope", "").replace(",", " ")}
        home = {"home": self.home} if self.home is not None else {}
        pair = {"access_token": token, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 3600}
        return web.json_response(pair | granted | home)

    async def _device(self, request: web.Request) -> web.Response:
        query = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(query)
        code = f"device-{next(self._numbers)}-7be2c0"
        self._codes[code] = (self.login, query)
        page = {"user_code": "PLUM-42", "verification_uri": f"{self.url}/type"}
        return web.json_response({"device_code": code, **page, "expires_in": 600} | self.device)

    async def _revoke(self, request: web.Request) -> web.Response:
        self.revoked.append(str((await request.post())["token"]))
        return web.Response()

    async def _sites(self, request: web.Request) -> web.Response:
        self._who(request)
        return web.json_response(self.sites)

    async def _api(self, request: web.Request) -> web.Response:
        login = self._who(request)
        if request.path.endswith("/me"):
            return web.json_response({"id": f"id-{login}", "name": login.title()})
        return web.json_response({"box": "in"})

    def _who(self, request: web.Request) -> str:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.seen.append((request.path, token))
        if token not in self._tokens:
            raise web.HTTPUnauthorized
        return self._tokens[token]


def _proved(query: dict[str, str], fields: dict[str, Any]) -> bool:
    if "device_code" in fields:
        return True
    if fields.get("redirect_uri") != query["redirect_uri"]:
        return False
    if "code_challenge" not in query:
        return True
    digest = hashlib.sha256(str(fields.get("code_verifier", "")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == query["code_challenge"]
