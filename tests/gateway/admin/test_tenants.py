"""Tenants: what their writes do while replicas cannot share limits."""

from tests.gateway.admin.stage import Stage

ACME = "/v1/admin/tenants/acme"


async def test_writes_of_a_new_tenant_go_on_while_state_is_gone(stage: Stage) -> None:
    _, found, _ = await stage.ask("GET", ACME)
    assert found["when_state_is_gone"] == "continue"


async def test_an_owner_chooses_that_writes_stop_and_calls_know_it_at_once(stage: Stage) -> None:
    _, key = await stage.caller()
    before = await stage.gateway.directory.authenticate(key, "127.0.0.1")

    status, changed, _ = await stage.ask("PATCH", ACME, {"when_state_is_gone": "stop"}, role="owner")

    assert (status, changed["when_state_is_gone"]) == (200, "stop")
    after = await stage.gateway.directory.authenticate(key, "127.0.0.1")
    assert (before.agent.stops_without_state, after.agent.stops_without_state) == (False, True)


async def test_a_tenant_is_made_with_its_choice(stage: Stage) -> None:
    wanted = {"id": "bank", "when_state_is_gone": "stop"}
    status, made, _ = await stage.ask("POST", "/v1/admin/tenants", wanted, role="operator", tenant=None)
    assert (status, made["when_state_is_gone"]) == (201, "stop")


async def test_another_choice_is_refused(stage: Stage) -> None:
    status, problem, _ = await stage.ask("PATCH", ACME, {"when_state_is_gone": "panic"}, role="owner")
    assert (status, problem["code"]) == (422, "invalid_input")
