"""What particular reads and writes make of their inputs and of Zendesk's answers."""

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from connectors.sdk import Response, UpstreamInvalidResponse, UpstreamNotFound
from connectors.sdk.errors import ConnectionUnhealthy, InvalidCursor
from connectors.sdk.exchange import FileContent
from connectors.sdk.simulator import Answer
from connectors.sdk.upstream import read
from connectors.zendesk import custom_field, zendesk
from connectors.zendesk.connector import account
from connectors.zendesk.permissions import missing, oauth_scopes
from connectors.zendesk.simulator import ZendeskSimulator
from connectors.zendesk.ticket import Many

FILE = "file_00000000000000000000000000"


async def read_all(driver: Any, name: str, given: dict[str, Any], limit: int) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        page = await driver.run(name, {**given, "limit": limit, "cursor": cursor})
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_a_list_with_cursors_is_read_to_its_last_page(limit: int, driver: Any) -> None:
    for number in range(3):
        await driver.run("zendesk.ticket.create", {"subject": f"Number {number}", "body": "x"}, f"{number:032x}")

    found = await read_all(driver, "zendesk.ticket.list", {"sort": "id"}, limit)

    assert [ticket.id for ticket in found] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_a_search_is_read_to_its_last_page(limit: int, driver: Any) -> None:
    found = await read_all(driver, "zendesk.ticket.search", {"query": "status<solved"}, limit)

    assert sorted(ticket.id for ticket in found) == [1, 2, 3]


async def test_a_search_ends_before_the_results_that_zendesk_refuses(simulator: ZendeskSimulator, driver: Any) -> None:
    for number in range(10, 1_110):
        ticket = simulator.world.tickets[1]
        simulator.world.tickets[number] = type(ticket)(number, "Bulk", 360008, 360008, ticket.brand_id, 0, 0)

    found = await read_all(driver, "zendesk.ticket.search", {"query": "bulk"}, 30)

    assert len(found) == 990


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "999999"])
async def test_a_page_number_that_is_none_is_refused_before_anything_is_sent(cursor: str, driver: Any) -> None:
    with pytest.raises(InvalidCursor):
        await driver.run("zendesk.ticket.search", {"query": "x", "cursor": cursor})

    assert driver.sent == []


@pytest.mark.parametrize("meta", [{}, {"meta": {}}, {"meta": {"has_more": True}}])
def test_an_answer_without_paging_is_not_taken_for_the_last_page(meta: dict[str, Any]) -> None:
    with pytest.raises(UpstreamInvalidResponse, match="/meta"):
        read(Many, Response(200, {}, orjson.dumps({"tickets": [], **meta})))


@pytest.mark.parametrize("answer", [[], {}, {"audit": {"created_at": "x", "events": []}}, {"audit": {"events": [{}]}}])
async def test_an_answer_that_names_no_comment_is_not_taken_for_one(
    answer: Any, simulator: ZendeskSimulator, driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator, "respond", lambda call: Answer.of(answer))

    with pytest.raises(UpstreamInvalidResponse):
        await driver.run("zendesk.comment.create", {"ticket_id": 1, "body": "x"})


async def test_a_ticket_is_found_by_its_id_in_another_system(driver: Any) -> None:
    await driver.run("zendesk.ticket.update", {"ticket_id": 2, "external_id": "erp-5"})

    page = await driver.run("zendesk.ticket.list", {"external_id": "erp-5"})

    assert [ticket.id for ticket in page.items] == [2]


async def test_a_deleted_ticket_comes_back(driver: Any) -> None:
    await driver.run("zendesk.ticket.delete", {"ticket_id": 1})
    gone = await driver.run("zendesk.ticket.list", {})
    await driver.run("zendesk.ticket.restore", {"ticket_id": 1})

    assert 1 not in {ticket.id for ticket in gone.items}
    assert (await driver.run("zendesk.ticket.get", {"ticket_id": 1})).subject == "My printer is on fire"


