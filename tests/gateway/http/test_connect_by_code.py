"""Authorizing a connection by a code that somebody types at the vendor: what people see, how often the vendor is asked,
and what others try.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from credentials import Credential

from connectors.github.simulator.device import Device
from connectors.sdk.errors import SecretStoreUnavailable
from gateway.clock import stamp
from tests.gateway.consenting import APP, COOKIE, Browser, ConsentWorld, seconds_in
from tests.gateway.mailvendor import CLIENT

TOKENS = "/login/oauth/access_token"


class CodeWorld(ConsentWorld):
    """A world in which GitHub is connected by a code."""

    async def ask_github(self, path: str = "/connections", **more: Any) -> tuple[int, Any]:
        client = {"client_id": APP.client_id, "client_secret": APP.client_secret}
        wanted = {"credential": client, "scopes": ["github:issue:read"], "flow": "device", **more}
        if path == "/connections":
            wanted |= {"connector": "github", "name": "github/main", "method": "oauth", "base_url": self.github.url}
        return await self.ask("POST", path, wanted)

    async def link(self, **more: Any) -> str:
        """Make the connection, and return its link."""
        status, made = await self.ask_github(**more)
        assert status == 201, made
        return str(made["authorize_url"])

    async def relink(self) -> str:
        status, told = await self.ask_github("/connections/github/main/reconnect")
        assert status == 200, told
        return str(told["authorize_url"])

    def device(self) -> Device:
        """Return what waits at GitHub."""
        return next(iter(self.github.oauth.devices.waiting.values()))

    def polls(self) -> int:
        """Return how often GitHub was asked whether a code was typed."""
        return sum(one.path == TOKENS for one in self.github.received)

    async def type(self, html: str, **form: str) -> None:
        """Type the code that a page shows at the page that it names."""
        code, page = re.search(r'class="code">([^<]+)<', html), re.search(r'<li>Open <a href="([^"]+)"', html)
        assert code is not None and page is not None, html
        async with self.session.post(page.group(1), data={"user_code": code.group(1), **form}) as answer:
            assert answer.status == 200

    async def look(self, browser: Browser, *, after: float = 6) -> str:
        """Load the page again."""
        self.clock.forward(seconds=after)
        return await browser.get(f"{self.gateway.url}/oauth/device")

    async def github_now(self) -> dict[str, Any]:
        return dict((await self.ask("GET", "/connections/github/main"))[1])

    async def connect(self, browser: Browser, link: str) -> None:
        await self.type(await browser.post(link))
        await browser.decide(await self.look(browser))
        assert browser.status == 200, browser.pages[-1]


@pytest.fixture
async def world(pristine_home: Path, tmp_path: Path) -> AsyncIterator[CodeWorld]:
    shutil.copytree(pristine_home, tmp_path / "home")
    made = CodeWorld(tmp_path / "home")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def browser(world: CodeWorld) -> AsyncIterator[Browser]:
    async with world.browser() as made:
        yield made


async def assert_untouched(world: CodeWorld) -> None:
    """The connection still waits, and no tokens lie anywhere."""
    now = await world.github_now()
    assert (now["health"]["status"], now["account"], now["version"]) == ("pending", None, 1)
    assert await world.stored(now["id"]) is None
    for row in await world.sessions():
        assert row.candidate is None or await world.stored(row.candidate) is None


async def test_somebody_connects_their_account_by_typing_a_code(world: CodeWorld, browser: Browser) -> None:
    link = await world.link()
    asked = await browser.get(link)
    assert "type it there" in asked
    assert "Get a code for GitHub" in asked
    shown = await browser.post(link)
    assert browser.trail == ["/oauth/device"]
    for fact in (
        world.device().user_code,
        "127.0.0.1",
        "/login/device",
        "Nobody has typed it yet",
        "give it to nobody",
    ):
        assert fact in shown
    assert "about 15 minutes" in shown
    assert "Nobody has typed it yet" in await world.look(browser)
    await world.type(shown)
    account = await world.look(browser)
    assert "acme-bot" in account
    assert "1003" in account
    assert browser.trail[-1] == "/oauth/confirm"
    assert (await world.github_now())["account"] is None
    assert "Connected" in await browser.decide(account)
    now = await world.github_now()
    assert now["account"] == {"id": "1003", "label": "acme-bot"}
    assert (now["health"]["status"], now["health"]["granted"], now["version"]) == ("healthy", ["repo"], 2)
    assert (await world.ask("DELETE", "/connections/github/main"))[1]["revoked_at_vendor"] is True


async def test_every_step_is_an_event(world: CodeWorld, browser: Browser) -> None:
    link = await world.link()
    await world.connect(browser, link)
    made = await world.github_now()
    steps = [data for _, data in await world.events(type="admin") if data["subject"] == made["id"]]
    assert [step["what"].partition(".")[2] for step in steps] == [
        "create",
        "authorize_sent",
        "authorize_returned",
        "authorize_shown",
        "authorize_accepted",
        "authorized",
    ]
    assert (steps[0]["after"]["authorize"]["flow"], steps[1]["after"]["flow"]) == ("device", "device")
    [session] = await world.sessions()
    assert (session.step, session.device, session.poll_at) == ("done", None, None)
    assert await world.stored(session.client) is None
    assert await world.stored(session.candidate) is None


@pytest.mark.parametrize("secret", [APP.client_secret, None])
async def test_what_is_connected_refreshes_as_any_other(world: CodeWorld, browser: Browser, secret: str | None) -> None:
    """A client without a secret refreshes what a code gave it."""
    client = {"client_id": APP.client_id} | ({"client_secret": secret} if secret else {})
    await world.connect(browser, await world.link(credential=client))
    agent = await world.agent("bot")
    grant = {"agent": "bot", "connection": "github/main", "scopes": ["github:issue:*"], "autonomy": "auto"}
    assert (await world.ask("POST", "/grants", grant))[0] == 201
    before, polls = await world.stored((await world.github_now())["id"]), world.polls()
    world.clock.forward(hours=9)
    reply = await agent.run("github.issue.get", {"owner": "acme", "repo": "web", "number": 1})
    assert reply.status == 200, reply.body
    after = await world.stored((await world.github_now())["id"])
    assert isinstance(before, Credential) and isinstance(after, Credential)
    assert before.fields["refresh_token"] != after.fields["refresh_token"]
    assert ("client_secret" in after.fields) is (secret is not None)
    assert world.polls() == polls + 1


# How often the vendor is asked


async def test_loads_before_the_interval_ask_nobody(world: CodeWorld, browser: Browser) -> None:
    await browser.post(await world.link())
    for _ in range(3):
        await world.look(browser, after=0.5)
    assert world.polls() == 0
    await world.look(browser, after=4)
    assert world.polls() == 1


async def test_many_loads_at_once_ask_once_an_interval(world: CodeWorld, browser: Browser) -> None:
    await browser.post(await world.link())
    for number in range(1, 4):
        world.clock.forward(seconds=6)
        pages = await asyncio.gather(*(world.look(browser, after=0) for _ in range(12)))
        assert all("Nobody has typed it yet" in page for page in pages)
        assert world.polls() == number
    assert world.device().interval == 5  # GitHub never said that this is too fast


async def test_a_vendor_that_says_slow_down_is_asked_slower_from_then_on(world: CodeWorld, browser: Browser) -> None:
    await browser.post(await world.link())
    await world.look(browser)
    world.device().interval = 10
    html = await world.look(browser)
    assert 10 < seconds_in(html) <= 15
    port = world.gateway.url.rsplit(":", 1)[1]
    await world.crash()
    world.settings = world.settings.model_copy(update={"port": int(port)})
    await world.start()
    await world.look(browser, after=5)
    assert world.polls() == 2
    await world.look(browser, after=11)
    assert world.polls() == 3
    await world.look(browser)
    assert world.polls() == 3  # it stays as slow
    await world.look(browser, after=10)
    assert (world.polls(), world.device().interval) == (4, 15)  # and it was not too fast again


@pytest.mark.parametrize("kind", ["500", "html", "reset_before"])
async def test_a_vendor_that_cannot_be_asked_is_asked_more_rarely_and_the_page_goes_on(
    world: CodeWorld, browser: Browser, kind: str
) -> None:
    shown = await browser.post(await world.link())
    world.github.faults.add({"fault": kind, "match": f"POST {TOKENS}", "times": 1})
    html = await world.look(browser)
    assert "could not be asked just now" in html
    assert 5 < seconds_in(html) <= 10
    await world.look(browser, after=4)
    assert world.polls() == 1
    await world.type(shown)
    assert "acme-bot" in await world.look(browser, after=7)


async def test_a_limit_on_token_requests_is_waited_for(world: CodeWorld, browser: Browser) -> None:
    await browser.post(await world.link())
    world.github.faults.add({"fault": "throttle", "shape": 1, "match": f"POST {TOKENS}", "times": 1})
    html = await world.look(browser)
    assert "limit on token requests" in html
    await world.look(browser, after=5)
    assert world.polls() == 1
    await world.look(browser, after=4)
    assert world.polls() == 2


async def test_while_one_asks_nobody_else_does_and_a_lost_one_is_given_up(world: CodeWorld, browser: Browser) -> None:
    """Another process took the poll that was due, and died with it."""
    shown = await browser.post(await world.link())
    await world.type(shown)
    world.clock.forward(seconds=6)
    at = stamp(world.clock.now() + timedelta(seconds=20))
    await world.rows_changed("UPDATE oauth_sessions SET poll_at=:at", at=at)
    for _ in range(3):
        assert "Nobody has typed it yet" in await world.look(browser, after=4)
    assert world.polls() == 0
    assert "acme-bot" in await world.look(browser, after=9)
    assert world.polls() == 1


# What ends a code


async def test_who_says_no_connects_nothing_and_the_link_gives_another_code(world: CodeWorld, browser: Browser) -> None:
    link = await world.link()
    await world.type(await browser.post(link), decision="cancel")
    html = await world.look(browser)
    assert browser.status == 409
    assert "the request was declined" in html
    assert "authorization request" not in html  # the vendor's own words
    await assert_untouched(world)
    await world.look(browser)
    assert (browser.status, world.polls()) == (404, 1)
    await world.connect(browser, link)
    assert (await world.github_now())["health"]["status"] == "healthy"


async def test_a_code_that_nobody_types_is_over_here_without_asking(world: CodeWorld, browser: Browser) -> None:
    link = await world.link()
    await browser.post(link)
    html = await world.look(browser, after=901)
    assert (browser.status, world.polls()) == (410, 0)
    assert "expired" in html
    await assert_untouched(world)
    [ended] = await world.told("connection.authorize_ended")
    assert "not typed in time" in ended["after"]["reason"]
    await world.connect(browser, link)


async def test_a_code_that_the_vendor_ends_is_over(world: CodeWorld, browser: Browser) -> None:
    link = await world.link()
    await browser.post(link)
    world.device().expires_at = world.clock.now().timestamp()
    html = await world.look(browser)
    assert browser.status == 409
    assert "not typed in time" in html
    await assert_untouched(world)
    await world.connect(browser, link)


async def test_an_app_without_the_device_flow_gives_no_code(world: CodeWorld, browser: Browser) -> None:
    off = replace(APP, device_flow=False)
    world.github._oauth_apps[APP.client_id] = off
    link = await world.link()
    html = await browser.post(link)
    assert browser.status == 409
    assert "switched off" in html
    assert "explicitly enabled" not in html
    await assert_untouched(world)
    assert [row.step for row in await world.sessions()] == ["waiting"]
    world.github._oauth_apps[APP.client_id] = APP
    await world.connect(browser, link)


async def test_a_flow_that_is_switched_off_meanwhile_ends_the_code(world: CodeWorld, browser: Browser) -> None:
    await browser.post(await world.link())
    world.github._oauth_apps[APP.client_id] = replace(APP, device_flow=False)
    html = await world.look(browser)
    assert browser.status == 409
    assert "switched off" in html
    await assert_untouched(world)


async def test_a_client_that_the_vendor_does_not_know_gets_no_code(world: CodeWorld, browser: Browser) -> None:
    html = await browser.post(await world.link(credential={"client_id": "Iv1.nobody"}))
    assert browser.status == 409
    assert "does not know the client" in html
    await assert_untouched(world)


# Others


async def test_another_browser_sees_no_code_and_asks_nobody(world: CodeWorld, browser: Browser) -> None:
    shown = await browser.post(await world.link())
    await world.type(shown)
    async with world.browser() as other:
        html = await world.look(other)
        assert (other.status, world.polls()) == (404, 0)
        assert world.device().user_code not in html
    assert "acme-bot" in await world.look(browser)


async def test_a_new_round_in_another_browser_ends_the_first(world: CodeWorld, browser: Browser) -> None:
    link = await world.link()
    first = await browser.post(link)
    async with world.browser() as other:
        second = await other.post(link)
        await world.type(first)
        await world.look(browser)
        assert (browser.status, world.polls()) == (404, 0)
        await world.type(second)
        assert "acme-bot" in await world.look(other)


async def test_tokens_that_come_for_a_round_that_is_over_are_ended_at_the_vendor(
    world: CodeWorld, browser: Browser
) -> None:
    link = await world.link()
    await world.type(await browser.post(link))
    world.github.faults.add({"fault": "late", "match": f"POST {TOKENS}", "delay_ms": 1500})
    looking = asyncio.ensure_future(world.look(browser))
    while world.polls() == 0:
        await asyncio.sleep(0.01)
    issued = [token for token in world.github.access.tokens if token.startswith("ghu_")]
    async with world.browser() as other:
        await other.post(link)
        assert "Somebody was faster" in await looking
        assert len(issued) == 1
        assert issued[0] not in world.github.access.tokens
        await assert_untouched(world)
        world.github.oauth.devices.waiting.clear()
        await world.connect(other, link)


async def test_nobody_gets_a_code_by_another_site(world: CodeWorld, browser: Browser) -> None:
    await browser.post(await world.link(), Sec_Fetch_Site="cross-site")
    assert browser.status == 403
    assert world.github.oauth.devices.waiting == {}


async def test_another_account_on_a_reconnect_changes_nothing_and_its_tokens_are_ended(
    world: CodeWorld, browser: Browser
) -> None:
    await world.connect(browser, await world.link())
    before = await world.github_now()
    credential, tokens = await world.stored(before["id"]), set(world.github.access.tokens)
    await world.type(await browser.post(await world.relink()), login="octavia")
    html = await world.look(browser)
    assert browser.status == 409
    assert "nothing was changed" in html
    assert await world.github_now() == before
    assert await world.stored(before["id"]) == credential
    assert set(world.github.access.tokens) == tokens
    [ended] = await world.told("connection.authorize_ended")
    assert "octavia" in ended["after"]["reason"]


async def test_the_same_account_on_a_reconnect_is_taken(world: CodeWorld, browser: Browser) -> None:
    await world.connect(browser, await world.link())
    before = await world.github_now()
    old = await world.stored(before["id"])
    status, told = await world.ask("POST", "/connections/github/main/reconnect", {"flow": "device"})
    assert status == 200
    await world.connect(browser, told["authorize_url"])
    now = await world.github_now()
    assert (now["version"], now["account"]) == (before["version"] + 1, before["account"])
    assert await world.stored(before["id"]) != old


async def test_somebody_may_say_that_it_is_not_the_account(world: CodeWorld, browser: Browser) -> None:
    link = await world.link()
    await world.type(await browser.post(link))
    html = await browser.decide(await world.look(browser), "decline")
    assert "Nothing was connected" in html
    assert not any(token.startswith("ghu_") for token in world.github.access.tokens)
    await assert_untouched(world)
    await world.connect(browser, link)


async def test_nobody_is_asked_for_what_is_frozen(world: CodeWorld, browser: Browser) -> None:
    link = await world.link()
    await browser.post(link)
    await world.ask("POST", "/freezes", {"kind": "connection", "id": "github/main"})
    await world.look(browser)
    assert (browser.status, world.polls()) == (423, 0)


async def test_an_account_that_nobody_accepts_in_ten_minutes_is_not_connected(
    world: CodeWorld, browser: Browser
) -> None:
    await world.type(await browser.post(await world.link()))
    shown = await world.look(browser, after=890)  # the cookie outlives the code
    assert "acme-bot" in shown
    await browser.get(f"{world.gateway.url}/oauth/device")
    assert browser.trail[-1] == "/oauth/confirm"
    world.clock.forward(seconds=601)
    await browser.decide(shown)
    assert browser.status == 404
    world.clock.forward(hours=25)
    await world.gateway.consents.sweep()
    assert await world.sessions() == []
    assert not any(token.startswith("ghu_") for token in world.github.access.tokens)


async def test_a_sweep_forgets_a_code_that_nobody_typed(world: CodeWorld, browser: Browser) -> None:
    await browser.post(await world.link())
    [session] = await world.sessions()
    world.clock.forward(hours=25)
    await world.gateway.consents.sweep()
    assert await world.sessions() == []
    assert await world.stored(session.client) is None
    assert world.polls() == 0


# Crashes


async def test_a_process_that_dies_with_the_tokens_loses_the_round_and_says_so(
    world: CodeWorld, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies between the vendor's answer and the write of the candidate."""
    link = await world.link()
    await world.type(await browser.post(link))
    came = asyncio.Event()

    async def never(*_: Any, **__: Any) -> int:
        came.set()
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(world.gateway.store, "put", never)
    looking = asyncio.ensure_future(world.look(browser))
    await came.wait()
    port = world.gateway.url.rsplit(":", 1)[1]
    await world.crash()
    await asyncio.gather(looking, return_exceptions=True)
    world.settings = world.settings.model_copy(update={"port": int(port)})
    await world.start()

    await assert_untouched(world)
    assert "One moment" in await world.look(browser)  # as far as others know, it is still going on
    await browser.post(link)
    assert browser.status == 409
    world.clock.forward(minutes=3)
    html = await world.look(browser)
    assert browser.status == 404
    assert "Open the link" in html
    assert world.polls() == 1
    await world.connect(browser, link)
    assert (await world.github_now())["health"]["status"] == "healthy"


