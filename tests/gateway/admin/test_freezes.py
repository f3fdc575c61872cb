"""Freezes: in force before they are answered, at every level, and lifted again."""

import pytest

from tests.gateway.admin.stage import Stage

READ = {"queue": "it", "number": 1}
KINDS = [
    {"kind": "tenant"},
    {"kind": "environment", "id": "prod"},
    {"kind": "connector", "id": "desk"},
    {"kind": "connection", "id": "desk/main"},
    {"kind": "agent", "id": "bot"},
]


@pytest.mark.parametrize("what", KINDS, ids=[str(kind["kind"]) for kind in KINDS])
async def test_a_freeze_stops_calls_at_once_and_lifting_it_lets_them_go(stage: Stage, what: dict[str, str]) -> None:
    stage.desk.tickets.append({"number": 1, "title": "Printer"})
    _, key = await stage.caller(autonomy="auto")
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    seen = len(stage.desk.seen)
    status, made, _ = await stage.ask("POST", "E/freezes", what | {"reason": "drill"}, role="approver")
    assert (status, made["reason"]) == (201, "drill")
    status, problem = await stage.call(key, "desk.ticket.get", READ)
    assert (status, problem["code"]) == (423, "frozen")
    assert len(stage.desk.seen) == seen
    assert [item["id"] for item in (await stage.ask("GET", "E/freezes"))[1]["items"]] == [made["id"]]
    status, gone, _ = await stage.ask("DELETE", f"E/freezes/{made['id']}", role="approver")
    assert (status, gone["deleted"]) == (200, True)
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    assert (await stage.ask("GET", "E/freezes"))[1]["items"] == []
    assert (await stage.events("freeze.lift"))[0]["before"]["lifted_at"] is None


async def test_two_freezes_hold_until_both_are_lifted(stage: Stage) -> None:
    stage.desk.tickets.append({"number": 1, "title": "Printer"})
    _, key = await stage.caller(autonomy="auto")
    ids = [(await stage.ask("POST", "E/freezes", {"kind": "agent", "id": "bot"}))[1]["id"] for _ in range(2)]
    await stage.ask("DELETE", f"E/freezes/{ids[0]}")
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 423
    await stage.ask("DELETE", f"E/freezes/{ids[1]}")
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200


async def test_a_tenant_s_freeze_is_seen_and_lifted_from_its_other_environment(stage: Stage) -> None:
    _, made, _ = await stage.ask("POST", "E/freezes", {"kind": "tenant"})
    dev = "/v1/admin/tenants/acme/environments/dev/freezes"
    assert [item["id"] for item in (await stage.ask("GET", dev))[1]["items"]] == [made["id"]]
    assert (await stage.ask("DELETE", f"{dev}/{made['id']}"))[0] == 200
    assert (await stage.ask("GET", "E/freezes"))[1]["items"] == []


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ({"kind": "agent"}, 422),
        ({"kind": "agent", "id": "nobody"}, 404),
        ({"kind": "connection", "id": "conn_x"}, 404),
        ({"kind": "connector", "id": "nothing"}, 404),
        ({"kind": "tenant", "id": "rival"}, 422),
        ({"kind": "environment", "id": "dev"}, 422),
        ({"kind": "world"}, 422),
    ],
)
async def test_a_freeze_of_nothing_is_refused(stage: Stage, what: dict[str, str], status: int) -> None:
    assert (await stage.ask("POST", "E/freezes", what))[0] == status
