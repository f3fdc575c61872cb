"""Tokens in memory follow the connection's version: who changed it may be another replica."""

from dataclasses import replace
from typing import Any, cast

from credentials import Tokens, Where

from connectors.github import github
from gateway.call import Connection
from gateway.upstream.tokens import ConnectionTokens

CONNECTION = Connection(
    id="conn_1",
    tenant="acme",
    environment="prod",
    connector="github",
    name="github/main",
    method="token",
    base_url="https://api.github.com",
    owner_actor=None,
    account=None,
    granted=None,
    health="healthy",
    health_reason=None,
    version=3,
)


class Kept:
    """Stands in for the credentials' tokens, and notes what was forgotten."""

    def __init__(self) -> None:
        self.forgotten: list[Where] = []

    def forget(self, where: Where) -> None:
        self.forgotten.append(where)

    async def token_for(self, target: object, *, method: object) -> str:
        return f"{target is not None} {method is not None}"


async def ask(tokens: ConnectionTokens, version: int) -> None:
    method: Any = github.auth["token"]
    await tokens.token(github, replace(CONNECTION, version=version), method)


async def test_a_changed_connection_drops_what_is_in_memory_of_its_credential_once() -> None:
    kept = Kept()
    tokens = ConnectionTokens(cast("Tokens", kept))

    for version in (3, 3, 4, 4):
        await ask(tokens, version)

    assert kept.forgotten == [Where("acme", "prod", "conn_1")]


async def test_a_call_that_began_before_the_change_drops_nothing() -> None:
    kept = Kept()
    tokens = ConnectionTokens(cast("Tokens", kept))

    for version in (4, 3, 4, 3):
        await ask(tokens, version)

    assert kept.forgotten == []
