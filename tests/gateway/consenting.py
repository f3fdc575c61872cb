"""A gateway, a vendor of mail with OAuth, and browsers that keep their cookies."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientSession, CookieJar
from credentials import Credential, Where
from sqlalchemy import text
from yarl import URL

from connectors.github import github
from connectors.github.simulator import GitHubSimulator, OAuthApp
from gateway.admin.rows import Place
from gateway.admin.tokens import NewToken, at_start
from gateway.registry import Registry
from tests.gateway.mailvendor import CLIENT, MailVendor, mail_connector
from tests.gateway.toy import toy_connector
from tests.gateway.world import World

PLACE = Place("acme", "prod")
BY = at_start("tests")
E = "/v1/admin/tenants/acme/environments/prod"
COOKIE = "__Host-gatehouse-oauth"
APP = OAuthApp("Iv1.app", "app-hush-77ab", device_flow=True)


class Browser:
    """Somebody's browser. `pages` keeps all that it was shown, `trail` where it was sent."""

    def __init__(self, session: ClientSession, root: str) -> None:
        self._session = session
        self.root = root
        self.pages: list[str] = []
        self.trail: list[str] = []
        self.status = 0
        self.refresh: str | None = None

    async def get(self, url: str) -> str:
        return await self._go("GET", url)

    async def post(self, url: str, data: dict[str, str] | None = None, **headers: str) -> str:
        return await self._go("POST", url, data, {name.replace("_", "-"): value for name, value in headers.items()})

    async def decide(self, html: str, decision: str = "connect", **headers: str) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', html)
        assert found is not None, html
        form = {"csrf": unescape(found.group(1)), "decision": decision}
        return await self.post(f"{self.root}/oauth/confirm", form, **headers)

    async def sent(self, link: str) -> str:
        """Press the button, and return where the vendor is, without going there."""
        async with self._session.post(link, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            return answer.headers["Location"]

    async def back_from(self, vendor: str) -> str:
        """Go to the vendor, and return where it sends this browser, without going there."""
        async with self._session.get(URL(vendor, encoded=True), allow_redirects=False) as answer:
            assert answer.status == 302
            return answer.headers["Location"]

    def cookie(self) -> str:
        return next(cookie.value for cookie in self._session.cookie_jar if cookie.key == COOKIE)

    async def _go(
        self, method: str, url: str, data: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> str:
        async with self._session.request(method, URL(url, encoded=True), data=data, headers=headers) as answer:
            html = await answer.text()
            self.trail += [str(step.headers.get("Location", "")) for step in answer.history]
            self.status, self.refresh = answer.status, answer.headers.get("Refresh")
        self.pages.append(html)
        return html


class ConsentWorld(World):
    """A world whose vendors have OAuth. The admin's token is an operator's."""

    def __init__(self, home: Path, **settings: Any) -> None:
        super().__init__(home, **settings)
        self.mail = MailVendor()
        self.github = GitHubSimulator(clock=lambda: self.clock.now().timestamp(), oauth_apps=[APP])
        self.registry = Registry([github, toy_connector(), mail_connector()])

    async def open(self) -> None:
        await self.mail.start()
        await super().open()
        await self.place("acme", "prod")
        wanted = NewToken.model_validate({"name": "Olga", "role": "owner", "tenant": "acme"})
        made = await self.gateway.admin.tokens.create(BY, wanted)
        self.token, self.token_id = str(made["token"]), str(made["id"])

    async def close(self) -> None:
        await super().close()
        await self.mail.stop()

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[Browser]:
        jar = CookieJar(unsafe=True, treat_as_secure_origin=URL(self.gateway.url))
        async with ClientSession(cookie_jar=jar) as session:
            yield Browser(session, self.gateway.url)

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask the admin API, below acme's prod."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(method, self.gateway.url + E + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def begin(self, method: str = "oauth", **more: Any) -> dict[str, Any]:
        """Make a connection that waits to be authorized, and return it with its link."""
        wanted = {"connector": "mail", "name": "mail/main", "method": method, "credential": CLIENT}
        wanted |= {"base_url": self.mail.url, "scopes": ["mail:letter:read"]}
        status, made = await self.ask("POST", "/connections", wanted | more)
        assert status == 201, made
        return dict(made)

    async def connected(self, method: str = "oauth", **more: Any) -> dict[str, Any]:
        """Make a connection and authorize it."""
        made = await self.begin(method, **more)
        async with self.browser() as browser:
            await browser.decide(await browser.post(made["authorize_url"]))
            assert browser.status == 200, browser.pages[-1]
        return await self.now()

    async def again(self, **wanted: Any) -> str:
        """Ask for the connection to be authorized again, and return the link."""
        status, told = await self.ask("POST", "/connections/mail/main/reconnect", wanted)
        assert status == 200, told
        return str(told["authorize_url"])

    async def now(self) -> dict[str, Any]:
        return dict((await self.ask("GET", "/connections/mail/main"))[1])

    async def stored(self, id: str) -> Credential | None:
        return await self.gateway.store.get(Where("acme", "prod", id))

    async def sessions(self) -> list[Any]:
        return await self.rows("SELECT * FROM oauth_sessions ORDER BY id")

    async def rows_changed(self, statement: str, **values: Any) -> None:
        """Change rows as another process might have."""
        await self.gateway.database.write(lambda rows: rows.execute(text(statement), values).rowcount)

    async def told(self, what: str) -> list[dict[str, Any]]:
        """Return the admin events of a kind."""
        return [data for _, data in await self.events(type="admin") if data["what"] == what]


def seconds_in(html: str) -> int:
    """Return after how many seconds a page says that it looks again."""
    found = re.search(r"by itself in ([0-9]+) seconds", html)
    assert found is not None, html
    return int(found.group(1))


def path_of(link: str) -> str:
    return urlsplit(link).path
