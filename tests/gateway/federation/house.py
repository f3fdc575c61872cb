"""An environment that has registered a stand-in issuer, and callers that show its tokens."""

from dataclasses import replace
from typing import Any

from gateway.admin.issuers import IssuerChange, NewIssuer
from gateway.admin.rows import Place
from gateway.admin.tokens import at_start
from tests.gateway.caller import Caller
from tests.gateway.federation.standin import IssuerStandIn
from tests.gateway.world import World

BY = at_start("tests")
ACME = Place("acme", "prod")


class House:
    """A world with an issuer. Its tokens name agents in the claim `azp` unless something else is registered."""

    def __init__(self, world: World, issuer: IssuerStandIn) -> None:
        self.world = world
        self.issuer = issuer

    async def register(self, place: Place = ACME, **terms: Any) -> str:
        """Register the issuer, and return the id."""
        given = {"issuer": self.issuer.url, "audience": "gatehouse"} | (terms or {"agent_claim": "azp"})
        made = await self.world.gateway.admin.issuers.create(place, BY, NewIssuer.model_validate(given))
        return str(made["id"])

    async def change(self, id: str, place: Place = ACME, **terms: Any) -> None:
        await self.world.gateway.admin.issuers.update(place, BY, id, IssuerChange.model_validate(terms), None)

    async def delete(self, id: str, place: Place = ACME) -> None:
        await self.world.gateway.admin.issuers.delete(place, BY, id, None)

    def showing(self, agent: Caller, token: str | None = None, **claims: Any) -> Caller:
        """Return the agent as it calls with a token."""
        return replace(agent, key=token or self.issuer.token(**{"azp": agent.name} | claims))
