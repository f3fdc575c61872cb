"""The approval page: sign in, read, decide; and what others try."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import TestServer

from gateway.http.approval_page import ApprovalPage
from tests.gateway.admin.stage import Stage, staged

EVIL = '<script>alert(1)</script> "quoted" \u202ereversed'


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = await staged(tmp_path / "home")
    yield made
    await made.stop()


@pytest.fixture
async def person(stage: Stage) -> AsyncIterator[ClientSession]:
    async with ClientSession(stage.url, cookie_jar=CookieJar(unsafe=True)) as session:
        yield session


async def park(stage: Stage, title: str = EVIL) -> tuple[str, str, str]:
    """Return an agent's key, a parked call's id and the path of its page."""
    _, key = await stage.caller()
    _, call = await stage.call(key, "desk.ticket.create", {"queue": "it", "title": title})
    return key, str(call["id"]), str(call["approval"]["page"])


async def sign_in(person: ClientSession, page: str, token: str) -> tuple[int, str]:
    async with person.post(f"{page}/login", data={"token": token}) as answer:
        return answer.status, await answer.text()


def csrf_of(html: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found is not None
    return unescape(found.group(1))


async def decide(person: ClientSession, page: str, html: str, decision: str, **more: str) -> tuple[int, str]:
    form = {"csrf": csrf_of(html), "decision": decision, "comment": ""} | more
    async with person.post(f"{page}/decide", data=form) as answer:
        return answer.status, await answer.text()


async def test_a_person_signs_in_reads_and_approves(stage: Stage, person: ClientSession) -> None:
    key, call, page = await park(stage)
    async with person.get(page) as answer:
        assert 'name="token"' in await answer.text()
    status, html = await sign_in(person, page, await stage.token("approver"))
    assert status == 200
    for fact in ("Open a ticket", "bot", "desk/main", "creates", f"POST {stage.desk.url}/tickets", "2026-01-06"):
        assert fact in html
    status, html = await decide(person, page, html, "approve", comment="fine by me")
    assert status == 200
    assert "This approval is approved" in html
    assert "fine by me" in html
    assert 'value="approve"' not in html
    assert (await stage.ended(key, call))["status"] == "succeeded"
    assert len(stage.desk.tickets) == 1


async def test_a_person_denies_with_a_comment(stage: Stage, person: ClientSession) -> None:
    key, call, page = await park(stage)
    _, html = await sign_in(person, page, await stage.token("approver"))
    _, html = await decide(person, page, html, "deny", comment="ask <b>first</b>")
    assert "ask &lt;b&gt;first&lt;/b&gt;" in html
    assert (await stage.ended(key, call))["status"] == "denied"
    assert stage.desk.tickets == []


async def test_what_an_agent_says_cannot_become_markup_or_hide(stage: Stage, person: ClientSession) -> None:
    _, _, page = await park(stage)
    _, html = await sign_in(person, page, await stage.token("approver"))
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "\u202e" not in html
    assert "\\u{202e}reversed" in html


async def test_the_page_allows_no_scripts_no_frames_and_no_keeping(stage: Stage, person: ClientSession) -> None:
    _, _, page = await park(stage)
    async with person.get(page) as answer:
        policy = answer.headers["Content-Security-Policy"]
        nonce = re.search(r"'nonce-([^']+)'", policy)
        assert nonce is not None
        assert f'<style nonce="{nonce.group(1)}">' in await answer.text()
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "script-src" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_session_is_a_sealed_cookie_that_scripts_and_other_sites_do_not_get(
    stage: Stage, person: ClientSession
) -> None:
    _, _, page = await park(stage)
    token = await stage.token("approver")
    async with person.post(f"{page}/login", data={"token": token}, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, page)
        cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("gatehouse_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "tok_" not in cookie
    assert token not in cookie


@pytest.mark.parametrize("shown", ["nonsense", "gha_" + "0" * 26 + "_" + "x" * 43, ""])
async def test_a_wrong_token_signs_nobody_in(stage: Stage, person: ClientSession, shown: str) -> None:
    _, _, page = await park(stage)
    status, html = await sign_in(person, page, shown)
    assert status == 401
    assert 'name="token"' in html
    assert "No valid credential" in html


async def test_an_agent_key_signs_nobody_in(stage: Stage, person: ClientSession) -> None:
    key, _, page = await park(stage)
    assert (await sign_in(person, page, key))[0] == 401


async def test_a_revoked_token_ends_the_session(stage: Stage, person: ClientSession) -> None:
    _, _, page = await park(stage)
    token = await stage.token("approver")
    _, html = await sign_in(person, page, token)
    id = "tok_" + token.split("_")[1]
    assert (await stage.ask("DELETE", f"/v1/admin/tokens/{id}", role="operator"))[0] == 200
    _, html = await decide(person, page, html, "approve")
    assert 'name="token"' in html
    assert stage.desk.tickets == []


async def test_a_session_ends_by_itself(stage: Stage, person: ClientSession) -> None:
    _, _, page = await park(stage)
    _, html = await sign_in(person, page, await stage.token("approver"))
    stage.clock.forward(minutes=31)
    _, html = await decide(person, page, html, "approve")
    assert 'name="token"' in html
    assert stage.desk.tickets == []


async def test_a_form_without_its_own_token_decides_nothing(stage: Stage, person: ClientSession) -> None:
    key, _, page = await park(stage)
    _, html = await sign_in(person, page, await stage.token("approver"))
    _, other = await stage.call(key, "desk.ticket.create", {"queue": "it", "title": "other"})
    async with person.get(other["approval"]["page"]) as answer:
        of_other = csrf_of(await answer.text())
    for csrf in ("", "forged", of_other):
        status, _ = await decide(person, page, html, "approve", csrf=csrf)
        assert status == 403
    async with ClientSession(stage.url, cookie_jar=CookieJar(unsafe=True)) as somebody:
        await sign_in(somebody, page, await stage.token("approver"))
        status, _ = await decide(somebody, page, html, "approve")
        assert status == 403
    assert stage.desk.tickets == []


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
async def test_another_site_s_form_decides_nothing(
    stage: Stage, person: ClientSession, headers: dict[str, str]
) -> None:
    _, _, page = await park(stage)
    _, html = await sign_in(person, page, await stage.token("approver"))
    form = {"csrf": csrf_of(html), "decision": "approve"}
    for path, data in (("decide", form), ("login", {"token": await stage.token("approver")})):
        async with person.post(f"{page}/{path}", data=data, headers=headers) as answer:
            assert answer.status == 403
    assert stage.desk.tickets == []


async def test_who_may_not_decide_is_told_so(stage: Stage, person: ClientSession) -> None:
    _, _, page = await park(stage)
    for role, tenant, status in (("auditor", "acme", 403), ("engineer", "acme", 403), ("owner", "rival", 404)):
        found, html = await sign_in(person, page, await stage.token(role, tenant))
        assert found == status
        assert "desk/main" not in html
        assert "Printer" not in html


async def test_what_does_not_exist_looks_like_what_is_another_tenant_s(stage: Stage, person: ClientSession) -> None:
    _, _, page = await park(stage)
    missing = "/approvals/apr_" + "0" * 26
    async with person.get(missing) as answer:
        before = re.sub(r"nonce=\"[^\"]+\"|apr_\w+", "", await answer.text())
    async with person.get(page) as answer:
        assert re.sub(r"nonce=\"[^\"]+\"|apr_\w+", "", await answer.text()) == before
    assert (await sign_in(person, missing, await stage.token("approver")))[0] == 404


async def test_a_decided_approval_says_so_to_who_comes_late(stage: Stage, person: ClientSession) -> None:
    _, _, page = await park(stage)
    _, html = await sign_in(person, page, await stage.token("approver"))
    await decide(person, page, html, "deny")
    status, html = await decide(person, page, html, "approve")
    assert status == 409
    assert "This approval is denied" in html
    assert stage.desk.tickets == []


async def test_an_approval_whose_time_ran_out_has_no_buttons(stage: Stage, person: ClientSession) -> None:
    _, _, page = await park(stage)
    stage.clock.forward(days=2)
    _, html = await sign_in(person, page, await stage.token("approver"))
    assert "Nobody decided in time" in html
    assert 'value="approve"' not in html


async def test_signing_out_ends_the_session(stage: Stage, person: ClientSession) -> None:
    _, _, page = await park(stage)
    _, html = await sign_in(person, page, await stage.token("approver"))
    async with person.post(f"{page}/logout", data={"csrf": csrf_of(html)}) as answer:
        assert 'name="token"' in await answer.text()


async def test_a_form_that_is_none_is_refused(stage: Stage, person: ClientSession) -> None:
    _, _, page = await park(stage)
    async with person.post(f"{page}/login", json={"token": "x"}) as answer:
        assert answer.status == 400
    async with person.post(f"{page}/login", data={"token": "x" * 100_000}) as answer:
        assert answer.status == 413


async def test_behind_https_the_cookie_is_bound_to_the_host(stage: Stage) -> None:
    key, call, path = await park(stage)
    g = stage.gateway
    page = ApprovalPage(g.admin.tokens, g.admin.decisions, g.approvals, g.cursors, stage.clock, "https://gate.example")
    application = web.Application()
    application.add_routes(page.routes())
    async with TestServer(application, host="127.0.0.1") as server, ClientSession(server.make_url("/")) as person:
        login, token = f"{path}/login", await stage.token("approver")
        async with person.post(login, data={"token": token}, allow_redirects=False) as answer:
            cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-gatehouse=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        headers = {"Cookie": cookie.partition(";")[0]}
        async with person.get(path, headers=headers) as answer:
            form = {"csrf": csrf_of(await answer.text()), "decision": "approve"}
        for origin, status in (("http://127.0.0.1", 403), ("https://gate.example", 303)):
            given = headers | {"Origin": origin}
            async with person.post(f"{path}/decide", data=form, headers=given, allow_redirects=False) as answer:
                assert answer.status == status
    assert (await stage.ended(key, call))["status"] == "succeeded"
