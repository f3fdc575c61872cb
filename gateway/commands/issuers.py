"""`gatehouse issuers`."""

from typing import Annotated, Any

import typer

from gateway.commands.client import Api
from gateway.commands.remote import Limit, Version, command, group
from gateway.commands.said import given, pairs, some

Agent = Annotated[str | None, typer.Option(help="The agent that every token means.")]
AgentClaim = Annotated[str | None, typer.Option(help="The claim whose value names the agent, such as azp.")]
Agents = Annotated[
    list[str] | None, typer.Option("--map", help="A value of the agent claim and its agent: value=agent.")
]
ActorClaim = Annotated[str | None, typer.Option(help="The claim that proves for whom the agent acts, such as sub.")]
ScopeClaim = Annotated[str | None, typer.Option(help="The claim whose scopes cut the grants down, such as scope.")]
Supported = Annotated[
    list[str] | None, typer.Option("--scope-supported", help="A scope that the issuer gives, told to clients.")
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    issuers = group(app, "issuers", "Issuers: whose tokens agents may call with.")
    _reading(issuers)
    _writing(issuers)


def _reading(issuers: typer.Typer) -> None:
    @command(issuers, "list", columns=("id", "issuer", "audience", "agent", "agent_claim", "actor_claim"))
    def listed(api: Api, limit: Limit = 50) -> Any:
        """List the issuers."""
        return api.items(api.here("issuers"), limit)

    @command(issuers, "show")
    def show(api: Api, issuer: str) -> Any:
        """Show an issuer."""
        return api.get(api.here("issuers", issuer))

    @command(issuers, "test")
    def test(api: Api, issuer: str) -> Any:
        """Ask an issuer for its keys, and say what came of it."""
        return api.post(api.here("issuers", issuer, "test"))


def _writing(issuers: typer.Typer) -> None:
    @command(issuers, "create")
    def create(
        api: Api,
        issuer: Annotated[str, typer.Argument(help="Its `iss`, such as https://login.example.")],
        audience: Annotated[str, typer.Argument(help="The `aud` of tokens that are for this environment.")],
        agent: Agent = None,
        agent_claim: AgentClaim = None,
        map: Agents = None,
        actor_claim: ActorClaim = None,
        scope_claim: ScopeClaim = None,
        scope_supported: Supported = None,
    ) -> Any:
        """Let tokens of an issuer in, as an agent."""
        terms = _terms(agent, agent_claim, map, actor_claim, scope_claim, scope_supported)
        return api.post(api.here("issuers"), {"issuer": issuer, "audience": audience, **terms})

    @command(issuers, "update")
    def update(
        api: Api,
        issuer: str,
        agent: Agent = None,
        agent_claim: AgentClaim = None,
        map: Agents = None,
        actor_claim: ActorClaim = None,
        scope_claim: ScopeClaim = None,
        scope_supported: Supported = None,
        if_version: Version = None,
    ) -> Any:
        """Change whom an issuer's tokens mean. A map that is given replaces the one that is there."""
        terms = _terms(agent, agent_claim, map, actor_claim, scope_claim, scope_supported)
        return api.patch(api.here("issuers", issuer), some(**terms), if_version)

    @command(issuers, "delete")
    def delete(api: Api, issuer: str, if_version: Version = None) -> Any:
        """Refuse an issuer's tokens from now on."""
        return api.delete(api.here("issuers", issuer), if_version)


def _terms(
    agent: str | None,
    agent_claim: str | None,
    mapped: list[str] | None,
    actor_claim: str | None,
    scope_claim: str | None,
    supported: list[str] | None,
) -> dict[str, Any]:
    return given(
        agent=agent,
        agent_claim=agent_claim,
        agents=pairs(mapped, "--map") or None,
        actor_claim=actor_claim,
        scope_claim=scope_claim,
        scopes_supported=supported or None,
    )
