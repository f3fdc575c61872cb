"""Admin tokens and tenants."""

import asyncio

import pytest

from connectors.sdk.errors import Conflict
from gateway.admin.tenants import NewTenant
from tests.gateway.admin.stage import BY, E, Stage


async def test_the_last_owner_and_the_last_operator_cannot_be_revoked(stage: Stage) -> None:
    await stage.token("owner")
    _, page, _ = await stage.ask("GET", "/v1/admin/tokens", role="operator")
    by_role = {token["role"]: token["id"] for token in page["items"]}
    for role in ("owner", "operator"):
        status, problem, _ = await stage.ask("DELETE", f"/v1/admin/tokens/{by_role[role]}", role="operator")
        assert (status, problem["code"]) == (409, "conflict")
    wanted = {"name": "second", "role": "owner", "tenant": "acme"}
    assert (await stage.ask("POST", "/v1/admin/tokens", wanted, role="operator"))[0] == 201
    status, gone, _ = await stage.ask("DELETE", f"/v1/admin/tokens/{by_role['owner']}", role="operator")
    assert (status, gone["deleted"]) == (200, True)
    assert (await stage.ask("GET", "E/agents", role="owner"))[0] == 401


async def test_an_owner_that_will_expire_does_not_count_once_it_has(stage: Stage) -> None:
    await stage.token("owner")
    wanted = {"name": "second", "role": "owner", "tenant": "acme", "expires_at": "2026-01-06T00:00:00Z"}
    _, second, _ = await stage.ask("POST", "/v1/admin/tokens", wanted, role="operator")
    stage.clock.forward(days=2)
    _, page, _ = await stage.ask("GET", "/v1/admin/tokens", role="owner")
    first = next(token["id"] for token in page["items"] if token["id"] != second["id"])
    assert (await stage.ask("DELETE", f"/v1/admin/tokens/{first}", role="owner"))[0] == 409


async def test_two_owners_that_revoke_each_other_leave_one(stage: Stage) -> None:
    await stage.token("owner")
    wanted = {"name": "second", "role": "owner", "tenant": "acme"}
    await stage.ask("POST", "/v1/admin/tokens", wanted, role="operator")
    _, page, _ = await stage.ask("GET", "/v1/admin/tokens", role="owner")
    asked = [
        stage.ask("DELETE", f"/v1/admin/tokens/{token['id']}", role="operator")
        for token in page["items"]
        if token["role"] == "owner"
    ]
    assert sorted(status for status, _, _ in await asyncio.gather(*asked)) == [200, 409]


async def test_an_expired_token_says_so(stage: Stage) -> None:
    wanted = {"name": "x", "role": "auditor", "tenant": "acme", "expires_at": "2026-01-05T13:00:00Z"}
    _, made, _ = await stage.ask("POST", "/v1/admin/tokens", wanted, role="owner")
    stage.clock.forward(hours=2)
    async with stage.session.get(
        f"{stage.url}{E}/agents", headers={"Authorization": f"Bearer {made['token']}"}
    ) as answer:
        assert answer.status == 401
        assert (await answer.json(content_type=None))["code"] == "key_expired"


@pytest.mark.parametrize(
    "wanted",
    [
        {"role": "admin"},
        {"role": "operator", "tenant": "acme"},
        {"role": "owner", "tenant": "acme", "environment": "prod"},
        {"role": "admin", "tenant": "nobody"},
        {"role": "admin", "tenant": "acme", "environment": "nowhere"},
        {"role": "king", "tenant": "acme"},
    ],
)
async def test_a_token_that_makes_no_sense_is_refused(stage: Stage, wanted: dict[str, str]) -> None:
    status, problem, _ = await stage.ask("POST", "/v1/admin/tokens", {"name": "x", **wanted}, role="operator")
    assert (status, problem["code"]) == (422, "invalid_input")


async def test_a_tenant_is_made_once_and_keeps_its_key(stage: Stage) -> None:
    await stage.ask("POST", "E/agents", {"name": "bot"})
    made = [stage.services.tenants.create(BY, NewTenant(id="fresh")) for _ in range(3)]
    results = await asyncio.gather(*made, return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 2
    status, problem, _ = await stage.ask("POST", "/v1/admin/tenants", {"id": "acme"}, role="operator")
    assert (status, problem["code"]) == (409, "conflict")
    assert (await stage.events("agent.create"))[0]["after"]["name"] == "bot"


async def test_a_tenant_s_domains_are_kept_in_their_ascii_form(stage: Stage) -> None:
    status, changed, _ = await stage.ask(
        "PATCH", "/v1/admin/tenants/acme", {"domains": ["Bücher.example"]}, role="owner"
    )
    assert (status, changed["domains"], changed["version"]) == (200, ["xn--bcher-kva.example"], 2)
    status, problem, _ = await stage.ask("PATCH", "/v1/admin/tenants/acme", {"domains": ["no domain"]}, role="owner")
    assert (status, problem["errors"][0]["pointer"]) == (422, "/domains/0")


@pytest.mark.parametrize("id", ["a", "Acme", "acme/../x", "_acme", "x" * 41, "1st"])
async def test_a_tenant_s_id_is_a_slug(stage: Stage, id: str) -> None:
    assert (await stage.ask("POST", "/v1/admin/tenants", {"id": id}, role="operator"))[0] == 422