async def test_custom_fields_go_there_and_back(driver: Any) -> None:
    fields = (await driver.run("zendesk.ticket_field.list", {})).items
    order, product = (field for field in fields if field.removable)

    values = {str(order.id): "A-17", str(product.id): product.options[0].value}
    await driver.run("zendesk.ticket.update", {"ticket_id": 1, "custom_fields": values})

    assert (await driver.run("zendesk.ticket.get", {"ticket_id": 1})).custom_fields == values


@pytest.mark.parametrize("fields", [{"name": "x"}, {"1": {"a": 1}}, {"1": [1]}, {"": "x"}])
async def test_custom_fields_of_another_form_are_refused(fields: dict[str, Any], driver: Any) -> None:
    with pytest.raises(ValidationError):
        await driver.run("zendesk.ticket.update", {"ticket_id": 1, "custom_fields": fields})

    assert driver.sent == []


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        ({"1": "5"}, {"1": 5}, True),
        ({"1": None}, {"1": ""}, True),
        ({"1": None}, {"1": False}, True),
        ({"1": True}, {"1": True}, True),
        ({"1": ["b", "a"]}, {"1": ["a", "b"]}, True),
        ({"1": "x"}, {"1": "y"}, False),
        ({}, {"1": "y"}, False),
    ],
)
def test_values_are_compared_as_zendesk_gives_them_back(found: Any, wanted: Any, same: bool) -> None:
    assert custom_field.holds(found, wanted) is same


async def test_a_file_goes_up_with_a_reply_and_down_again(simulator: ZendeskSimulator, driver: Any) -> None:
    driver.uploads[FILE] = FileContent(b"\x89PNG", "image/png")
    upload = await driver.run("zendesk.attachment.create", {"file": {"file": FILE}, "name": "a b.png"})
    comment = await driver.run("zendesk.comment.reply", {"ticket_id": 1, "body": "See.", "uploads": [upload.token]})
    listed = await driver.run("zendesk.comment.list", {"ticket_id": 1, "order": "newest"})

    given = {"ticket_id": 1, "attachment_id": comment.attachments[0].id}
    stored = await driver.run("zendesk.attachment.download", given)

    assert listed.items[0].attachments == comment.attachments
    assert (stored.media_type, driver.saved[0].content) == ("image/png", b"\x89PNG")
    assert driver.sent[-1].origin is None
    assert driver.sent[-1].download


async def test_an_attachment_of_another_ticket_is_not_downloaded(
    simulator: ZendeskSimulator, arrange: Any, driver: Any
) -> None:
    given = arrange(simulator)["zendesk.attachment.download"]

    with pytest.raises(UpstreamNotFound):
        await driver.run("zendesk.attachment.download", {**given, "ticket_id": 3})

    assert not [request for request in driver.sent if "token" in request.path]


async def test_nothing_is_asked_of_an_address_that_an_attachment_names(
    simulator: ZendeskSimulator, arrange: Any, driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.zendesk.simulator import render

    given = arrange(simulator)["zendesk.attachment.download"]
    shown = render.file
    monkeypatch.setattr(render, "file", lambda one, root: {**shown(one, root), "content_url": "https://evil.example/x"})

    with pytest.raises(UpstreamInvalidResponse):
        await driver.run("zendesk.attachment.download", given)

    assert len(driver.sent) == 1


async def test_a_new_customer_gets_no_mail_and_no_rights(driver: Any) -> None:
    user = await driver.run("zendesk.user.create", {"name": "Eve", "email": "eve@globex.example"})

    sent = orjson.loads(driver.sent[0].body)["user"]
    assert user.role == "end-user"
    assert (sent["role"], sent["skip_verify_email"]) == ("end-user", True)


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("user.search", {}),
        ("user.search", {"query": "x", "external_id": "y"}),
        ("organization.search", {}),
        ("ticket.update", {"ticket_id": 1}),
        ("ticket.update", {"ticket_id": 1, "status": "closed"}),
        ("ticket.assign", {"ticket_id": 1}),
        ("ticket.add_tag", {"ticket_id": 1, "tags": ["two words"]}),
        ("ticket.update_many", {"ticket_ids": [1]}),
        ("ticket.search", {"query": "type:user"}),
        ("ticket.create_public", {"subject": "x", "body": "x"}),
        ("comment.reply", {"ticket_id": 1, "body": "x", "public": False}),
        ("user.create", {"name": "x", "email": "x@example.com", "role": "admin"}),
        ("user.update", {"user_id": 1}),
        ("attachment.create", {"name": "x"}),
    ],
)
async def test_an_input_that_says_too_little_or_too_much_is_refused(
    action: str, given: dict[str, Any], driver: Any
) -> None:
    with pytest.raises(ValidationError):
        await driver.run(f"zendesk.{action}", given)

    assert driver.sent == []


