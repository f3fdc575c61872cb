"""Tokens with their leases: children end with their parents, renewals stop at the longest life."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.vault_standin.clock import Clock
from bench.vault_standin.refusal import denied, invalid

DEFAULT_TTL = 32 * 86400


@dataclass(slots=True)
class Token:
    """One token. `expires_at` is None for a root token; `longest` is when no renewal helps any more."""

    id: str
    accessor: str
    policies: tuple[str, ...]
    path: str
    created_at: float
    ttl: float
    expires_at: float | None
    longest: float | None
    renewable: bool
    parent: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    batch: bool = False


class Tokens:
    """All tokens of a namespace."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, Token] = {}

    def issue(
        self,
        policies: tuple[str, ...],
        path: str,
        *,
        ttl: float = 0,
        max_ttl: float = 0,
        parent: Token | None = None,
        aliases: Mapping[str, str] | None = None,
        renewable: bool = True,
        id: str | None = None,
    ) -> Token:
        """Make a token. Without a `ttl` it lasts 32 days; a root token lasts for ever."""
        now = self._clock.now()
        root = "root" in policies and not ttl
        life = ttl or DEFAULT_TTL
        if max_ttl:
            life = min(life, max_ttl)
        token = Token(
            id=id or f"hvs.{secrets.token_urlsafe(24)}",
            accessor=secrets.token_urlsafe(18),
            policies=policies,
            path=path,
            created_at=now,
            ttl=0 if root else life,
            expires_at=None if root else now + life,
            longest=now + max_ttl if max_ttl else None,
            renewable=renewable and not root,
            parent=parent.id if parent is not None else None,
            aliases=aliases or {},
        )
        self._tokens[token.id] = token
        return token

    def find(self, id: str) -> Token:
        """Return a live token. Refuses any other."""
        token = self._tokens.get(id)
        if token is None:
            raise denied("invalid token")
        if token.expires_at is not None and token.expires_at <= self._clock.now():
            self.revoke(id)
            raise denied("invalid token")
        if token.parent is not None:
            self.find(token.parent)
        return token

    def renew(self, token: Token, increment: float) -> Token:
        """Let a token last longer, at most until its longest life."""
        if not token.renewable:
            raise invalid("lease is not renewable")
        now = self._clock.now()
        ends = now + (increment or token.ttl)
        token.expires_at = min(ends, token.longest) if token.longest is not None else ends
        return token

    def revoke(self, id: str) -> None:
        """End a token and all that descend from it."""
        self._tokens.pop(id, None)
        for child in [token.id for token in self._tokens.values() if token.parent == id]:
            self.revoke(child)

    def auth(self, token: Token) -> dict[str, Any]:
        """Return what a login answers."""
        left = 0 if token.expires_at is None else int(token.expires_at - self._clock.now())
        return {
            "client_token": token.id,
            "accessor": token.accessor,
            "policies": sorted(token.policies),
            "token_policies": sorted(token.policies),
            "metadata": None,
            "lease_duration": left,
            "renewable": token.renewable,
            "entity_id": "",
            "token_type": "service",
            "orphan": token.parent is None,
        }

    def shown(self, token: Token) -> dict[str, Any]:
        """Return what a look-up answers."""
        left = 0 if token.expires_at is None else int(token.expires_at - self._clock.now())
        return {
            "id": token.id,
            "accessor": token.accessor,
            "policies": sorted(token.policies),
            "path": token.path,
            "ttl": left,
            "expire_time": None if token.expires_at is None else self._clock.text(token.expires_at),
            "creation_ttl": int(token.ttl),
            "renewable": token.renewable,
            "orphan": token.parent is None,
            "type": "service",
        }
