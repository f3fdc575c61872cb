"""Who may do what: every route with every role."""

import pytest

from gateway.http.admin import AdminDoor
from tests.gateway.admin.stage import E, Stage

READ = {"operator", "owner", "admin", "approver", "auditor", "engineer"}
WRITE = {"operator", "owner", "admin"}
CONNECT = WRITE | {"engineer"}
DECIDE = WRITE | {"approver"}
OWN = {"operator", "owner"}
OPERATE = {"operator"}

ROUTES = [
    ("POST", "/v1/admin/tokens", OWN),
    ("GET", "/v1/admin/tokens", OWN),
    ("GET", "/v1/admin/tokens/tok_x", OWN),
    ("DELETE", "/v1/admin/tokens/tok_x", OWN),
    ("POST", "/v1/admin/tenants", OPERATE),
    ("GET", "/v1/admin/tenants", READ),
    ("GET", "/v1/admin/tenants/acme", READ),
    ("PATCH", "/v1/admin/tenants/acme", OWN),
    ("POST", "/v1/admin/tenants/acme/environments", OWN),
    ("GET", "/v1/admin/tenants/acme/environments", READ),
    ("GET", E, READ),
    ("PATCH", E, OWN),
    ("POST", "E/agents", WRITE),
    ("GET", "E/agents", READ),
    ("GET", "E/agents/x", READ),
    ("PATCH", "E/agents/x", WRITE),
    ("POST", "E/agents/x/keys", WRITE),
    ("GET", "E/agents/x/keys", READ),
    ("GET", "E/agents/x/keys/y", READ),
    ("PATCH", "E/agents/x/keys/y", WRITE),
    ("POST", "E/agents/x/keys/y/rotate", WRITE),
    ("DELETE", "E/agents/x/keys/y", WRITE),
    ("POST", "E/connections", CONNECT),
    ("GET", "E/connections", READ),
    ("GET", "E/connections/conn_x", READ),
    ("GET", "E/connections/desk/main", READ),
    ("PATCH", "E/connections/conn_x", CONNECT),
    ("DELETE", "E/connections/conn_x", CONNECT),
    ("POST", "E/connections/conn_x/test", CONNECT),
    ("POST", "E/connections/desk/main/reconnect", CONNECT),
    ("POST", "E/grants", WRITE),
    ("GET", "E/grants", READ),
    ("GET", "E/grants/grt_x", READ),
    ("PATCH", "E/grants/grt_x", WRITE),
    ("DELETE", "E/grants/grt_x", WRITE),
    ("POST", "E/issuers", WRITE),
    ("GET", "E/issuers", READ),
    ("GET", "E/issuers/iss_x", READ),
    ("POST", "E/issuers/iss_x/test", WRITE),
    ("PATCH", "E/issuers/iss_x", WRITE),
    ("DELETE", "E/issuers/iss_x", WRITE),
    ("POST", "E/access-requests", READ),
    ("GET", "E/access-requests", READ),
    ("GET", "E/access-requests/acr_x", READ),
    ("POST", "E/access-requests/acr_x/decide", WRITE),
    ("POST", "E/freezes", DECIDE),
    ("GET", "E/freezes", READ),
    ("GET", "E/freezes/frz_x", READ),
    ("DELETE", "E/freezes/frz_x", DECIDE),
    ("GET", "E/approvals", READ),
    ("GET", "E/approvals/apr_x", READ),
    ("POST", "E/approvals/apr_x/decide", DECIDE),
    ("GET", "E/calls", READ),
    ("GET", "E/calls/call_x", READ),
    ("POST", "E/calls/call_x/resolve", WRITE),
    ("GET", "E/runs", READ),
    ("GET", "E/runs/run_x", READ),
    ("GET", "E/audit", READ),
    ("POST", "E/audit/verify", READ),
    ("GET", "E/usage", READ),
]


async def test_every_route_is_in_the_table(stage: Stage) -> None:
    known = {(method, path) for method, path, _ in ROUTES}
    assert (
        len(AdminDoor(stage.services, stage.gateway.cursors, stage.clock).routes()) == len(known) - 1
    )  # a connection's name is a second spelling of its id


