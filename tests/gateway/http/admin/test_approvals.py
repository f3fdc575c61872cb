"""Approvals through the API: decided once, and then the call runs or ends."""

from typing import Any

from tests.gateway.admin.stage import Stage

TICKET = {"queue": "it", "title": "Printer"}


async def parked(stage: Stage) -> tuple[str, dict[str, Any], str]:
    """Return an agent's key, its parked call, and the approval's id."""
    _, key = await stage.caller()
    status, call = await stage.call(key, "desk.ticket.create", TICKET)
    assert (status, call["status"]) == (202, "pending_approval")
    return key, call, call["approval"]["id"]


async def test_an_approved_call_runs_once(stage: Stage) -> None:
    key, call, approval = await parked(stage)
    _, page, _ = await stage.ask("GET", "E/approvals?status=pending", role="approver")
    assert [item["id"] for item in page["items"]] == [approval]
    _, shown, _ = await stage.ask("GET", f"E/approvals/{approval}", role="approver")
    assert shown["shown"]["input"] == TICKET
    assert shown["shown"]["requests"][0]["url"] == f"{stage.desk.url}/tickets"
    assert stage.desk.tickets == []
    decision = {"decision": "approve", "comment": "go"}
    status, decided, _ = await stage.ask("POST", f"E/approvals/{approval}/decide", decision, role="approver")
    assert (status, decided["status"], decided["comment"]) == (200, "approved", "go")
    assert (await stage.ended(key, call["id"]))["status"] == "succeeded"
    assert len(stage.desk.tickets) == 1


async def test_a_denied_call_ends_and_sends_nothing(stage: Stage) -> None:
    key, call, approval = await parked(stage)
    seen = len(stage.desk.seen)
    decision = {"decision": "deny", "comment": "not today"}
    status, decided, _ = await stage.ask("POST", f"E/approvals/{approval}/decide", decision, role="approver")
    assert (status, decided["status"]) == (200, "denied")
    ended = await stage.ended(key, call["id"])
    assert (ended["status"], ended["error"]["code"]) == ("denied", "approval_denied")
    assert "not today" in ended["error"]["detail"]
    assert len(stage.desk.seen) == seen


async def test_a_decision_is_made_once(stage: Stage) -> None:
    _, _, approval = await parked(stage)
    await stage.ask("POST", f"E/approvals/{approval}/decide", {"decision": "deny"})
    status, problem, _ = await stage.ask("POST", f"E/approvals/{approval}/decide", {"decision": "approve"})
    assert (status, problem["code"]) == (409, "approval_already_decided")
    assert stage.desk.tickets == []


async def test_nobody_decides_after_the_time(stage: Stage) -> None:
    _, _, approval = await parked(stage)
    stage.clock.forward(days=2)
    status, problem, _ = await stage.ask("POST", f"E/approvals/{approval}/decide", {"decision": "approve"})
    assert (status, problem["code"]) == (410, "approval_expired")
    assert stage.desk.tickets == []


async def test_another_tenant_s_approval_is_not_there(stage: Stage) -> None:
    _, _, approval = await parked(stage)
    rival = f"/v1/admin/tenants/rival/environments/prod/approvals/{approval}"
    assert (await stage.ask("GET", rival, tenant="rival"))[0] == 404
    status, _, _ = await stage.ask("POST", f"{rival}/decide", {"decision": "approve"}, tenant="rival")
    assert status == 404
    assert stage.desk.tickets == []
    _, shown, _ = await stage.ask("GET", f"E/approvals/{approval}")
    assert shown["status"] == "pending"
