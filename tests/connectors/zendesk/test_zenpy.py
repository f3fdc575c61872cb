"""Zenpy, a client of others, against the simulator over TLS: it creates, reads, searches, pages and fails."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
import zenpy
from zenpy.lib.api_objects import Comment, Ticket, User
from zenpy.lib.exception import APIException, RecordNotFoundException

from connectors.zendesk.simulator import Limits, Token, ZendeskSimulator


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def vendor(authority: trustme.CA) -> AsyncIterator[ZendeskSimulator]:
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    made = ZendeskSimulator(ssl_context=served, tokens=[Token("oauth-token", scopes=frozenset({"read"}))])
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def client(
    vendor: ZendeskSimulator, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Any]:
    monkeypatch.setenv("ZENPY_FORCE_NETLOC", vendor.url.removeprefix("https://"))
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    sessions: list[requests.Session] = []

    def make(**credential: str) -> zenpy.Zenpy:
        session = requests.Session()
        session.verify, session.trust_env = str(bundle), False
        sessions.append(session)
        given = credential or {"email": "agent@acme.example", "token": "zendesk_sandbox"}
        return zenpy.Zenpy(subdomain="acme", session=session, disable_cache=True, **given)

    yield make
    for session in sessions:
        session.close()


async def test_it_opens_answers_notes_and_solves_a_ticket(vendor: ZendeskSimulator, client: Any) -> None:
    def work() -> tuple[Any, list[tuple[str, bool]], str]:
        api = client()
        new = Ticket(subject="Broken", description="See below", requester=User(name="Ida", email="ida@x.example"))
        ticket = api.tickets.create(new).ticket
        ticket.comment = Comment(body="We look into it.", public=True)
        api.tickets.update(ticket)
        ticket.comment = Comment(body="He is right.", public=False)
        ticket.status = "solved"
        api.tickets.update(ticket)
        texts = [(comment.body, comment.public) for comment in api.tickets.comments(ticket.id)]
        return ticket.id, texts, api.tickets(id=ticket.id).status

    number, texts, status = await asyncio.to_thread(work)

    assert (number, status) == (4, "solved")
    assert texts[1:] == [("We look into it.", True), ("He is right.", False)]
    assert [effect.method for effect in vendor.applied] == ["POST", "PUT", "PUT"]


async def test_it_pages_through_all_tickets_by_cursor_and_by_number(client: Any) -> None:
    def work() -> tuple[list[int], list[int]]:
        api = client()
        by_cursor = [ticket.id for ticket in api.tickets(cursor_pagination=2)]
        return by_cursor, [ticket.id for ticket in api.tickets(per_page=2)]

    assert await asyncio.to_thread(work) == ([1, 2, 3], [1, 2, 3])


async def test_it_searches_tickets_and_users(client: Any) -> None:
    def work() -> tuple[list[str], list[str]]:
        api = client()
        found = api.search("printer", type="ticket", status_less_than="solved")
        return [ticket.subject for ticket in found], [
            user.name for user in api.users.search(query="ana@globex.example")
        ]

    assert await asyncio.to_thread(work) == (["My printer is on fire"], ["Ana Silva"])


async def test_it_tags_and_untags_a_ticket(vendor: ZendeskSimulator, client: Any) -> None:
    def work() -> list[str]:
        api = client()
        api.tickets.add_tags(1, ["vip", "smoke"])
        api.tickets.delete_tags(1, ["smoke"])
        return vendor.world.tickets[1].tags

    assert await asyncio.to_thread(work) == ["vip"]


async def test_it_reads_people_groups_views_and_macros(client: Any) -> None:
    def work() -> list[Any]:
        api = client()
        view = next(iter(api.views()))
        return [
            api.users.me().email,
            [group.name for group in api.groups()],
            [organization.name for organization in api.organizations()],
            [ticket.id for ticket in api.views.tickets(view)],
            [macro.title for macro in api.macros()],
            [field.title for field in api.ticket_fields()],
        ]

    assert await asyncio.to_thread(work) == [
        "agent@acme.example",
        ["Support", "Billing"],
        ["Globex", "Initech"],
        [1, 2, 3],
        ["Ask for the order number", "Make urgent"],
        ["Subject", "Order number", "Product"],
    ]


async def test_it_uploads_a_file_and_attaches_it(vendor: ZendeskSimulator, client: Any) -> None:
    def work() -> bytes:
        api = client()
        upload = api.attachments.upload(io.BytesIO(b"content"), target_name="a.txt", content_type="text/plain")
        ticket = api.tickets(id=1)
        ticket.comment = Comment(body="Attached.", public=False, uploads=[upload.token])
        api.tickets.update(ticket)
        kept = vendor.world.tickets[1].comments[-1].files[0]
        return bytes(api.attachments.download(kept.id).getvalue())

    assert await asyncio.to_thread(work) == b"content"


async def test_what_is_absent_is_not_found(client: Any) -> None:
    with pytest.raises(RecordNotFoundException):
        await asyncio.to_thread(lambda: client().tickets(id=999))


async def test_a_refused_value_names_its_field(vendor: ZendeskSimulator, client: Any) -> None:
    with pytest.raises(APIException, match="already being used"):
        await asyncio.to_thread(lambda: client().users.create(User(name="Ana", email="ana@globex.example")))

    assert vendor.applied == []


async def test_a_wrong_token_is_refused(client: Any) -> None:
    wrong = {"email": "agent@acme.example", "token": "wrong"}

    with pytest.raises(APIException, match="authenticate"):
        await asyncio.to_thread(lambda: client(**wrong).tickets(id=1))


async def test_a_token_of_oauth_reads_and_may_not_write(client: Any) -> None:
    def work() -> str:
        api = client(oauth_token="oauth-token")
        subject: str = api.tickets(id=1).subject
        with pytest.raises(APIException, match="Forbidden"):
            api.tickets.create(Ticket(subject="x", description="y"))
        return subject

    assert await asyncio.to_thread(work) == "My printer is on fire"


async def test_it_sees_how_long_a_used_up_limit_makes_it_wait(vendor: ZendeskSimulator, client: Any) -> None:
    vendor._limits = Limits(account=0)
    vendor.seed()

    def work() -> requests.Response:
        api = client()
        return api.tickets.session.get(f"{vendor.url}/api/v2/tickets.json")

    answer = await asyncio.to_thread(work)

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


async def test_a_refreshed_token_reads_and_the_old_pair_is_dead(
    vendor: ZendeskSimulator, client: Any, tmp_path: Path
) -> None:
    given = vendor.consent().credential
    form = {
        "grant_type": "refresh_token",
        "client_id": given["client_id"],
        "client_secret": given["client_secret"],
        "refresh_token": given["refresh_token"],
    }

    def work() -> None:
        bundle = str(tmp_path / "authority.pem")
        api = client(oauth_token=given["access_token"])
        list(api.users())
        answer = requests.post(f"{vendor.url}/oauth/tokens", json=form, verify=bundle, timeout=10)
        assert answer.status_code == 200, answer.text
        assert list(client(oauth_token=answer.json()["access_token"]).users())
        with pytest.raises(APIException):
            list(client(oauth_token=given["access_token"]).users())
        again = requests.post(f"{vendor.url}/oauth/tokens", json=form, verify=bundle, timeout=10)
        assert again.status_code in (400, 401)

    await asyncio.to_thread(work)
