"""Authorizing a connection in a browser: what people see, and what others try."""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from tests.gateway.consenting import APP, COOKIE, Browser, ConsentWorld
from tests.gateway.mailvendor import CLIENT


@pytest.fixture
async def world(pristine_home: Path, tmp_path: Path) -> AsyncIterator[ConsentWorld]:
    shutil.copytree(pristine_home, tmp_path / "home")
    made = ConsentWorld(tmp_path / "home")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def browser(world: ConsentWorld) -> AsyncIterator[Browser]:
    async with world.browser() as made:
        yield made


async def assert_untouched(world: ConsentWorld) -> None:
    """The connection still waits, and no tokens lie anywhere."""
    now = await world.now()
    assert (now["health"]["status"], now["account"], now["version"]) == ("pending", None, 1)
    assert await world.stored(now["id"]) is None
    for row in await world.sessions():
        assert row.candidate is None or await world.stored(row.candidate) is None


async def test_somebody_connects_their_github_account(world: ConsentWorld, browser: Browser) -> None:
    wanted = {"connector": "github", "name": "github/main", "method": "oauth", "base_url": world.github.url}
    client = {"client_id": APP.client_id, "client_secret": APP.client_secret}
    status, made = await world.ask(
        "POST", "/connections", wanted | {"credential": client, "scopes": ["github:issue:read"]}
    )
    assert (status, made["health"]["status"], made["account"]) == (201, "pending", None)
    assert made["authorize_url"].startswith(f"{world.gateway.url}/connect/")

    asked = await browser.get(made["authorize_url"])
    for fact in ("acme", "prod", "GitHub", "github/main", "Olga", "Read and search issues", "<code>repo</code>"):
        assert fact in asked
    shown = await browser.post(made["authorize_url"])
    assert "acme-bot" in shown
    assert "1003" in shown
    before = (await world.ask("GET", "/connections/github/main"))[1]
    assert (before["health"]["status"], before["account"]) == ("pending", None)
    assert await world.stored(made["id"]) is None

    done = await browser.decide(shown)
    assert "Connected" in done
    after = (await world.ask("GET", "/connections/github/main"))[1]
    assert after["account"] == {"id": "1003", "label": "acme-bot"}
    assert (after["health"]["status"], after["health"]["granted"]) == ("healthy", ["repo"])
    assert (await world.ask("POST", "/connections/github/main/test", {}))[1]["health"]["status"] == "healthy"
    assert (await world.ask("DELETE", "/connections/github/main"))[1]["revoked_at_vendor"] is True


async def test_a_connection_that_waits_serves_no_call(world: ConsentWorld) -> None:
    agent = await world.agent("bot")
    await world.begin()
    grant = {"agent": "bot", "connection": "mail/main", "scopes": ["mail:*:*"], "autonomy": "auto"}
    assert (await world.ask("POST", "/grants", grant))[0] == 201
    reply = await agent.run("mail.letter.get", {"box": "in"})
    assert (reply.status, reply.code) == (424, "connection_unhealthy")
    assert "authorize" in reply.body["detail"]
    assert world.mail.seen == []


async def test_the_vendor_is_asked_for_the_least_with_a_proof_key(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    await browser.post(made["authorize_url"])
    asked, exchanged = world.mail.asked[0], world.mail.exchanged[0]
    assert asked["scope"].split() == ["letters.read", "offline_access"]
    assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT["client_id"])
    assert (asked["prompt"], asked["audience"]) == ("consent", "mail")
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{world.gateway.url}/oauth/callback" == exchanged["redirect_uri"]
    assert len(exchanged["code_verifier"]) >= 43
    assert exchanged["how"] == "post"
    assert "client_secret" not in asked


@pytest.mark.parametrize(("method", "how"), [("as_json", "json"), ("as_basic", "basic")])
async def test_the_client_proves_itself_as_the_vendor_wants(world: ConsentWorld, method: str, how: str) -> None:
    now = await world.connected(method)
    assert now["account"] == {"id": "id-ann", "label": "Ann"}
    exchanged = world.mail.exchanged[0]
    assert (exchanged["how"], exchanged["client_secret"]) == (how, CLIENT["client_secret"])
    assert ("code_verifier" in exchanged) == (method == "as_json")