async def test_a_macro_is_shown_and_not_applied(simulator: ZendeskSimulator, driver: Any) -> None:
    macro = next(iter(simulator.world.macros))

    shown = await driver.run("zendesk.macro.preview", {"ticket_id": 1, "macro_id": macro})

    assert (shown.status, shown.comment_public) == ("pending", True)
    assert simulator.world.tickets[1].status == "new"


async def test_a_job_tells_what_became_of_each_ticket(simulator: ZendeskSimulator, driver: Any) -> None:
    simulator.world.tickets[2].status = "closed"
    begun = await driver.run("zendesk.ticket.update_many", {"ticket_ids": [1, 2], "add_tags": ["backlog"]})

    job = await driver.run("zendesk.job.get", {"job_id": begun.id})

    assert (begun.status, begun.results) == ("queued", [])
    assert [(result.id, result.success) for result in job.results] == [(1, True), (2, False)]
    assert simulator.world.tickets[1].tags == ["backlog"]


async def test_the_history_tells_who_changed_what(driver: Any) -> None:
    await driver.run("zendesk.ticket.update", {"ticket_id": 1, "priority": "high"})

    page = await driver.run("zendesk.audit.list", {"ticket_id": 1})

    event = page.items[-1].events[0]
    assert (event.type, event.field_name, event.value, event.previous_value) == ("Change", "priority", "high", None)


async def test_the_account_is_the_user_behind_the_credential(driver: Any) -> None:
    found = await driver.do(account(driver.api(), "token"))

    assert (found.label, found.granted) == ("agent@acme.example", None)


async def test_an_anonymous_answer_is_no_account(simulator: ZendeskSimulator, driver_for: Any) -> None:
    driver = driver_for(simulator.url, "")

    with pytest.raises(ConnectionUnhealthy):
        await driver.do(account(driver.api(), "token"))


@pytest.mark.parametrize(
    ("needed", "asked"),
    [
        ({"tickets:read", "tickets:write"}, {"tickets:read", "tickets:write"}),
        ({"tickets:read", "read", "tickets:write"}, {"read", "tickets:write"}),
        ({"read", "write", "users:write"}, {"read", "write"}),
        (set(), {"users:read"}),
    ],
)
def test_oauth_asks_for_the_least_and_never_for_nothing(needed: set[str], asked: set[str]) -> None:
    assert oauth_scopes(frozenset(needed)) == asked


def test_a_wide_scope_holds_the_narrow_ones_of_its_kind() -> None:
    needed = frozenset({"tickets:read", "tickets:write", "read"})

    assert missing("oauth", frozenset({"read"}), needed) == {"tickets:write"}
    assert missing("oauth", frozenset({"tickets:read", "tickets:write"}), needed) == {"read"}
    assert missing("token", frozenset(), needed) == frozenset()


def test_a_connection_without_an_account_of_its_own_matches_no_host() -> None:
    host = zendesk.base_url.removeprefix("https://")

    assert not any(pattern.matches(host) for pattern in zendesk.hosts)
    assert any(pattern.matches("acme.zendesk.com") for pattern in zendesk.hosts)
