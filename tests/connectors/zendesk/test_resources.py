"""A grant on one group and one user, through a whole gateway: what it lets through, and what it keeps out."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

import gateway.contract
from connectors.zendesk import zendesk
from connectors.zendesk.simulator.seed import seeded


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A bench whose agent `walled` holds every scope on the tickets of the group Support, and on one user."""
    world = seeded(0)
    support, ana = next(iter(world.groups)), list(world.users)[2]
    monkeypatch.setattr(gateway.contract, "_elsewhere", lambda connector: [f"brand/*/group/{support}", f"user/{ana}"])
    async with gateway.contract.bench_of(zendesk) as made:
        yield made


SUPPORT, BILLING = 1, 2


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("ticket.get", {}),
        ("ticket.update", {"priority": "low"}),
        ("ticket.delete", {}),
        ("ticket.add_tag", {"tags": ["x"]}),
        ("comment.list", {}),
        ("comment.create", {"body": "x"}),
        ("comment.reply", {"body": "x"}),
        ("audit.list", {}),
    ],
)
async def test_a_ticket_of_another_group_is_out_of_reach(action: str, given: dict[str, Any], bench: Any) -> None:
    theirs = await bench.run(f"zendesk.{action}", {"ticket_id": BILLING, **given}, who="walled")
    before = len(bench.simulator.applied)
    own = await bench.run(f"zendesk.{action}", {"ticket_id": SUPPORT, **given}, who="walled")

    assert (theirs.status, theirs.code) == (403, "constraint_denied")
    assert before == 0
    assert own.status == 200


@pytest.mark.parametrize(
    ("action", "given"),
    [("ticket.list", {}), ("ticket.search", {"query": "status<solved"})],
)
async def test_lists_leave_out_the_tickets_of_other_groups(action: str, given: dict[str, Any], bench: Any) -> None:
    answered = await bench.run(f"zendesk.{action}", given, who="walled")

    assert sorted(ticket["id"] for ticket in answered.body["output"]["items"]) == [1, 3]


async def test_a_new_ticket_has_to_name_the_group(bench: Any) -> None:
    new = {"subject": "x", "body": "y"}
    support, billing = bench.simulator.world.groups

    nameless = await bench.run("zendesk.ticket.create", new, who="walled")
    theirs = await bench.run("zendesk.ticket.create", {**new, "group_id": billing}, who="walled")
    own = await bench.run("zendesk.ticket.create", {**new, "group_id": support}, who="walled")

    assert (nameless.code, theirs.code, own.status) == ("constraint_denied", "constraint_denied", 200)
    assert len(bench.simulator.applied) == 1


async def test_people_are_named_one_by_one(bench: Any) -> None:
    _, berta, ana, _ = bench.simulator.world.users

    found = await bench.run("zendesk.user.search", {"query": "name:a"}, who="walled")
    theirs = await bench.run("zendesk.user.get", {"user_id": berta}, who="walled")

    assert [user["id"] for user in found.body["output"]["items"]] == [ana]
    assert theirs.code == "constraint_denied"