async def test_what_was_granted_to_agents_is_asked_for_too(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin(scopes=None)
    await world.agent("bot")
    html = await browser.get(made["authorize_url"])
    assert "no agent was granted anything" in html
    await world.ask("POST", "/grants", {"agent": "bot", "connection": "mail/main", "scopes": ["mail:letter:write"]})
    html = await browser.get(made["authorize_url"])
    assert "Send letters" in html
    assert "Read letters" not in html
    await browser.post(made["authorize_url"])
    assert world.mail.asked[0]["scope"].split() == ["letters.write", "offline_access"]


async def test_an_answer_is_taken_once(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    back = await browser.back_from(await browser.sent(made["authorize_url"]))
    await browser.get(back)
    assert browser.status == 200
    html = await browser.get(back)
    assert browser.status == 400
    assert "used before" in html
    assert len(world.mail.exchanged) == 1


async def test_the_address_that_stays_in_the_browser_has_no_code(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    await browser.post(made["authorize_url"])
    assert browser.trail[-1] == "/oauth/confirm"


async def test_an_answer_in_another_browser_is_refused_and_spends_nothing(
    world: ConsentWorld, browser: Browser
) -> None:
    made = await world.begin()
    back = await browser.back_from(await browser.sent(made["authorize_url"]))
    async with world.browser() as other:
        html = await other.get(back)
        assert other.status == 403
        assert "another browser" in html.lower()
    assert world.mail.exchanged == []
    await browser.get(back)
    assert browser.status == 400  # who has seen the answer elsewhere has seen the code
    assert world.mail.exchanged == []
    await assert_untouched(world)


async def test_a_cookie_of_another_round_is_refused(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    first = await browser.back_from(await browser.sent(made["authorize_url"]))
    await browser.sent(made["authorize_url"])
    await browser.get(first)
    assert browser.status == 400
    assert world.mail.exchanged == []


async def test_an_answer_after_ten_minutes_is_refused(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    back = await browser.back_from(await browser.sent(made["authorize_url"]))
    world.clock.forward(seconds=601)
    html = await browser.get(back)
    assert browser.status == 410
    assert "too long" in html
    assert world.mail.exchanged == []
    await assert_untouched(world)


async def test_an_account_that_nobody_accepts_in_ten_minutes_is_not_connected(
    world: ConsentWorld, browser: Browser
) -> None:
    made = await world.begin()
    shown = await browser.post(made["authorize_url"])
    world.clock.forward(seconds=601)
    await browser.decide(shown)
    assert browser.status == 404
    assert (await world.now())["health"]["status"] == "pending"


async def test_a_link_ends_after_a_day(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    world.clock.forward(hours=24, seconds=1)
    await browser.get(made["authorize_url"])
    assert browser.status == 404
    await browser.post(made["authorize_url"])
    assert (browser.status, world.mail.asked) == (404, [])


async def test_what_the_vendor_reports_is_said_in_our_words_and_the_link_stays_good(
    world: ConsentWorld, browser: Browser
) -> None:
    made = await world.begin()
    world.mail.error = "access_denied"
    html = await browser.post(made["authorize_url"])
    assert "declined" in html
    assert "own words" not in html
    assert world.mail.exchanged == []
    await assert_untouched(world)
    world.mail.error = None
    await browser.decide(await browser.post(made["authorize_url"]))
    assert (await world.now())["health"]["status"] == "healthy"


async def test_a_code_that_another_proof_key_asked_for_is_worth_nothing(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    vendor = await browser.sent(made["authorize_url"])
    tampered = re.sub(r"code_challenge=[^&]+", "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", vendor)
    html = await browser.get(await browser.back_from(tampered))
    assert browser.status == 409
    assert "Mail gave no access" in html
    assert "own words" not in html
    await assert_untouched(world)


@pytest.mark.parametrize(
    "method, issuer",
    [
        ("with_issuer", None),
        ("with_issuer", "https://evil.example"),
        ("oauth", "https://evil.example"),
        ("oauth", "https://["),
    ],
)
async def test_an_answer_of_another_issuer_is_refused(
    world: ConsentWorld, browser: Browser, method: str, issuer: str | None
) -> None:
    made = await world.begin(method)
    world.mail.issuer = issuer
    await browser.post(made["authorize_url"])
    assert browser.status == 400
    assert world.mail.exchanged == []
    await assert_untouched(world)


@pytest.mark.parametrize("issuer", [None, "https://api.mail.example"])
async def test_without_a_declared_issuer_the_vendors_own_hosts_are_let_through(
    world: ConsentWorld, issuer: str | None
) -> None:
    world.mail.issuer = issuer or world.mail.url
    assert (await world.connected("oauth"))["health"]["status"] == "healthy"


async def test_the_declared_issuer_is_let_through(world: ConsentWorld) -> None:
    world.mail.issuer = world.mail.url
    assert (await world.connected("with_issuer"))["health"]["status"] == "healthy"


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "text": "<html>log in</html>", "content_type": "text/html"},
        {"status": 500, "text": "oops"},
        {"status": 200, "text": '{"error": "bad_verification_code"}', "content_type": "application/json"},
        {"status": 200, "text": '{"token_type": "bearer"}', "content_type": "application/json"},
    ],
)
async def test_a_bad_token_answer_connects_nothing_and_is_not_asked_for_again(
    world: ConsentWorld, browser: Browser, answer: dict[str, Any]
) -> None:
    made = await world.begin()
    world.mail.answer = web.Response(**answer)
    html = await browser.post(made["authorize_url"])
    assert "Mail gave no access" in html
    assert len(world.mail.exchanged) == 1
    await assert_untouched(world)


async def test_somebody_may_say_that_it_is_not_the_account(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    html = await browser.decide(await browser.post(made["authorize_url"]), "decline")
    assert "Nothing was connected" in html
    assert world.mail.revoked == [world.mail.issued[1]]
    await assert_untouched(world)


async def test_the_form_of_another_site_or_browser_connects_nothing(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    shown = await browser.post(made["authorize_url"])
    await browser.decide(shown, Sec_Fetch_Site="cross-site")
    assert browser.status == 403
    await browser.decide(shown, Origin="https://evil.example")
    assert browser.status == 403
    await browser.post(f"{world.gateway.url}/oauth/confirm", {"decision": "connect"})
    assert browser.status == 403
    async with world.browser() as other:
        await other.decide(shown)
        assert other.status == 404
    assert (await world.now())["health"]["status"] == "pending"


async def test_nobody_is_sent_to_the_vendor_by_another_site(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    await browser.post(made["authorize_url"], Sec_Fetch_Site="cross-site")
    assert (browser.status, world.mail.asked) == (403, [])


async def test_the_pages_allow_no_scripts_no_frames_and_no_keeping(world: ConsentWorld) -> None:
    made = await world.begin()
    async with world.session.get(made["authorize_url"]) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert f"form-action 'self' https: {world.mail.url};" in policy
        assert "script-src" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin"
    async with world.session.post(made["authorize_url"], allow_redirects=False) as answer:
        cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1200"):
        assert part in cookie
    assert "Domain" not in cookie


async def test_a_name_that_an_admin_gave_cannot_become_markup(world: ConsentWorld, browser: Browser) -> None:
    world.mail.login = "<script>alert(1)</script>"
    made = await world.begin()
    html = await browser.post(made["authorize_url"])
    assert "<script" not in html.lower()
    assert "&lt;Script&gt;" in html


async def test_a_wrong_link_leads_nowhere(world: ConsentWorld, browser: Browser) -> None:
    await world.begin()
    for secret in ("x", "a" * 43, "a" * 5000):
        await browser.get(f"{world.gateway.url}/connect/{secret}")
        assert browser.status == 404
    assert world.mail.asked == []


async def test_a_state_that_was_never_given_is_refused(world: ConsentWorld, browser: Browser) -> None:
    for query in ("", "?state=x&code=y", f"?state={'s' * 5000}"):
        await browser.get(f"{world.gateway.url}/oauth/callback{query}")
        assert browser.status == 400


async def test_no_secret_stands_in_events_pages_logs_or_the_ledger(
    world: ConsentWorld, browser: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    made = await world.begin()
    vendor = await browser.sent(made["authorize_url"])
    back = await browser.back_from(vendor)
    await browser.decide(await browser.get(back))
    world.mail.login = "bob"
    await browser.post(await world.again())
    verifiers = [fields["code_verifier"] for fields in world.mail.exchanged]
    codes = [fields["code"] for fields in world.mail.exchanged]
    states = [query["state"] for query in world.mail.asked]
    link = made["authorize_url"].rsplit("/", 1)[1]
    secrets = [*world.mail.issued, *verifiers, *codes, *states, link, browser.cookie(), CLIENT["client_secret"]]
    events = str(await world.events())
    captured = capfd.readouterr()
    ledger = b"".join(file.read_bytes() for file in world.home.path.glob("ledger.db*"))
    for secret in secrets:
        assert len(secret) > 10
        assert secret not in events
        assert secret not in captured.out + captured.err
        assert not any(secret in page for page in browser.pages)
        assert secret.encode() not in ledger
    answers = str((await world.ask("GET", "/connections"))[1])
    assert not any(secret in answers for secret in secrets)


async def test_the_link_and_the_way_back_are_below_the_public_address(pristine_home: Path, tmp_path: Path) -> None:
    shutil.copytree(pristine_home, tmp_path / "home")
    world = ConsentWorld(tmp_path / "home", public_url="https://gate.example/")
    await world.open()
    try:
        made = await world.begin()
        path = urlsplit(made["authorize_url"]).path
        assert made["authorize_url"] == f"https://gate.example{path}"
        async with world.session.post(world.gateway.url + path, allow_redirects=False) as answer:
            query = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert query["redirect_uri"] == ["https://gate.example/oauth/callback"]
    finally:
        await world.close()


async def test_a_gateway_that_browsers_reach_in_the_clear_makes_no_links(world: ConsentWorld) -> None:
    wanted = {"connector": "mail", "name": "mail/main", "method": "oauth", "credential": CLIENT}
    headers = {"Authorization": f"Bearer {world.token}", "Host": "gate.example"}
    url = f"{world.gateway.url}/v1/admin/tenants/acme/environments/prod/connections"
    async with world.session.post(url, json=wanted | {"base_url": world.mail.url}, headers=headers) as answer:
        problem = await answer.json(content_type=None)
    assert (answer.status, problem["errors"][0]["pointer"]) == (422, "/method")
    assert "GATEHOUSE_PUBLIC_URL" in problem["hint"]
    assert await world.sessions() == []
