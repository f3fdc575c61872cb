"""An issuer as an environment has registered it, and what it lets a token prove."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from gateway.call import Proved
from gateway.federation.refusal import TokenRefused
from scopes.scope import ScopeSyntaxError, parse

LONGEST_VALUE = 256  # characters of an agent's or an actor's name


@dataclass(frozen=True, slots=True)
class Registration:
    """Whose tokens mean whom. `agents` maps values of the agent claim to ids; without it a value names an agent."""

    id: str
    tenant: str
    environment: str
    issuer: str
    audience: str
    agent: str | None
    agent_claim: str | None
    agents: Mapping[str, str] | None
    actor_claim: str | None
    scope_claim: str | None

    def proved(self, claims: Mapping[str, Any]) -> Proved:
        """Return what verified claims prove. Raises `TokenRefused` for one that is missing or says nothing."""
        return Proved(
            issuer=self.id,
            agent=_name(claims, self.agent_claim) if self.agent_claim is not None else None,
            actor=_name(claims, self.actor_claim) if self.actor_claim is not None else None,
            actor_claim=self.actor_claim,
            scopes=_scopes(claims, self.scope_claim) if self.scope_claim is not None else None,
        )

    def agent_of(self, proved: Proved) -> str:
        """Return the agent, by id or name, that something proved means as this is registered now.

        Raises `TokenRefused` where it would not be proved any more: calls that waited are held to it too.
        """
        if proved.actor_claim != self.actor_claim or (self.scope_claim is not None and proved.scopes is None):
            raise TokenRefused("the issuer is registered in another way now")
        if self.agent_claim is None:
            if proved.agent is not None or self.agent is None:
                raise TokenRefused("the issuer is registered in another way now")
            return self.agent
        if proved.agent is None:
            raise TokenRefused("the issuer is registered in another way now")
        found = proved.agent if self.agents is None else self.agents.get(proved.agent)
        if found is None:
            raise TokenRefused("it names no agent that is mapped")
        return found


def value_at(claims: Mapping[str, Any], claim: str) -> object:
    """Return a claim's value, by its name or by a JSON pointer (RFC 6901) into objects; None where it is not there."""
    if not claim.startswith("/"):
        return claims.get(claim)
    value: object = claims
    for part in claim[1:].split("/"):
        if not isinstance(value, dict):
            return None
        value = cast("dict[str, object]", value).get(part.replace("~1", "/").replace("~0", "~"))
    return value


def _name(claims: Mapping[str, Any], claim: str) -> str:
    value = value_at(claims, claim)
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_VALUE or not value.isprintable():
        raise TokenRefused("a claim that it must have is missing or cannot be read")
    return value


def _scopes(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """Return the scopes that are the gateway's, as a text with spaces between them (RFC 8693) or a list has them."""
    value = value_at(claims, claim)
    listed = value.split() if isinstance(value, str) else value if value is not None else []
    if not isinstance(listed, list):
        raise TokenRefused("its scopes cannot be read")
    return tuple(sorted({one for one in cast("list[object]", listed) if isinstance(one, str) and _is_scope(one)}))


def _is_scope(text: str) -> bool:
    try:
        parse(text)
    except ScopeSyntaxError:
        return False  # other services' scopes stand beside ours
    return True