async def test_an_answer_with_tokens_that_got_lost_ends_the_code_truthfully(world: CodeWorld, browser: Browser) -> None:
    link = await world.link()
    await world.type(await browser.post(link))
    world.github.faults.add({"fault": "reset_after", "match": f"POST {TOKENS}"})
    assert "could not be asked" in await world.look(browser)
    html = await world.look(browser, after=11)
    assert browser.status == 409
    assert "has expired, was used before" in html
    await assert_untouched(world)
    await world.connect(browser, link)


async def test_a_page_is_loaded_again_by_itself_when_the_store_answers(
    world: CodeWorld, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.type(await browser.post(await world.link()))
    with monkeypatch.context() as broken:

        async def away(*_: Any) -> None:
            raise SecretStoreUnavailable("The store is away.")

        broken.setattr(world.gateway.store, "get", away)
        html = await world.look(browser)
    assert (browser.status, browser.refresh, world.polls()) == (503, "10", 0)
    assert "by itself" in html
    assert "acme-bot" in await world.look(browser)


# The pages


async def test_no_secret_stands_in_events_pages_logs_or_the_ledger(
    world: CodeWorld, browser: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    link = await world.link()
    shown = await browser.post(link)
    secret, typed = next((code, one.user_code) for code, one in world.github.oauth.devices.waiting.items())
    await world.look(browser)
    during = b"".join(file.read_bytes() for file in world.home.path.glob("ledger.db*"))
    await world.type(shown)
    await browser.decide(await world.look(browser))
    tokens = [token for token in world.github.access.tokens if token.startswith("ghu_")]
    secrets = [secret, *tokens, link.rsplit("/", 1)[1], browser.cookie(), APP.client_secret]
    events, captured = str(await world.events()), capfd.readouterr()
    ledger = b"".join(file.read_bytes() for file in world.home.path.glob("ledger.db*"))
    for hidden in (*secrets, typed):
        assert hidden not in events
        assert hidden not in captured.out + captured.err
        assert hidden.encode() not in during + ledger
    for hidden in secrets:
        assert not any(hidden in page for page in browser.pages)
    assert typed in shown


async def test_the_page_has_no_script_and_loads_itself_again(world: CodeWorld, browser: Browser) -> None:
    link = await world.link()
    async with world.session.get(link) as answer:
        assert "form-action 'self';" in answer.headers["Content-Security-Policy"]
    async with world.session.post(link, allow_redirects=False) as answer:
        cookie = answer.headers["Set-Cookie"]
        assert (answer.status, answer.headers["Location"]) == (303, "/oauth/device")
    assert cookie.startswith(f"{COOKIE}=")
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1620"):
        assert part in cookie
    headers = {"Cookie": cookie.partition(";")[0]}
    async with world.session.get(f"{world.gateway.url}/oauth/device", headers=headers) as answer:
        policy, html = answer.headers["Content-Security-Policy"], await answer.text()
        assert 1 <= int(answer.headers["Refresh"]) <= 5
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
    assert "<script" not in html
    assert 'target="_blank" rel="noopener noreferrer"' in html


async def by_mail(world: CodeWorld, browser: Browser) -> str:
    made = await world.begin("by_code")
    return await browser.post(made["authorize_url"])


async def test_a_vendor_that_has_codes_alone_is_connected_by_one(world: CodeWorld, browser: Browser) -> None:
    world.mail.device = {"verification_uri_complete": f"{world.mail.url}/type?code=PLUM-42&x=1"}
    shown = await by_mail(world, browser)
    assert f'href="{world.mail.url}/type?code=PLUM-42&amp;x=1"' in shown
    assert "the same code as this page" in shown
    assert world.mail.asked[0]["client_secret"] == CLIENT["client_secret"]
    await browser.decide(await world.look(browser))
    now = await world.now()
    assert (now["account"], now["health"]["granted"]) == ({"id": "id-ann", "label": "Ann"}, ["letters.read"])


@pytest.mark.parametrize("member", ["verification_uri", "verification_uri_complete"])
async def test_nobody_is_sent_to_a_page_that_is_not_the_vendors(
    world: CodeWorld, browser: Browser, member: str
) -> None:
    world.mail.device = {member: "https://evil.example/type"}
    html = await by_mail(world, browser)
    assert browser.status == 409
    assert "&#x27;evil.example&#x27;" in html
    assert "PLUM-42" not in html
    assert "href" not in html
    assert [row.step for row in await world.sessions()] == ["waiting"]


async def test_a_declared_page_of_the_vendor_at_another_host_is_let_through(world: CodeWorld, browser: Browser) -> None:
    world.mail.device = {"verification_uri": "https://short.example/d"}
    assert 'href="https://short.example/d"' in await by_mail(world, browser)


async def test_what_the_vendor_gives_cannot_become_markup(world: CodeWorld, browser: Browser) -> None:
    page = f'{world.mail.url}/type?"><script>alert(1)</script>'
    world.mail.device = {"user_code": "<script>alert(2)</script>", "verification_uri": page}
    html = await by_mail(world, browser)
    assert browser.status == 200
    assert "<script" not in html
    assert "&lt;script&gt;alert(2)" in html


# What admins ask for


@pytest.mark.parametrize(
    "wanted",
    [
        {"method": "oauth", "flow": "device"},
        {"method": "by_code", "flow": "code"},
        {"method": "oauth", "flow": "code", "credential": {"access_token": "whole"}},
        {"method": "oauth", "flow": "carrier_pigeon"},
        {"method": "oauth", "flow": ["code"]},
    ],
)
async def test_a_way_to_ask_that_does_not_fit_is_refused_where_it_stands(
    world: CodeWorld, wanted: dict[str, Any]
) -> None:
    base = {"connector": "mail", "name": "mail/main", "credential": CLIENT, "base_url": world.mail.url}
    status, problem = await world.ask("POST", "/connections", base | wanted)
    assert (status, problem["code"], problem["errors"][0]["pointer"]) == (422, "invalid_input", "/flow")
    assert await world.sessions() == []
    assert (await world.ask("GET", "/connections/mail/main"))[0] == 404


async def test_a_way_to_ask_that_does_not_fit_a_reconnect_is_refused_too(world: CodeWorld) -> None:
    before = await world.connected()
    for wanted in ({"flow": "device"}, {"flow": "code", "credential": {"access_token": "whole"}}):
        status, problem = await world.ask("POST", "/connections/mail/main/reconnect", wanted)
        assert (status, problem["errors"][0]["pointer"]) == (422, "/flow")
    assert await world.now() == before


async def test_where_there_are_both_ways_a_browser_is_sent_unless_asked_otherwise(
    world: CodeWorld, browser: Browser
) -> None:
    link = await world.link(flow=None)
    assert "Go on to GitHub" in await browser.get(link)
    assert f"{world.github.url}/login/oauth/authorize" in await browser.sent(link)
    assert world.github.oauth.devices.waiting == {}
    assert "acme-bot" in await browser.post(link)
    await world.look(browser)
    assert (browser.status, world.polls()) == (404, 1)


async def test_a_session_of_a_replica_that_knows_no_codes_goes_on_by_redirect(
    world: CodeWorld, browser: Browser
) -> None:
    """It began a round by redirect for a link that asks for a code, and left what it does not know in the row."""
    link = await world.link()
    await browser.post(link)
    await world.rows_changed("UPDATE oauth_sessions SET round=round+1")
    await world.look(browser)
    assert (browser.status, world.polls()) == (404, 0)
    world.github.oauth.devices.waiting.clear()
    await world.connect(browser, link)
