"""Authorizing a connection: whose account, which address, what a crash leaves, what is taken back."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from credentials import Where
from sqlalchemy import text

from connectors.sdk import Account
from gateway.admin.connections import Accepted
from gateway.admin.roles import Role
from gateway.admin.tokens import NewToken
from tests.gateway.consenting import BY, PLACE, Browser, ConsentWorld
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


async def test_what_is_connected_refreshes_as_any_other(world: ConsentWorld) -> None:
    now = await world.connected()
    stored = await world.stored(now["id"])
    assert stored is not None
    assert stored.fields.keys() == {
        *CLIENT,
        "access_token",
        "refresh_token",
        "expires_at",
        "scope",
        "authorization",
    }
    assert now["health"]["granted"] == ["letters.read", "offline_access"]
    assert now["version"] == 2


async def test_only_the_connection_keeps_tokens_afterwards(world: ConsentWorld) -> None:
    await world.connected()
    [session] = await world.sessions()
    assert session.step == "done"
    assert await world.stored(session.client) is None
    assert await world.stored(session.candidate) is None
    assert (session.state, session.verifier) == (None, None)


async def test_another_account_on_a_reconnect_changes_nothing_and_its_tokens_are_ended(
    world: ConsentWorld, browser: Browser
) -> None:
    before = await world.connected()
    credential = await world.stored(before["id"])
    world.mail.login = "bob"
    html = await browser.post(await world.again())
    assert browser.status == 409
    assert "nothing was changed" in html
    assert await world.now() == before
    assert await world.stored(before["id"]) == credential
    assert world.mail.revoked == [world.mail.issued[3]]
    [ended] = await world.told("connection.authorize_ended")
    assert "Bob" in ended["after"]["reason"]
    assert ended["by"]["address"] == "127.0.0.1"
    assert ended["by"]["name"] == "Olga"


async def test_the_old_credential_serves_until_the_new_one_is_accepted(world: ConsentWorld, browser: Browser) -> None:
    before = await world.connected()
    agent = await world.agent("bot")
    grant = {"agent": "bot", "connection": "mail/main", "scopes": ["mail:letter:*"], "autonomy": "auto"}
    await world.ask("POST", "/grants", grant)
    shown = await browser.post(await world.again())
    assert (await agent.run("mail.letter.get", {"box": "in"})).status == 200
    assert world.mail.seen[-1] == ("/letters/in", world.mail.issued[0])
    await browser.decide(shown)
    after = await world.now()
    assert (after["version"], after["account"]) == (before["version"] + 1, before["account"])
    assert after["health"]["granted"] == ["letters.read", "letters.write", "offline_access"]
    stored = await world.stored(after["id"])
    assert stored is not None
    assert stored.fields["access_token"] == world.mail.issued[2]
    assert world.mail.revoked == []  # some vendors end all of an account's tokens with one


async def test_the_same_account_declined_on_a_reconnect_is_not_ended_at_the_vendor(
    world: ConsentWorld, browser: Browser
) -> None:
    before = await world.connected()
    await browser.decide(await browser.post(await world.again()), "decline")
    assert world.mail.revoked == []
    assert await world.now() == before


async def test_a_reconnect_without_a_client_takes_the_stored_one(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    status, problem = await world.ask("POST", "/connections/mail/main/reconnect", {})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/credential/client_id")
    await browser.decide(await browser.post(made["authorize_url"]))
    await browser.decide(await browser.post(await world.again()))
    assert (await world.now())["version"] == 3


async def test_a_new_link_ends_the_older_one(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    shown = await browser.post(made["authorize_url"])
    link = await world.again(credential=CLIENT)
    await browser.decide(shown)
    assert browser.status == 404
    await browser.get(made["authorize_url"])
    assert browser.status == 404
    await browser.decide(await browser.post(link))
    assert (await world.now())["health"]["status"] == "healthy"


async def test_a_link_that_was_used_is_over(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    await browser.decide(await browser.post(made["authorize_url"]))
    await browser.post(made["authorize_url"])
    assert browser.status == 410
    assert len(world.mail.asked) == 1


async def test_a_link_ends_with_the_token_of_who_made_it(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    await world.gateway.admin.tokens.create(BY, NewToken(name="Otto", role=Role.OWNER, tenant="acme"))
    await world.gateway.admin.tokens.revoke(BY, world.token_id, None)
    html = await browser.post(made["authorize_url"])
    assert (browser.status, world.mail.asked) == (410, [])
    assert "may no longer" in html


async def test_nothing_is_sent_for_what_is_frozen(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    back = await browser.back_from(await browser.sent(made["authorize_url"]))
    await world.ask("POST", "/freezes", {"kind": "connection", "id": "mail/main"})
    await browser.get(back)
    assert (browser.status, world.mail.exchanged) == (423, [])


async def test_a_deleted_connection_takes_its_links_with_it(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    await world.ask("DELETE", "/connections/mail/main")
    await browser.post(made["authorize_url"])
    assert (browser.status, world.mail.asked) == (404, [])
    [session] = await world.sessions()
    await world.gateway.consents.sweep()
    assert await world.stored(session.client) is None
    assert await world.sessions() == []


async def test_a_changed_address_takes_the_links_with_it(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    await world.ask("PATCH", "/connections/mail/main", {"base_url": "https://api.mail.example"})
    await browser.post(made["authorize_url"])
    assert (browser.status, world.mail.asked) == (410, [])


async def test_a_waiting_connection_cannot_be_tested(world: ConsentWorld) -> None:
    await world.begin()
    assert (await world.ask("POST", "/connections/mail/main/test", {}))[0] == 409
    assert (await world.now())["health"]["status"] == "pending"


async def test_a_name_in_use_leaves_no_session_and_no_client(world: ConsentWorld) -> None:
    await world.begin()
    wanted = {"connector": "mail", "name": "mail/main", "method": "oauth", "credential": CLIENT}
    assert (await world.ask("POST", "/connections", wanted | {"base_url": world.mail.url}))[0] == 409
    assert len(await world.sessions()) == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"credential": {"client_id": "two words"}}, "/credential/client_id"),
        ({"credential": {"client_id": "x", "client_secret": 1}}, "/credential/client_secret"),
        ({"credential": {"client_id": "x", "refresh_token": "y"}}, "/credential/access_token"),
        ({"credential": {}}, "/credential/client_id"),
        ({"scopes": ["mail:parcel:read"]}, "/scopes"),
    ],
)
async def test_a_client_that_does_not_fit_is_refused_where_it_does_not(
    world: ConsentWorld, change: dict[str, Any], pointer: str
) -> None:
    wanted = {"connector": "mail", "name": "mail/main", "method": "oauth", "credential": CLIENT}
    status, problem = await world.ask("POST", "/connections", wanted | {"base_url": world.mail.url} | change)
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)
    assert await world.sessions() == []


# Crashes


async def test_an_account_that_was_shown_before_a_crash_can_be_connected_after_it(
    world: ConsentWorld, browser: Browser
) -> None:
    made = await world.begin()
    back = await browser.back_from(await browser.sent(made["authorize_url"]))
    await browser.get(back)
    port = world.gateway.url.rsplit(":", 1)[1]
    await world.crash()
    world.settings = world.settings.model_copy(update={"port": int(port)})
    await world.start()
    assert (await world.now())["health"]["status"] == "pending"
    await browser.get(back)
    assert browser.status == 400
    assert len(world.mail.exchanged) == 1
    await browser.decide(await browser.get(f"{world.gateway.url}/oauth/confirm"))
    assert (await world.now())["health"]["status"] == "healthy"


async def test_a_crash_while_the_code_is_exchanged_connects_nothing_and_the_link_works_again(
    world: ConsentWorld, browser: Browser
) -> None:
    made = await world.begin()
    stop = world.valve.stop("GET", "/me", "after")
    back = await browser.back_from(await browser.sent(made["authorize_url"]))
    coming = asyncio.ensure_future(browser.get(back))
    await stop.arrived.wait()
    port = world.gateway.url.rsplit(":", 1)[1]
    await world.crash()
    await asyncio.gather(coming, return_exceptions=True)
    world.settings = world.settings.model_copy(update={"port": int(port)})
    await world.start()

    [session] = await world.sessions()
    assert (session.step, (await world.now())["health"]["status"]) == ("exchanging", "pending")
    assert await world.stored(made["id"]) is None
    await browser.get(back)
    assert (browser.status, len(world.mail.exchanged)) == (400, 1)
    await browser.post(made["authorize_url"])
    assert browser.status == 409  # the exchange may still be going on, as far as others know
    world.clock.forward(minutes=3)
    await browser.decide(await browser.post(made["authorize_url"]))
    assert (await world.now())["health"]["status"] == "healthy"
    assert await world.stored(session.candidate) is None
    assert world.mail.revoked == [world.mail.issued[1]]


async def test_a_credential_that_was_placed_before_a_crash_is_not_placed_over_a_newer_one(
    world: ConsentWorld, browser: Browser
) -> None:
    """The first attempt dies after the credential was placed and before the ledger knew."""
    before = await world.connected()
    shown = await browser.post(await world.again())
    session = (await world.sessions())[-1]
    candidate = await world.stored(session.candidate)
    assert candidate is not None

    def dies(rows: Any) -> None:
        raise ConnectionAbortedError

    account = Account("id-ann", "Ann", None)
    accepted = Accepted("oauth", candidate, account, before["base_url"], before["base_url"], dies)
    with pytest.raises(ConnectionAbortedError):
        await world.gateway.admin.connections.accept(PLACE, BY, before["id"], accepted)
    assert (await world.now())["version"] == before["version"]
    placed = await world.stored(before["id"])
    assert placed is not None
    refreshed = replace(placed, fields={**placed.fields, "access_token": "refreshed-since"})
    await world.gateway.store.put(Where("acme", "prod", before["id"]), refreshed, expected=placed.version)

    await browser.decide(shown)
    assert (await world.now())["version"] == before["version"] + 1
    kept = await world.stored(before["id"])
    assert kept is not None
    assert kept.fields["access_token"] == "refreshed-since"


async def test_a_sweep_destroys_what_nobody_accepted(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    await browser.post(made["authorize_url"])
    [session] = await world.sessions()
    await world.gateway.consents.sweep()
    assert await world.stored(session.candidate) is not None
    world.clock.forward(hours=25)
    await world.gateway.consents.sweep()
    assert await world.stored(session.candidate) is None
    assert await world.stored(session.client) is None
    assert world.mail.revoked == [world.mail.issued[1]]
    assert await world.sessions() == []
    assert (await world.now())["health"]["status"] == "pending"


async def test_a_sweep_leaves_the_tokens_of_a_connection_alone(world: ConsentWorld) -> None:
    now = await world.connected()
    world.clock.forward(hours=25)
    await world.gateway.consents.sweep()
    assert await world.sessions() == []
    assert world.mail.revoked == []
    assert await world.stored(now["id"]) is not None


# Where the API is


async def test_the_address_in_the_token_answer_becomes_the_connections(world: ConsentWorld, browser: Browser) -> None:
    world.mail.home = f"{world.mail.url}/home"
    made = await world.begin("with_home")
    shown = await browser.post(made["authorize_url"])
    assert f"{world.mail.url}/home" in shown
    await browser.decide(shown)
    assert (await world.now())["base_url"] == f"{world.mail.url}/home"
    assert world.mail.seen[-1][0] == "/home/me"


@pytest.mark.parametrize(
    "home",
    [
        "https://evil.example",
        "https://api.mail.example.evil.example",
        "http://api.mail.example",
        "https://user@api.mail.example",
        "https://api.mail.example:8443",
        "https://api.mail.example/../x",
        "https://sites.mail.example",
        "javascript:alert(1)",
        7,
        None,
    ],
)
async def test_an_address_outside_the_declared_hosts_is_refused_and_the_tokens_are_ended(
    world: ConsentWorld, browser: Browser, home: object
) -> None:
    world.mail.home = home
    made = await world.begin("with_home")
    await browser.post(made["authorize_url"])
    assert browser.status == 409
    assert world.mail.seen == []
    assert (await world.now())["base_url"] == world.mail.url
    assert world.mail.revoked == [world.mail.issued[1]]


@pytest.mark.parametrize(
    ("named", "sites", "where"),
    [
        ("", [{"id": "one", "name": "One", "url": "https://one.example"}], "/site/one"),
        ("/site/two", [{"id": "one"}, {"id": "two"}], "/site/two"),
        ("", [{"id": "one"}, {"id": "one"}], "/site/one"),
        ("", [{"id": "one", "name": "One"}, {"id": "two", "name": "Two"}], None),
        ("/site/three", [{"id": "one"}], None),
        ("", [], None),
        ("", [{"id": "../evil"}], None),
        ("", {"id": "one"}, None),
    ],
)
async def test_the_site_is_the_named_or_the_only_one_and_never_just_the_first(
    world: ConsentWorld, browser: Browser, named: str, sites: object, where: str | None
) -> None:
    world.mail.sites = sites
    made = await world.begin("with_sites", base_url=world.mail.url + named)
    html = await browser.post(made["authorize_url"])
    if where is None:
        assert browser.status in {409, 502}
        assert "/me" not in {path for path, _ in world.mail.seen}
        return
    await browser.decide(html)
    assert (await world.now())["base_url"] == world.mail.url + where


async def test_another_site_on_a_reconnect_is_refused(world: ConsentWorld, browser: Browser) -> None:
    world.mail.home = f"{world.mail.url}/home"
    before = await world.connected("with_home")
    world.mail.home = f"{world.mail.url}/elsewhere"
    await browser.post(await world.again())
    assert browser.status == 409
    assert await world.now() == before


async def test_what_was_accepted_before_a_crash_can_only_be_accepted(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    shown = await browser.post(made["authorize_url"])
    statement = text("UPDATE oauth_sessions SET step='accepting'")
    await world.gateway.database.write(lambda rows: rows.execute(statement).rowcount)
    await browser.decide(shown, "decline")
    assert browser.status == 409
    await browser.post(made["authorize_url"])
    assert browser.status == 409
    assert world.mail.revoked == []
    await browser.decide(await browser.get(f"{world.gateway.url}/oauth/confirm"))
    assert (await world.now())["health"]["status"] == "healthy"


async def test_every_step_is_an_event_with_who_and_from_where(world: ConsentWorld) -> None:
    made = await world.connected()
    steps = [data for _, data in await world.events(type="admin") if data["subject"] == made["id"]]
    assert [step["what"] for step in steps] == [
        "connection.create",
        "connection.authorize_sent",
        "connection.authorize_returned",
        "connection.authorize_shown",
        "connection.authorize_accepted",
        "connection.authorized",
    ]
    session = steps[0]["after"]["authorize"]["session"]
    for step in steps:
        assert (step["by"]["name"], step["by"]["address"]) == ("Olga", "127.0.0.1")
    assert {step["by"]["by_link"] for step in steps[1:]} == {session}
    assert (steps[-1]["before"]["health"], steps[-1]["after"]["health"]) == ("pending", "healthy")


async def test_two_who_press_at_once_connect_once(world: ConsentWorld, browser: Browser) -> None:
    made = await world.begin()
    shown = await browser.post(made["authorize_url"])
    await asyncio.gather(browser.decide(shown), browser.decide(shown))
    now = await world.now()
    assert (now["health"]["status"], now["version"]) == ("healthy", 2)
    assert len(await world.told("connection.authorized")) == 1
    assert world.mail.revoked == []
    assert await world.stored(now["id"]) is not None