@pytest.mark.parametrize("role", sorted(READ))
async def test_a_role_reaches_exactly_what_it_may(stage: Stage, role: str) -> None:
    for method, path, allowed in ROUTES:
        body = {} if method in {"POST", "PATCH"} else None
        status, answer, _ = await stage.ask(method, path, body, role=role)
        if role in allowed:
            assert status in {200, 404, 422}, (method, path, answer)
        else:
            assert (status, answer["code"]) == (403, "scope_denied"), (method, path)
            assert "operator" in answer["hint"]


async def test_without_a_valid_token_nothing_is_said(stage: Stage) -> None:
    own = await stage.token("admin")
    wrong = [
        None,
        "Bearer nonsense",
        f"Bearer {own[:-4]}AAAA",
        f"Basic {own}",
        "Bearer ghk_" + "0" * 26 + "_" + "x" * 43,
    ]
    for value in wrong:
        headers = {"Authorization": value} if value else {}
        async with stage.session.get(f"{stage.url}{E}/agents", headers=headers) as answer:
            assert answer.status == 401
            assert (await answer.json(content_type=None))["code"] == "unauthenticated"
            assert "WWW-Authenticate" in answer.headers


async def test_an_agent_key_administers_nothing(stage: Stage) -> None:
    _, key = await stage.caller()
    async with stage.session.get(f"{stage.url}{E}/agents", headers={"Authorization": f"Bearer {key}"}) as answer:
        assert answer.status == 401


async def test_another_tenant_is_not_there(stage: Stage) -> None:
    for role in ("owner", "admin", "auditor"):
        for path in ("E/agents", "E/audit", E, "/v1/admin/tenants/acme"):
            status, answer, _ = await stage.ask("GET", path, role=role, tenant="rival")
            assert (status, answer["code"]) == (404, "not_found")


async def test_a_token_of_one_environment_does_not_reach_the_other(stage: Stage) -> None:
    status, _, _ = await stage.ask("GET", "E/agents", role="admin", environment="dev")
    assert status == 404
    dev = E.replace("/prod", "/dev")
    status, _, _ = await stage.ask("GET", f"{dev}/agents", role="admin", environment="dev")
    assert status == 200
    _, page, _ = await stage.ask("GET", "/v1/admin/tenants/acme/environments", role="admin", environment="dev")
    assert [item["id"] for item in page["items"]] == ["dev"]


async def test_an_approver_of_one_environment_cannot_freeze_the_tenant(stage: Stage) -> None:
    status, answer, _ = await stage.ask("POST", "E/freezes", {"kind": "tenant"}, role="approver", environment="prod")
    assert (status, answer["code"]) == (403, "scope_denied")
    status, made, _ = await stage.ask("POST", "E/freezes", {"kind": "tenant"}, role="approver")
    assert (status, made["target"]) == (201, "acme")
    status, _, _ = await stage.ask("DELETE", f"E/freezes/{made['id']}", role="approver", environment="prod")
    assert status == 403


async def test_what_does_not_exist_is_not_there_for_operators_either(stage: Stage) -> None:
    for path in ("/v1/admin/tenants/nobody", f"{E}x/agents", "/v1/admin/tenants/nobody/environments"):
        status, answer, _ = await stage.ask("GET", path, role="operator")
        assert (status, answer["code"]) == (404, "not_found")


async def test_an_owner_makes_tokens_of_its_own_tenant_only(stage: Stage) -> None:
    wanted = {"name": "x", "role": "auditor", "tenant": "rival"}
    status, _, _ = await stage.ask("POST", "/v1/admin/tokens", wanted, role="owner")
    assert status == 404
    for role, tenant in (("operator", None), ("operator", "acme"), ("auditor", None)):
        status, _, _ = await stage.ask(
            "POST", "/v1/admin/tokens", {"name": "x", "role": role, "tenant": tenant}, role="owner"
        )
        assert status in {403, 404, 422}
    _, page, _ = await stage.ask("GET", "/v1/admin/tokens?limit=200", role="operator")
    assert {token["role"] for token in page["items"] if token["name"] == "x"} == set()
