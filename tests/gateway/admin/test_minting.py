"""Connections whose tokens are got with a signed assertion: where they turn out to be, and what is kept of them."""

from typing import Any

import pytest
from credentials import Where
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from tests.gateway.admin.stage import Stage


@pytest.fixture(scope="module")
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(autouse=True)
def _known(stage: Stage, pem: str) -> None:
    stage.desk.keys["robot"] = RSAKey.import_key(pem)
    stage.desk.home = f"{stage.desk.url}/home/"


def signed(pem: str, user: str = "robot") -> dict[str, Any]:
    return {"method": "jwt", "credential": {"client_id": "app", "username": user, "private_key": pem}}


async def test_a_connection_is_made_at_the_address_that_the_token_answer_names(stage: Stage, pem: str) -> None:
    made = await stage.connection(**signed(pem))
    assert made["base_url"] == f"{stage.desk.url}/home"
    assert made["account"] == {"id": "7", "label": "Robot"}
    assert made["health"]["granted"] == ["tickets.read"]
    assert stage.desk.seen == [("/home/me", "minted-1-of-robot")]
    found = await stage.gateway.store.get(Where("acme", "prod", made["id"]))
    assert found is not None
    assert found.fields.keys() == {"client_id", "username", "private_key"}


async def test_the_tokens_of_a_try_are_not_those_of_the_connection(stage: Stage, pem: str) -> None:
    await stage.connection(**signed(pem))
    status, tested, _ = await stage.ask("POST", "E/connections/desk/main/test", {})
    assert (status, tested["health"]["status"]) == (200, "healthy")
    assert stage.desk.seen[-1] == ("/home/me", "minted-2-of-robot")


async def test_an_assertion_that_the_vendor_refuses_makes_no_connection(stage: Stage, pem: str) -> None:
    wanted = {"connector": "desk", "name": "desk/main", "base_url": stage.desk.url, **signed(pem, "somebody")}
    status, problem, _ = await stage.ask("POST", "E/connections", wanted)
    assert (status, problem["errors"][0]["pointer"]) == (422, "/credential")
    assert "own words" not in str(problem)
    assert (await stage.ask("GET", "E/connections"))[1]["items"] == []
    assert stage.desk.seen == []


@pytest.mark.parametrize("home", [None, "https://evil.example", "http://api.desk.example"])
async def test_an_address_that_is_not_declared_makes_no_connection_and_gets_no_request(
    stage: Stage, pem: str, home: str | None
) -> None:
    stage.desk.home = home
    wanted = {"connector": "desk", "name": "desk/main", "base_url": stage.desk.url, **signed(pem)}
    status, problem, _ = await stage.ask("POST", "E/connections", wanted)
    assert (status, problem["errors"][0]["pointer"]) == (422, "/credential")
    assert "declare" in problem["detail"]
    assert (await stage.ask("GET", "E/connections"))[1]["items"] == []
    assert stage.desk.seen == []


async def test_reconnecting_follows_an_account_that_moved(stage: Stage, pem: str) -> None:
    await stage.connection(**signed(pem))
    stage.desk.home = stage.desk.url
    status, again, _ = await stage.ask("POST", "E/connections/desk/main/reconnect", signed(pem))
    assert (status, again["base_url"]) == (200, stage.desk.url)
    assert stage.desk.seen[-1][0] == "/me"


async def test_testing_follows_an_account_that_the_vendor_moved(stage: Stage, pem: str) -> None:
    made = await stage.connection(**signed(pem))
    stage.desk.home = stage.desk.url
    stage.gateway.tokens._entries.clear()  # its token has run out
    status, tested, _ = await stage.ask("POST", "E/connections/desk/main/test", {})
    assert (status, tested["base_url"], tested["version"]) == (200, stage.desk.url, made["version"] + 1)
    assert stage.desk.seen[-1][0] == "/me"
    moved = (await stage.events("connection.moved"))[0]
    assert (moved["before"]["base_url"], moved["after"]["base_url"]) == (f"{stage.desk.url}/home", stage.desk.url)


async def test_an_address_is_not_followed_to_another_account(stage: Stage, pem: str) -> None:
    await stage.connection(**signed(pem))
    stage.desk.home = stage.desk.url
    stage.desk.account_of_minted = 8
    stage.gateway.tokens._entries.clear()
    status, problem, _ = await stage.ask("POST", "E/connections/desk/main/test", {})
    assert (status, problem["code"]) == (409, "conflict")
    _, shown, _ = await stage.ask("GET", "E/connections/desk/main")
    assert (shown["base_url"], shown["health"]["status"]) == (f"{stage.desk.url}/home", "unhealthy")


async def test_a_host_that_turns_foreign_makes_the_connection_unhealthy(stage: Stage, pem: str) -> None:
    await stage.connection(**signed(pem))
    seen = len(stage.desk.seen)
    stage.desk.home = "https://evil.example"
    status, tested, _ = await stage.ask("POST", "E/connections/desk/main/test", {})
    assert (status, tested["health"]["status"]) == (200, "unhealthy")
    assert "'evil.example' as the API's host" in tested["health"]["reason"]
    assert len(stage.desk.seen) == seen


async def test_deleting_ends_the_token_in_use(stage: Stage, pem: str) -> None:
    await stage.connection(**signed(pem))
    await stage.ask("POST", "E/connections/desk/main/test", {})
    status, gone, _ = await stage.ask("DELETE", "E/connections/desk/main")
    assert (status, gone["revoked_at_vendor"]) == (200, True)
    assert stage.desk.revoked == ["minted-2-of-robot"]


async def test_the_least_scopes_are_asked_for(stage: Stage, pem: str) -> None:
    made = await stage.connection(**signed(pem), scopes=["desk:ticket:read"])
    assert [claims.get("scope") for claims in stage.desk.asserted] == ["tickets.read"]
    assert made["health"]["granted"] == ["tickets.read"]
    await stage.ask("POST", "E/agents", {"name": "bot"})
    await stage.ask("POST", "E/grants", {"agent": "bot", "connection": "desk/main", "scopes": ["desk:ticket:write"]})
    _, shown, _ = await stage.ask("GET", "E/connections/desk/main")
    assert shown["health"]["missing"] == ["tickets.write"]
    await stage.ask("POST", "E/connections/desk/main/reconnect", signed(pem))
    assert stage.desk.asserted[-1]["scope"] == "tickets.write"
    _, shown, _ = await stage.ask("GET", "E/connections/desk/main")
    assert shown["health"]["missing"] == []


async def test_a_scope_that_an_admin_names_is_what_is_asked_for(stage: Stage, pem: str) -> None:
    given = signed(pem)
    given["credential"]["scope"] = "tickets.read tickets.audit"
    await stage.connection(**given, scopes=["desk:*:*"])
    assert stage.desk.asserted[-1]["scope"] == "tickets.read tickets.audit"
